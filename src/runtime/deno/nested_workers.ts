// Does: refuses `new Worker(…, {deno: {permissions}})` where Deno would end the process for it (docs/PI.md#runtimes).
// Used by: process_guard.ts, on Deno alone.

/** Name of a worker with limited permissions. It proves that Deno accepts them. */
export const HELD_NAME = "pi-server-worker, held";
/** Name of any other worker. */
export const FREE_NAME = "pi-server-worker";

const SENTENCE = "A worker with permissions needs a Deno that was started with --unstable-worker-options; " +
  "start the server by `deno task serve`, or leave deno.permissions out";

/** Refuses a worker with permissions where Deno would end the process. */
export function guardWorkers(): void {
  if (Deno.build.standalone || Reflect.get(globalThis, "name") === HELD_NAME) return;
  const Original = globalThis.Worker;
  globalThis.Worker = class extends Original {
    constructor(specifier: string | URL, options?: WorkerOptions) {
      // Read once, so that Deno gets the checked value.
      const { deno, ...rest } = { ...options } as WorkerOptions & { deno?: unknown };
      const permissions: unknown = typeof deno === "object" && deno !== null
        ? Reflect.get(deno, "permissions")
        : undefined;
      if (permissions !== undefined && permissions !== null && permissions !== "inherit") {
        throw new TypeError(SENTENCE);
      }
      super(specifier, rest);
    }
  };
}
