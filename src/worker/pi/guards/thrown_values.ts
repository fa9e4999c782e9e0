// Does: turns the values that extensions throw into errors that can be printed, and bounds waits for extensions.
// Used by: factory.ts. Uses: extension_calls.ts. pi calls `String(error)` in its catch clauses, which can throw (docs/PI.md#extensions).
import { errorMessage, isPrintable } from "../../../base/error_message.ts";
import type { ExtensionCalls, Wait } from "./extension_calls.ts";

/** An extension as pi keeps it. A registration is a call of `set`. */
interface Registrations {
  readonly path: string;
  readonly handlers: Map<string, unknown>;
  readonly commands: Map<string, unknown>;
  readonly tools: Map<string, unknown>;
}

/** Reports a thrown value of a tool that is not an error. pi itself reports those of hooks and commands. */
export type ReportThrown = (extensionPath: string, event: string, error: string) => void;

type Callable = (...args: unknown[]) => unknown;

const seen = new WeakSet<object>();
const wrapped = new WeakSet<object>();

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  isObject(value) && typeof Reflect.get(value, "then") === "function";

/** How a wrapped function reports its errors, and how pi waits for it. */
interface Manner {
  readonly told?: (message: string) => void;
  readonly wait?: Wait | undefined;
}

/** Wraps a function so that its errors can be printed. */
function printable(original: unknown, { told = () => {}, wait = (answer) => answer }: Manner): unknown {
  if (typeof original !== "function" || wrapped.has(original)) return original;
  const fail = (error: unknown): never => {
    if (isPrintable(error)) throw error;
    const message = errorMessage(error);
    told(message);
    throw new Error(message);
  };
  const call: Callable = function (this: unknown, ...args) {
    try {
      const result: unknown = Reflect.apply(original, this, args);
      return isPromise(result) ? wait(Promise.resolve(result).catch(fail)) : result;
    } catch (error) {
      return fail(error);
    }
  };
  wrapped.add(call);
  return call;
}

/** A copy of the object with wrapped functions under those names. A call still has the object as `this`. */
function withPrintable(value: unknown, names: readonly string[], manner: Manner): unknown {
  if (!isObject(value)) return value;
  const replaced = new Map<PropertyKey, unknown>();
  for (const name of names) {
    const original: unknown = Reflect.get(value, name);
    if (typeof original !== "function" || wrapped.has(original)) continue;
    replaced.set(name, printable(original.bind(value), manner));
  }
  if (replaced.size === 0) return value;
  // A copy, because a frozen object keeps its functions. The prototype supplies everything else.
  const copy: object = Object.create(value);
  Object.assign(copy, value, Object.fromEntries(replaced));
  return copy;
}

/** Changes the values of a map, now and at each later `set`. */
function changeAll(map: Map<string, unknown>, change: (value: unknown, key: string) => unknown): void {
  const set = map.set.bind(map);
  Reflect.set(map, "set", (key: string, value: unknown) => set(key, change(value, key)));
  for (const [key, value] of [...map]) map.set(key, value);
}

function isRegistrations(value: unknown): value is Registrations {
  return isObject(value) &&
    ["handlers", "commands", "tools"].every((name) => Reflect.get(value, name) instanceof Map);
}

/** Wraps everything that one extension has registered or will register. */
function tame(extension: Registrations, report: ReportThrown, calls: ExtensionCalls): void {
  changeAll(extension.handlers, (list, event) => {
    if (!Array.isArray(list)) return list;
    const wait = calls.ofHandler(event);
    // pi adds to the list in place, then sets it again.
    for (const [at, handler] of list.entries()) list[at] = printable(handler, { wait });
    return list;
  });
  // The handler of a command may wait for runs, and no run waits for it.
  changeAll(extension.commands, (command) => withPrintable(command, ["handler"], {}));
  changeAll(extension.tools, (tool, name) => {
    if (!isObject(tool)) return tool;
    const told = (error: string): void => report(extension.path, `tool ${name}`, error);
    const manner = { told, wait: calls.ofTool(name) };
    const names = ["execute", "prepareArguments"];
    const definition = withPrintable(Reflect.get(tool, "definition"), names, manner);
    return { ...tool, definition };
  });
}

/** Wraps the extensions of a loader, also after a reload. */
export function tameExtensions(loader: object, report: ReportThrown, calls: ExtensionCalls): void {
  const original: unknown = Reflect.get(loader, "getExtensions");
  if (typeof original !== "function" || wrapped.has(original)) return;
  const getExtensions: Callable = () => {
    const found: unknown = Reflect.apply(original, loader, []);
    const extensions: unknown = isObject(found) ? Reflect.get(found, "extensions") : undefined;
    for (const extension of Array.isArray(extensions) ? extensions : []) {
      if (seen.has(extension) || !isRegistrations(extension)) continue;
      seen.add(extension);
      tame(extension, report, calls);
    }
    return found;
  };
  wrapped.add(getExtensions);
  Reflect.set(loader, "getExtensions", getExtensions);
}
