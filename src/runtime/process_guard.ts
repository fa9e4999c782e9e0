// What code in a worker may not do to the process that it shares with the server and all other sessions: end it, move
// it to another folder, or send it a signal. Used by common.ts alone. It prevents mistakes. Code that means harm can
// do the same from a shell, as the same user.
import { readFileSync } from "node:fs";
import nodeModule from "node:module";
import process from "node:process";
import { errorStack, isPrintable } from "../base/error_message.ts";
import { guardWorkers } from "./deno/nested_workers.ts";

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

/** The process group that this process is in, where the system tells. */
function ownGroup(): number {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
  } catch {
    // Another system, or a thread that may not read this: the process may still lead its group.
    return process.pid;
  }
}

/** What a pid given as a text, a big integer or an object comes to; the runtimes take all of these. */
function asPid(pid: unknown): number {
  return typeof pid === "bigint" ? Number(BigInt.asIntN(32, pid)) : Number(pid) | 0;
}

/** Whether a signal goes to other processes than this one and its group; 0 asks whether one lives. */
export function toOthers([pid, signal]: readonly unknown[]): boolean {
  const number = asPid(pid);
  // -1 is every process of this user.
  const own = [0, -1, process.pid, -process.pid, -ownGroup()];
  return signal === 0 || !own.includes(number);
}

/** Has what sends signals refuse those to this process. */
function refuseSignals(target: object, name: string): void {
  const send: unknown = Reflect.get(target, name);
  if (typeof send !== "function") return;
  Reflect.set(target, name, function (this: unknown, given: unknown, ...rest: unknown[]): unknown {
    // An object may come to another number each time, so it is made a number once.
    const pid = typeof given === "object" || typeof given === "function" ? Number(given) : given;
    if (leaving || toOthers([pid, ...rest])) return Reflect.apply(send, this, [pid, ...rest]);
    throw new Error(ENDS);
  });
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
export function guardProcess(say: (text: string) => void): void {
  surviveErrors((what, error) => say(`${what} in a session: ${errorStack(error)}\n`));
  const never = (): boolean => false;
  for (const name of ["exit", "reallyExit", "abort"]) refuseIn(process, name, never);
  // Node's `_kill` is what its `kill` calls with a number.
  for (const name of ["kill", "_kill"]) refuseSignals(process, name);
  refuseIn(process, "chdir", never, MOVES);
  if ("Deno" in globalThis) {
    refuseIn(Deno, "exit", never);
    refuseSignals(Deno, "kill");
    refuseIn(Deno, "chdir", never, MOVES);
    guardWorkers();
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
