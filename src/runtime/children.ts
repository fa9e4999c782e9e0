// Processes that were started under a server, however far they have strayed: they carry a variable of its in their
// environment, which a new process group or session does not take from them. Told by Linux's /proc; elsewhere
// nothing is found. Used by common.ts alone.
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";

/** Marks what is started from here on; never a secret. */
const VARIABLE = "PI_SERVER_CHILD_OF";

/** Milliseconds that a process gets to end by itself. */
const GRACE_MS = 300;

/** Marks the children that this process will have. */
export function markChildren(of: string): void {
  process.env[VARIABLE] = of;
}

async function marked(of: string): Promise<number[]> {
  const wanted = `${VARIABLE}=${of}`;
  const names = await readdir("/proc").catch(() => []);
  const pids = names.map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  const found = await Promise.all(pids.map(async (pid) => {
    // Others' processes cannot be looked into, and are none of ours.
    const text = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    return text.split("\0").includes(wanted) ? pid : undefined;
  }));
  return found.filter((pid) => pid !== undefined);
}

function kill(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** Ends all processes that carry the mark; returns how many there were. */
export async function endChildren(of: string): Promise<number> {
  const first = await marked(of);
  if (first.length === 0) return 0;
  for (const pid of first) kill(pid, "SIGTERM");
  const end = performance.now() + GRACE_MS;
  while (performance.now() < end) {
    if ((await marked(of)).length === 0) return first.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const pid of await marked(of)) kill(pid, "SIGKILL");
  return first.length;
}
