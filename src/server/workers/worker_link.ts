// The router thread's end of a host's edge: the same messages whether the host is a worker or this thread.
// Starts the host, keeps order, and tells when it is gone.
import { errorMessage } from "../../base/error_message.ts";
import type { FromHost, HostConfig, ToHost } from "../../ipc/messages.ts";
import { type HostCall, type HostSaid, packCalls, unpack } from "../../ipc/codec.ts";
import type { Runtime, Timer, WorkerHandle, WorkerPermissions } from "../../runtime/runtime.ts";
import { Inbox } from "../../ipc/receive_queue.ts";

/** Batches that a host may have before it has taken them: one to work on and the next, so that it need not wait. */
const BATCHES = 2;

/** Milliseconds that a thread gets to come up. On Deno 2.4 one that cannot start says nothing at all. */
const UP_MS = 30_000;

/** One host, as the manager sees it. */
export interface HostLink {
  send(message: ToHost): void;
  /** Ends the host at once, whatever it is doing, and what it has started in the system. */
  terminate(): void;
  /** Ends the host at once. What its sessions have started in the background goes on. */
  dismiss(): void;
}

/** What a link tells its manager. */
export interface LinkEvents {
  message(message: FromHost): void;
  exit(reason: string): void;
}

/** Starts a host. */
export type StartHost = (config: HostConfig, events: LinkEvents) => HostLink;

/** What hosts in worker threads are made of. */
export interface WorkerHostsParts {
  readonly runtime: Runtime;
  /** The worker's entry. */
  readonly worker: URL;
  /** Asked for at each start. */
  permissions(): WorkerPermissions | undefined;
  /** The most that a host's heap may hold, where the runtime can hold it to that. */
  readonly heapBytes: number;
  /** A host is gone; what it started carries its mark. */
  gone(mark: string): void;
}

/** Hosts in worker threads. */
export function workerHosts({ runtime, worker, permissions, heapBytes, gone }: WorkerHostsParts): StartHost {
  let started = 0;
  return (config, events) => {
    let handle: WorkerHandle | undefined;
    // The process's id tells the hosts of servers apart that were over one state folder.
    const mark = `${runtime.pid}.${++started}`;
    // What comes in one turn of the event loop, or while the host has batches enough, crosses together, with the
    // next. Many at once cost few crossings.
    let state: "starting" | "up" | "gathering" = "starting";
    let untaken = 0;
    let waiting: ToHost[] = [{ kind: "start", config: { ...config, mark } }];
    const post = (call: HostCall): void => handle?.post(call);
    const pass = (): void => {
      state = "up";
      if (untaken >= BATCHES || waiting.length === 0) return;
      untaken++;
      post({ messages: packCalls(waiting), took: 0 });
      waiting = [];
    };
    let late: Timer | undefined;
    const exit = (reason: string): void => {
      late?.clear();
      // Its last words come before its end.
      inbox.finish();
      gone(mark);
      events.exit(reason);
    };
    const end = (reason: string): void => {
      late?.clear();
      handle?.terminate();
      inbox.close();
      gone(mark);
      events.exit(reason);
    };
    const take = (message: FromHost): void => {
      if (message.kind === "broken") end(message.reason);
      else events.message(message);
    };
    const took = (bytes: number): void => post({ messages: [], took: bytes });
    const inbox = new Inbox({ clock: runtime, take, took });
    const heard = ({ messages, bytes }: HostSaid): void => {
      const said = unpack(messages);
      // That it takes commands again is no word of its sessions', and does not wait for them.
      const words = said.filter(({ kind }) => kind !== "up" && kind !== "taken");
      inbox.push(words, bytes);
      if (words.length === said.length) return;
      late?.clear();
      untaken -= said.filter(({ kind }) => kind === "taken").length;
      pass();
    };
    // In a turn of its own, so that greetings leave before the thread is made.
    const spawning = runtime.after(0, () => {
      late = runtime.after(UP_MS, () => end(`its thread did not come up within ${UP_MS / 1000} s`));
      let spawned: WorkerHandle;
      try {
        spawned = runtime.spawn(worker, permissions(), heapBytes);
      } catch (error) {
        return end(`its thread could not be started: ${errorMessage(error)}`);
      }
      handle = spawned;
      // The worker's entry posts nothing else.
      spawned.onMessage = (received) => heard(received as HostSaid);
      spawned.onExit = exit;
    });
    const dismiss = (): void => {
      spawning.clear();
      late?.clear();
      inbox.close();
      handle?.terminate();
    };
    return {
      send(message) {
        waiting.push(message);
        if (state !== "up" || untaken >= BATCHES) return;
        state = "gathering";
        runtime.soon(pass);
      },
      terminate() {
        dismiss();
        gone(mark);
      },
      dismiss,
    };
  };
}

/** A host in this thread (`--hosts 0`), for tests and debugging. Messages are copied as a worker would. */
export function localHosts(runtime: Runtime, ownProcess: boolean): StartHost {
  return (config, events) => {
    let send: ((message: ToHost) => void) | undefined;
    let waiting: ToHost[] = [{ kind: "start", config }];
    let gone = false;
    const start = async (): Promise<void> => {
      // An embedding program ends itself when it likes.
      if (ownProcess) runtime.confine(runtime.writeError);
      const { Host, loadPi } = await import("../../worker/session_worker.ts");
      const host = new Host(runtime, loadPi, (batch) => {
        for (const message of structuredClone(batch)) if (!gone) events.message(message);
      });
      send = (message) => host.receive(structuredClone(message));
      for (const early of waiting) send(early);
      waiting = [];
    };
    const starting = runtime.after(0, () => void start().catch((error) => events.exit(errorMessage(error))));
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
