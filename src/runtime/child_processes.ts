// Does: runs a program and returns its output, and finds and ends all processes that the server has started.
// Used by: common.ts. A variable in their environment marks these processes, even in another group or session.
// Invariant: it reads Linux's /proc. On other systems it finds no process.
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { asTheUserSet } from "./no_proxy.ts";

/** Mark what is started from here on; never secrets, and no names of flags. */
const VARIABLE = "PI_SERVER_CHILD_OF";
const WORKER_VARIABLE = "PI_SERVER_CHILD_OF_WORKER";
const MARKS: readonly string[] = [VARIABLE, WORKER_VARIABLE];

/** Milliseconds that a process gets to end itself. */
const GRACE_MS = 300;

/** Marks the later children of this whole process. */
export function tagChildProcesses(of: string): void {
  hideOwnVariables();
  process.env[VARIABLE] = of;
}

/** Takes the server's own settings out of the environment, which shells of sessions inherit. */
function hideOwnVariables(): void {
  for (const name of Object.keys(process.env)) {
    if (/^PI_SERVER_/i.test(name) && !MARKS.includes(name)) delete process.env[name];
  }
}

/** Marks the children that this thread will have, not those of other threads. */
export function tagWorkerProcesses(worker: string, of: string | undefined): void {
  // On Deno threads share one environment, so this thread gets a copy, as on Node it has already.
  if ("Deno" in globalThis) Reflect.set(process, "env", asTheUserSet(Deno.env.toObject()));
  hideOwnVariables();
  process.env[WORKER_VARIABLE] = worker;
  if (of !== undefined) process.env[VARIABLE] = of;
}

async function marked(of: string, worker: string | undefined): Promise<number[]> {
  const wanted = [`${VARIABLE}=${of}`, ...worker === undefined ? [] : [`${WORKER_VARIABLE}=${worker}`]];
  const names = await readdir("/proc").catch(() => []);
  const pids = names.map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  const found = await Promise.all(pids.map(async (pid) => {
    // Processes of other users cannot be read, and do not belong to the server.
    const text = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    const variables = text.split("\0");
    return wanted.every((one) => variables.includes(one)) ? pid : undefined;
  }));
  return found.filter((pid) => pid !== undefined);
}

function kill(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended meanwhile.
  }
}

/** Ends all processes with the mark, or with both marks. Returns their number. */
export async function endChildren(of: string, worker?: string): Promise<number> {
  const first = await marked(of, worker);
  if (first.length === 0) return 0;
  for (const pid of first) kill(pid, "SIGTERM");
  const end = performance.now() + GRACE_MS;
  while (performance.now() < end) {
    if ((await marked(of, worker)).length === 0) return first.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const pid of await marked(of, worker)) kill(pid, "SIGKILL");
  return first.length;
}

/** Runs a program to its end and returns its output. Throws when it fails or takes longer. */
export function output(command: readonly string[], withinMs: number): Promise<string> {
  const [program = "", ...args] = command;
  // On Windows npm is a script, which needs a shell. The words come from the user's own settings.
  const options = { timeout: withinMs, shell: process.platform === "win32" };
  return new Promise((resolve, reject) =>
    execFile(program, args, options, (error, stdout) => error === null ? resolve(stdout) : reject(error))
  );
}
