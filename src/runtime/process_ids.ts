// What the system knows about a process by its id: whether it lives, and when it started.
// Used by: common.ts for the server, terminal/program_io.ts for subcommands.
// Invariant: a process that has ended and waits to be collected counts as gone; in a container it may wait for ever.
import { readFileSync } from "node:fs";
import process from "node:process";

/** The fields of proc(5)'s stat from the third on, after the name in parentheses, which may hold any text. */
function statOf(pid: number): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/**
 * The start of a process in a form that only serves comparison. Undefined where the system does not report it.
 */
export function processStartId(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}/${statOf(pid)[19] ?? ""}`;
  } catch {
    return undefined;
  }
}

function isZombie(pid: number): boolean {
  try {
    return statOf(pid)[0] === "Z";
  } catch {
    return false;
  }
}

/** Whether a process with that id is alive. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    // EPERM: it lives, but another user started it.
    return error instanceof Error && Reflect.get(error, "code") === "EPERM";
  }
}
