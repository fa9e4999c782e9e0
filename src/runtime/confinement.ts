// What code in a worker may not do to the process that it shares with the server and all other sessions: end it, move
// it to another folder, or send it a signal. Used by common.ts alone. It prevents mistakes. Code that means harm can
// do the same from a shell, as the same user.
import nodeModule from "node:module";
import process from "node:process";

const ENDS = "A session cannot end the server's process";
const MOVES = "A session cannot move the server's process to another folder; pass a cwd, or use ctx.cwd";

/** The server itself is leaving. */
let leaving = false;

function refuseIn(
  target: object,
  name: string,
  unless: (args: readonly unknown[]) => boolean,
  sentence = ENDS,
): void {
  const original: unknown = Reflect.get(target, name);
  if (typeof original !== "function") return;
  Reflect.set(target, name, function (this: unknown, ...args: unknown[]): unknown {
    if (leaving || unless(args)) return Reflect.apply(original, this, args);
    throw new Error(sentence);
  });
}

/** Whether a signal goes to somebody else than this process and its group; 0 asks whether it lives. */
function toOthers([pid, signal]: readonly unknown[]): boolean {
  return signal === 0 || (pid !== process.pid && pid !== -process.pid && pid !== 0);
}

/** From now on nothing in this thread ends the process, but `leave`; `say` is told of errors that nobody caught. */
export function confine(say: (text: string) => void): void {
  // An extension's stray rejection must not end the other sessions.
  process.on("unhandledRejection", (reason) => say(`unhandled rejection in a session: ${reason}\n`));
  process.on("uncaughtException", (error) => say(`uncaught exception in a session: ${error}\n`));
  const never = (): boolean => false;
  for (const name of ["exit", "reallyExit", "abort"]) refuseIn(process, name, never);
  refuseIn(process, "kill", toOthers);
  refuseIn(process, "chdir", never, MOVES);
  if ("Deno" in globalThis) {
    refuseIn(Deno, "exit", never);
    refuseIn(Deno, "kill", toOthers);
    refuseIn(Deno, "chdir", never, MOVES);
    // Ends a worker without a word to the thread that made it.
    refuseIn(globalThis, "close", never);
  } else {
    // So that it holds for `import { exit } from "node:process"` too; Deno 2.4 has no such function.
    const sync: unknown = Reflect.get(nodeModule, "syncBuiltinESMExports");
    if (typeof sync === "function") sync();
  }
}

/** Ends the process. */
export function leave(code: number): void {
  leaving = true;
  process.exit(code);
}
