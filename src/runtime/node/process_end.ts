// The end of a process on Node. A thread of libuv that waits for a file, such as a FIFO that an extension opened, holds
// the process for good once it ends, and no JavaScript runs any more. So a small process of its own waits for the end,
// and kills what is left. It knows the end by its standard input, so that it never kills another process of that id.
import { spawn } from "node:child_process";
import process from "node:process";

/** Milliseconds between the last word of the program and the kill; what is being written gets its time before. */
const END_MS = 5_000;

let ending = false;

/** From now on this process ends within {@linkcode END_MS}. */
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
  // Without the watcher the end is as good as it was.
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.unref();
  Reflect.get(child.stdin, "unref")?.call(child.stdin);
}
