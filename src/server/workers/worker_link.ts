// Does: starts one worker, and exchanges messages with it in order. It reports the worker's end.
// Used by: worker_pool.ts. The messages are the same for a thread and for a worker in this thread.
import { errorMessage } from "../../base/error_message.ts";
import type { FromWorker, ToWorker, WorkerConfig } from "../../ipc/messages.ts";
import { decodeBatch, encodeCalls, type ServerBatch, type WorkerBatch } from "../../ipc/codec.ts";
import type { Runtime, Timer, WorkerHandle, WorkerPermissions } from "../../runtime/runtime.ts";
import { ReceiveQueue } from "../../ipc/receive_queue.ts";

/** Batches that a worker may have before it has handled them: one to work on, and the next one. */
const BATCHES = 2;

/** Milliseconds for the start of a thread. On Deno 2.4 a thread that cannot start reports nothing. */
const UP_MS = 30_000;

/** One worker, as the manager sees it. */
export interface WorkerLink {
  send(message: ToWorker): void;
  /** Ends the worker at once, whatever it does, with all processes that it has started. */
  terminate(): void;
  /** Ends the worker at once. Its sessions' background processes go on. */
  dismiss(): void;
}

/** The reports of a link. */
export interface LinkEvents {
  onMessage(message: FromWorker): void;
  onExit(reason: string): void;
}

/** Starts a worker. */
export type StartWorker = (config: WorkerConfig, events: LinkEvents) => WorkerLink;

export interface WorkerThreadParts {
  readonly runtime: Runtime;
  /** The worker's entry. */
  readonly worker: URL;
  /** Absent: a worker may do what the process may. */
  readonly permissions: WorkerPermissions | undefined;
  /** The limit of a worker's heap, where the runtime can enforce it. */
  readonly heapBytes: number;
  /** A worker is gone. Its processes carry its mark. */
  onExit(mark: string): void;
}

/** Workers in threads. */
export function startWorkerThread(
  { runtime, worker, permissions, heapBytes, onExit: gone }: WorkerThreadParts,
): StartWorker {
  let started = 0;
  return (config, events) => {
    let handle: WorkerHandle | undefined;
    // The process id separates the workers of servers that have used the same state folder.
    const mark = `${runtime.pid}.${++started}`;
    // Messages of one turn of the event loop cross together. So do those that wait while the worker has batches enough.
    // Many messages at once then cost few crossings.
    let state: "starting" | "up" | "gathering" = "starting";
    let untaken = 0;
    let waiting: ToWorker[] = [{ kind: "start", config: { ...config, processTag: mark } }];
    const post = (call: ServerBatch): void => handle?.post(call);
    const pass = (): void => {
      state = "up";
      if (untaken >= BATCHES || waiting.length === 0) return;
      untaken++;
      post({ messages: encodeCalls(waiting), creditBytes: 0 });
      waiting = [];
    };
    let late: Timer | undefined;
    const exit = (reason: string): void => {
      late?.clear();
      // Its last messages come before its end.
      inbox.handleRest();
      gone(mark);
      events.onExit(reason);
    };
    const end = (reason: string): void => {
      late?.clear();
      handle?.terminate();
      inbox.discard();
      gone(mark);
      events.onExit(reason);
    };
    const take = (message: FromWorker): void => {
      if (message.kind === "fatal") end(message.reason);
      else events.onMessage(message);
    };
    const took = (bytes: number): void => post({ messages: [], creditBytes: bytes });
    const inbox = new ReceiveQueue({ clock: runtime, handle: take, addCredit: took });
    const heard = ({ messages, bytes }: WorkerBatch): void => {
      const said = decodeBatch(messages);
      // Flow-control messages skip the receive queue. Only session messages wait their turn.
      const words = said.filter(({ kind }) => kind !== "online" && kind !== "batch_ack");
      inbox.enqueueBatch(words, bytes);
      if (words.length === said.length) return;
      late?.clear();
      untaken -= said.filter(({ kind }) => kind === "batch_ack").length;
      pass();
    };
    // In a turn of its own, so that greetings leave before the thread is made.
    const spawning = runtime.after(0, () => {
      late = runtime.after(UP_MS, () => end(`its thread did not start within ${UP_MS / 1000} s`));
      let spawned: WorkerHandle;
      try {
        spawned = runtime.spawn(worker, permissions, heapBytes);
      } catch (error) {
        return end(`its thread could not be started: ${errorMessage(error)}`);
      }
      handle = spawned;
      // The worker's entry posts nothing else.
      spawned.onMessage = (received) => heard(received as WorkerBatch);
      spawned.onExit = exit;
    });
    const dismiss = (): void => {
      spawning.clear();
      late?.clear();
      inbox.discard();
      handle?.terminate();
    };
    return {
      send(message) {
        waiting.push(message);
        if (state !== "up" || untaken >= BATCHES) return;
        state = "gathering";
        runtime.nextTick(pass);
      },
      terminate() {
        dismiss();
        gone(mark);
      },
      dismiss,
    };
  };
}
