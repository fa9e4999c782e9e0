// Does: ends the process on Node, even when a thread of libuv waits for a file such as a FIFO.
// Used by: node.ts. A small child process waits for the end and kills the rest, because JavaScript no longer runs.
// Invariant: the child knows the end by its standard input, so it never kills another process with that id.
import { spawn } from "node:child_process";
import process from "node:process";

/** Milliseconds between the program's end and the kill. Open writes get that time. */
const END_MS = 5_000;

let ending = false;

/** The process ends within {@linkcode END_MS} from now. */
export function ensureEnd(): void {
  if (ending) return;
  ending = true;
  const watch = `process.stdin.on("end", () => process.exit()).resume();
    setTimeout(() => process.kill(${process.pid}, "SIGKILL"), ${END_MS});`;
  const child = spawn(process.execPath, ["-e", watch], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    env: {},
  });
  // Without the child, the process ends as before.
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.unref();
  Reflect.get(child.stdin, "unref")?.call(child.stdin);
}
