// Does: runs a worker in the server's own thread (`--workers 0`), for embedding, tests and debugging.
// Used by: the composition root. Uses: the worker itself, loaded on demand: the only import from server to worker.
// Invariant: messages are copied, as between threads.
import { errorMessage } from "../../base/error_message.ts";
import type { ToWorker } from "../../ipc/messages.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { StartWorker } from "./worker_link.ts";

/** Starts a worker in this thread. Messages are copied as between threads. */
export function startInProcess(runtime: Runtime, ownProcess: boolean): StartWorker {
  return (config, events) => {
    let send: ((message: ToWorker) => void) | undefined;
    let waiting: ToWorker[] = [{ kind: "start", config }];
    let gone = false;
    const start = async (): Promise<void> => {
      // An embedding program ends itself when it likes.
      if (ownProcess) {
        runtime.guardProcess(runtime.writeError);
        const warn = (text: string): void => runtime.writeError(`pi-server: ${text}\n`);
        await runtime.followProxies(warn, config.httpProxy);
      }
      const { SessionWorker, loadPi } = await import("../../worker/session_worker.ts");
      const worker = new SessionWorker(runtime, loadPi, (batch) => {
        for (const message of structuredClone(batch)) if (!gone) events.onMessage(message);
      });
      send = (message) => worker.receive(structuredClone(message));
      for (const early of waiting) send(early);
      waiting = [];
    };
    const starting = runtime.after(
      0,
      () => void start().catch((error) => events.onExit(errorMessage(error))),
    );
    const end = (): void => {
      gone = true;
      starting.clear();
    };
    return {
      send(message) {
        if (gone) return;
        if (send === undefined) waiting.push(message);
        else send(message);
      },
      terminate: end,
      dismiss: end,
    };
  };
}
