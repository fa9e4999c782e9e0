// Does: gives the thread turns while jiti loads an extension. jiti compiles one file after the other in one turn, so a
// large package would stop every session of the worker, and the server would replace the worker as silent.
// Used by: factory.ts, before the first extension is loaded.
import vm from "node:vm";
import type { Clock } from "../../../runtime/runtime.ts";

/** Milliseconds that jiti may compile before other work has a turn. */
const SLICE_MS = 50;

/** How jiti opens each compiled module that may wait for others. */
const MODULE = /^\(async function \(exports, require, module, __filename, __dirname, jitiImport,/;

type Run = (...parts: unknown[]) => unknown;

function isRun(value: unknown): value is Run {
  return typeof value === "function";
}

/** Has every module that jiti compiles start in a new turn when the last turn is `SLICE_MS` old. */
export function yieldBetweenModules(clock: Clock): void {
  const run: unknown = vm.runInThisContext;
  if (!isRun(run)) throw new Error("This runtime has another node:vm");
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
      if (clock.monotonic() - turnedAt >= SLICE_MS) await nextTurn();
      return await body(...parts);
    };
  };
  Reflect.set(vm, "runInThisContext", patched);
}
