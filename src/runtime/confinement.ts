// What code in a worker may not do to the process that it shares with the server and all other sessions: end it, move
// it to another folder, or send it a signal. Used by common.ts alone. It prevents mistakes. Code that means harm can
// do the same from a shell, as the same user.
import nodeModule from "node:module";
import process from "node:process";
import { errorStack, isPrintable } from "../error_message.ts";

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

type Tell = (what: string, error: unknown) => void;

/** Reports an error that Deno could not print itself: Deno 2.4 panics over an error whose message throws. */
function printable(callback: unknown, tell: Tell): unknown {
  if (typeof callback !== "function") return callback;
  return function (this: unknown, ...args: unknown[]): unknown {
    try {
      return Reflect.apply(callback, this, args);
    } catch (error) {
      if (isPrintable(error)) throw error;
      tell("uncaught exception", error);
    }
  };
}

function guardTimers(tell: Tell): void {
  for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"]) {
    const original: unknown = Reflect.get(globalThis, name);
    if (typeof original !== "function") continue;
    const guarded = (callback: unknown, ...rest: unknown[]): unknown =>
      Reflect.apply(original, globalThis, [printable(callback, tell), ...rest]);
    // Such as the form that `promisify` takes.
    for (const key of Object.getOwnPropertySymbols(original)) {
      Reflect.set(guarded, key, Reflect.get(original, key));
    }
    Reflect.set(globalThis, name, guarded);
  }
}

/** An extension's stray error must not end the other sessions, whatever it is and whoever listens. */
function surviveErrors(tell: Tell): void {
  const told = { unhandledRejection: "unhandled rejection", uncaughtException: "uncaught exception" };
  if ("Deno" in globalThis) {
    guardTimers(tell);
    // Of the thread itself: an extension can take the listeners of `process` away, but not these.
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      tell(told.unhandledRejection, event.reason);
    });
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      tell(told.uncaughtException, event.error);
    });
    return;
  }
  // Node asks `emit` whether anybody took the error; a listener that throws would end the process, too.
  const emit: (...args: unknown[]) => boolean = process.emit.bind(process);
  Reflect.set(process, "emit", (name: unknown, ...args: unknown[]): boolean => {
    if (name !== "unhandledRejection" && name !== "uncaughtException") return emit(name, ...args);
    tell(told[name], args[0]);
    try {
      emit(name, ...args);
    } catch (error) {
      tell(told.uncaughtException, error);
    }
    return true;
  });
}

/** From now on nothing in this thread ends the process, but `leave`; `say` is told of errors that nobody caught. */
export function confine(say: (text: string) => void): void {
  surviveErrors((what, error) => say(`${what} in a session: ${errorStack(error)}\n`));
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
