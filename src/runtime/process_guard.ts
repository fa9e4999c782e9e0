// Does: stops code in a worker from ending the process, moving it to another folder, or sending it a signal.
// Used by: common.ts.
// Invariant: it prevents mistakes. Hostile code can do the same from a shell, as the same user.
import { readFileSync } from "node:fs";
import nodeModule from "node:module";
import process from "node:process";
import { errorStack } from "../base/error_message.ts";
import { guardCallbacks } from "./callback_guard.ts";
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

/** The process group of this process, if the system reports it. */
function ownGroup(): number {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
  } catch {
    // Another system, or a thread that may not read this. The process may still lead its group.
    return process.pid;
  }
}

/** The number of a pid that is a text, a big integer or an object. The runtimes accept all of these. */
function asPid(pid: unknown): number {
  return typeof pid === "bigint" ? Number(BigInt.asIntN(32, pid)) : Number(pid) | 0;
}

/** Whether a signal goes only to other processes. Signal 0 only asks whether a process lives. */
export function toOthers([pid, signal]: readonly unknown[]): boolean {
  const number = asPid(pid);
  // -1 means every process of this user.
  const own = [0, -1, process.pid, -process.pid, -ownGroup()];
  return signal === 0 || !own.includes(number);
}

/** Makes a function that sends signals refuse those to this process. */
function refuseSignals(target: object, name: string): void {
  const send: unknown = Reflect.get(target, name);
  if (typeof send !== "function") return;
  Reflect.set(target, name, function (this: unknown, given: unknown, ...rest: unknown[]): unknown {
    // An object may have another number each time, so it is converted once.
    const pid = typeof given === "object" || typeof given === "function" ? Number(given) : given;
    if (leaving || toOthers([pid, ...rest])) return Reflect.apply(send, this, [pid, ...rest]);
    throw new Error(ENDS);
  });
}

type Tell = (what: string, error: unknown) => void;

/** Keeps stray errors of an extension from ending the other sessions, whatever listeners exist. */
function surviveErrors(tell: Tell): void {
  const told = { unhandledRejection: "unhandled rejection", uncaughtException: "uncaught exception" };
  if ("Deno" in globalThis) {
    guardCallbacks((error) => {
      tell(told.uncaughtException, error);
      try {
        // Listeners of an extension hear of it, as on Node.
        Reflect.apply(process.emit, process, ["uncaughtException", error, "uncaughtException"]);
      } catch (another) {
        tell(told.uncaughtException, another);
      }
    });
    // A listener of the thread itself. An extension can remove listeners of `process`, but not these.
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
  guardEmit(tell, told);
  guardCapture((error) => tell(told.uncaughtException, error));
}

type Emit = (...args: unknown[]) => unknown;

/**
 * Node asks `process.emit` whether a listener took the error; one that throws would end the process. An extension may
 * replace it, as libraries do, and gets a guarded one of its own.
 */
function guardEmit(tell: Tell, told: Readonly<Record<string, string>>): void {
  let telling = false;
  const guarded = (emit: Emit): Emit =>
    function (this: unknown, ...args: unknown[]): unknown {
      const what = Object.hasOwn(told, String(args[0])) ? told[String(args[0])] : undefined;
      // Node emits the monitor's event first, and would end the process over an error of it, too.
      const seen = what !== undefined || args[0] === "uncaughtExceptionMonitor";
      // A replaced one calls the one before.
      if (!seen || telling) return Reflect.apply(emit, process, args);
      telling = true;
      if (what !== undefined) tell(what, args[1]);
      try {
        Reflect.apply(emit, process, args);
      } catch (error) {
        tell("uncaught exception", error);
      } finally {
        telling = false;
      }
      return true;
    };
  const first: (...args: never[]) => unknown = process.emit;
  let current = guarded((...args) => Reflect.apply(first, process, args));
  Object.defineProperty(process, "emit", {
    get: () => current,
    set: (emit: unknown) => {
      if (typeof emit === "function") current = guarded((...args) => Reflect.apply(emit, process, args));
    },
  });
}

/** The one function that Node calls instead of `emit` for an exception. */
function guardCapture(report: (error: unknown) => void): void {
  const set: unknown = Reflect.get(process, "setUncaughtExceptionCaptureCallback");
  if (typeof set !== "function") return;
  Reflect.set(process, "setUncaughtExceptionCaptureCallback", (capture: unknown): unknown => {
    if (typeof capture !== "function") return Reflect.apply(set, process, [capture]);
    return Reflect.apply(set, process, [(error: unknown): void => {
      report(error);
      try {
        Reflect.apply(capture, process, [error]);
      } catch (another) {
        report(another);
      }
    }]);
  });
}

/** From now on only `leave` ends the process. `say` gets uncaught errors. */
export function guardProcess(say: (text: string) => void): void {
  surviveErrors((what, error) => say(`${what} in a session: ${errorStack(error)}\n`));
  const never = (): boolean => false;
  for (const name of ["exit", "reallyExit", "abort"]) refuseIn(process, name, never);
  // Node's `kill` calls `_kill` with a number.
  for (const name of ["kill", "_kill"]) refuseSignals(process, name);
  refuseIn(process, "chdir", never, MOVES);
  if ("Deno" in globalThis) {
    refuseIn(Deno, "exit", never);
    refuseSignals(Deno, "kill");
    refuseIn(Deno, "chdir", never, MOVES);
    guardWorkers();
    // This would end a worker without a report to its owner.
    refuseIn(globalThis, "close", never);
  } else {
    // Makes it hold for `import { exit } from "node:process"` too. Deno 2.4 has no such function.
    const sync: unknown = Reflect.get(nodeModule, "syncBuiltinESMExports");
    if (typeof sync === "function") sync();
  }
}

/** Ends the process. */
export function leave(code: number): void {
  leaving = true;
  process.exit(code);
}
