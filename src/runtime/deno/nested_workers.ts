// Does: keeps code in a session from ending the process by `new Worker(…, {deno: {permissions}})`. Deno exits at once
// when it was started without --unstable-worker-options. Used by: process_guard.ts, on Deno alone.

/** Name of a host's thread that was given permissions, which proves that Deno takes them. */
export const HELD_NAME = "pi-server-host, held";
/** Name of any other host's thread. */
export const FREE_NAME = "pi-server-host";

const SENTENCE = "A worker with permissions needs a Deno that was started with --unstable-worker-options; " +
  "start the server by `deno task serve`, or leave deno.permissions out";

/** From now on a worker with permissions is refused where Deno would end the process for it. */
export function guardWorkers(): void {
  if (Deno.build.standalone || Reflect.get(globalThis, "name") === HELD_NAME) return;
  const Original = globalThis.Worker;
  globalThis.Worker = class extends Original {
    constructor(specifier: string | URL, options?: WorkerOptions) {
      // Read once: what is checked is what Deno gets.
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
