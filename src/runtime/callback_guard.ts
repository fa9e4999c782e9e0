// Does: takes the errors of callbacks that Deno calls by itself.
// Used by: process_guard.ts. Deno looks at an error to print it, and ends the thread when that look throws.
// Invariant: no error of such a callback reaches Deno, whatever it is.
import process from "node:process";

/** Reports an error. */
type Tell = (error: unknown) => void;

/** The same callback, which gives its error to `tell`. */
function harmless(callback: (...args: unknown[]) => unknown, tell: Tell): (...args: unknown[]) => unknown {
  return function (this: unknown, ...args: unknown[]): unknown {
    try {
      return Reflect.apply(callback, this, args);
    } catch (error) {
      tell(error);
    }
  };
}

function isCallback(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === "function";
}

/** Guards the first argument of a function, and keeps its other properties. */
function guardFirst(target: object, name: string, tell: Tell): void {
  const original: unknown = Reflect.get(target, name);
  if (!isCallback(original)) return;
  const guarded = (callback: unknown, ...rest: unknown[]): unknown =>
    Reflect.apply(original, target, [isCallback(callback) ? harmless(callback, tell) : callback, ...rest]);
  // For example the form that `promisify` uses.
  for (const key of Object.getOwnPropertySymbols(original)) {
    Reflect.set(guarded, key, Reflect.get(original, key));
  }
  Reflect.set(target, name, guarded);
}

/** Guards listeners of events. Each has one guarded form, so that it can be removed. */
function guardListeners(tell: Tell): void {
  const guarded = new WeakMap<object, (...args: unknown[]) => unknown>();
  const guardedForm = (listener: unknown): unknown => {
    if (typeof listener !== "function" && (typeof listener !== "object" || listener === null)) {
      return listener;
    }
    const known = guarded.get(listener);
    if (known !== undefined) return known;
    const call = isCallback(listener) ? listener : (...args: unknown[]): unknown => {
      const handle: unknown = Reflect.get(listener, "handleEvent");
      return isCallback(handle) ? Reflect.apply(handle, listener, args) : undefined;
    };
    const form = harmless(call, tell);
    guarded.set(listener, form);
    return form;
  };
  for (const name of ["addEventListener", "removeEventListener"]) {
    const original: unknown = Reflect.get(EventTarget.prototype, name);
    if (!isCallback(original)) continue;
    Reflect.set(EventTarget.prototype, name, function (this: unknown, ...args: unknown[]): unknown {
      const [type, listener, ...rest] = args;
      return Reflect.apply(original, this, args.length < 2 ? args : [type, guardedForm(listener), ...rest]);
    });
  }
}

/** Guards what an extension on Deno can hand over to be called later, or report. */
export function guardCallbacks(tell: Tell): void {
  for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"]) {
    guardFirst(globalThis, name, tell);
  }
  guardFirst(process, "nextTick", tell);
  guardListeners(tell);
  Reflect.set(globalThis, "reportError", tell);
}
