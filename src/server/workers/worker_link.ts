// The router thread's end of a host's edge: the same messages whether the host is a worker or this thread.
// Starts the host, keeps order, and tells when it is gone.
import { errorMessage } from "../../base/error_message.ts";
import type { FromWorker, ToWorker, WorkerConfig } from "../../ipc/messages.ts";
import { decodeBatch, encodeCalls, type ServerBatch, type WorkerBatch } from "../../ipc/codec.ts";
import type { Runtime, Timer, WorkerHandle, WorkerPermissions } from "../../runtime/runtime.ts";
import { ReceiveQueue } from "../../ipc/receive_queue.ts";

/** Batches that a host may have before it has taken them: one to work on and the next, so that it need not wait. */
const BATCHES = 2;

/** Milliseconds that a thread gets to come up. On Deno 2.4 one that cannot start says nothing at all. */
const UP_MS = 30_000;

/** One host, as the manager sees it. */
export interface WorkerLink {
  send(message: ToWorker): void;
  /** Ends the host at once, whatever it is doing, and what it has started in the system. */
  terminate(): void;
  /** Ends the host at once. What its sessions have started in the background goes on. */
  dismiss(): void;
}

/** What a link tells its manager. */
export interface LinkEvents {
  onMessage(message: FromWorker): void;
  onExit(reason: string): void;
}

/** Starts a host. */
export type StartWorker = (config: WorkerConfig, events: LinkEvents) => WorkerLink;

/** What hosts in worker threads are made of. */
export interface WorkerThreadParts {
  readonly runtime: Runtime;
  /** The worker's entry. */
  readonly worker: URL;
  /** Absent: a worker may do what the process may. */
  readonly permissions: WorkerPermissions | undefined;
  /** The most that a host's heap may hold, where the runtime can hold it to that. */
  readonly heapBytes: number;
  /** A host is gone; what it started carries its mark. */
  onExit(mark: string): void;
}

/** Hosts in worker threads. */
export function startWorkerThread(
  { runtime, worker, permissions, heapBytes, onExit: gone }: WorkerThreadParts,
): StartWorker {
  let started = 0;
  return (config, events) => {
    let handle: WorkerHandle | undefined;
    // The process's id tells the hosts of servers apart that were over one state folder.
    const mark = `${runtime.pid}.${++started}`;
    // What comes in one turn of the event loop, or while the host has batches enough, crosses together, with the
    // next. Many at once cost few crossings.
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
      // Its last words come before its end.
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
      // That it takes commands again is no word of its sessions', and does not wait for them.
      const words = said.filter(({ kind }) => kind !== "online" && kind !== "batch_ack");
      inbox.enqueueBatch(words, bytes);
      if (words.length === said.length) return;
      late?.clear();
      untaken -= said.filter(({ kind }) => kind === "batch_ack").length;
      pass();
    };
    // In a turn of its own, so that greetings leave before the thread is made.
    const spawning = runtime.after(0, () => {
      late = runtime.after(UP_MS, () => end(`its thread did not come up within ${UP_MS / 1000} s`));
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
