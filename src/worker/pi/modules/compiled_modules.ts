// Does: stands between jiti and the modules that it has compiled. It gives the thread turns between them, and each gets
// files that never throw where they only look (tolerant_fs.ts).
// Used by: factory.ts, before the first extension is loaded.
// Invariant: jiti compiles one file after the other in one turn. Without turns a large package stops every session of
// the worker, and the server replaces the worker as silent.
import vm from "node:vm";
import type { Clock } from "../../../runtime/runtime.ts";
import { tolerantModule, tolerateRefusedLookups } from "./tolerant_fs.ts";

/** Milliseconds that jiti may compile before other work has a turn. */
const SLICE_MS = 50;

/** How jiti opens each compiled module that may wait for others. */
const MODULE = /^\(async function \(exports, require, module, __filename, __dirname, jitiImport,/;
/** The place of `jitiImport` among the parameters. */
const IMPORT_PART = 5;

type Run = (...parts: unknown[]) => unknown;

function isRun(value: unknown): value is Run {
  return typeof value === "function";
}

/** Gives every compiled module its turn, when the last turn is `SLICE_MS` old, and its imports. */
export function standBetweenModules(clock: Clock): void {
  const run: unknown = vm.runInThisContext;
  if (!isRun(run)) throw new Error("This runtime has another node:vm");
  tolerateRefusedLookups();
  let turnedAt = 0;
  let turn: Promise<void> | undefined;
  const nextTurn = (): Promise<void> =>
    turn ??= new Promise<void>((resolve) =>
      clock.after(0, () => {
        turnedAt = clock.monotonic();
        turn = undefined;
        resolve();
      })
    );
  const patched: Run = (code, ...options) => {
    const body = run.call(vm, code, ...options);
    if (typeof code !== "string" || !MODULE.test(code) || !isRun(body)) return body;
    return async (...parts: unknown[]) => {
      const load = parts[IMPORT_PART];
      if (!isRun(load)) throw new Error("This jiti imports modules in another way");
      parts[IMPORT_PART] = (name: unknown, ...more: unknown[]) => {
        const files = tolerantModule(name);
        return files === undefined ? load(name, ...more) : Promise.resolve(files);
      };
      if (clock.monotonic() - turnedAt >= SLICE_MS) await nextTurn();
      return await body(...parts);
    };
  };
  Reflect.set(vm, "runInThisContext", patched);
}
