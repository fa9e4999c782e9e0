// The terminal of the person who runs a command of the program: raw keys, its size, and its return to how it was,
// whatever ends the process but SIGKILL. On Deno and on Node, both through node:process.
import { writeSync } from "node:fs";
import process from "node:process";
import type { TerminalDevice, TerminalEnd } from "./io.ts";

const IS_DENO = "Deno" in globalThis;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const STDOUT = 1;
/** How often a full terminal is offered the same bytes again, before what is left is dropped. */
const WRITE_TRIES = 1000;

/** Writes to the terminal before it returns, as the last act of a process must. Says whether all of it was taken. */
function writeNow(text: string): boolean {
  let rest = new TextEncoder().encode(text);
  for (let tries = 0; rest.length > 0 && tries < WRITE_TRIES;) {
    try {
      rest = rest.subarray(writeSync(STDOUT, rest));
    } catch (error) {
      // A slow terminal takes no more for now; one that is gone never will.
      if (!(error instanceof Error) || Reflect.get(error, "code") !== "EAGAIN") return false;
      tries++;
    }
  }
  return rest.length === 0;
}

/** Columns and rows as they are now. */
function sizeOf(stdout: typeof process.stdout): [columns: number, rows: number] {
  // Node keeps the size of the last resize; Deno asks the terminal each time.
  return [stdout.columns || 80, stdout.rows || 24];
}

/** The terminal on standard input and output; undefined where either of them is none. */
export function openTerminal(): TerminalDevice | undefined {
  const { stdin, stdout } = process;
  if (stdin.isTTY !== true || stdout.isTTY !== true) return undefined;
  let undo: (() => void) | undefined;
  let gone = (): void => {};
  return {
    get columns() {
      return sizeOf(stdout)[0];
    },
    get rows() {
      return sizeOf(stdout)[1];
    },
    open(onInput, onResize, onEnd) {
      const raw = stdin.isRaw === true;
      const data = (chunk: string | Uint8Array): void => onInput(String(chunk));
      const signals = SIGNALS.map((name) => [name, () => onEnd({ kind: "signal", name })] as const);
      const failed = (error: unknown): void => onEnd({ kind: "error", error } satisfies TerminalEnd);
      gone = () => onEnd({ kind: "gone" });
      stdin.setRawMode(true);
      stdin.setEncoding("utf8");
      stdin.on("data", data).on("end", gone).on("error", gone);
      stdout.on("resize", onResize).on("error", gone);
      // Deno 2.4 has no resize event.
      process.on("SIGWINCH", onResize);
      for (const [name, fn] of signals) process.on(name, fn);
      process.on("uncaughtException", failed).on("unhandledRejection", failed);
      stdin.resume();
      undo = () => {
        stdin.off("data", data).off("end", gone).off("error", gone);
        stdout.off("resize", onResize);
        process.off("SIGWINCH", onResize);
        for (const [name, fn] of signals) process.off(name, fn);
        process.off("uncaughtException", failed).off("unhandledRejection", failed);
        // What was typed last is not for the shell.
        stdin.pause();
        try {
          stdin.setRawMode(raw);
        } catch {
          // The terminal is gone, and its mode with it.
        }
      };
    },
    write: (text) => {
      if (!IS_DENO) stdout.write(text);
      // The stream of Deno 2.4 writes once: what a write leaves is lost, as a last line of 1 KiB always is.
      else if (!writeNow(text)) gone();
    },
    close(last) {
      writeNow(last);
      undo?.();
      undo = undefined;
    },
  };
}
