// Does: starts the catalogue's thread at the first need, and asks it. It reports the thread's end to those that wait.
// Used by: stored_sessions.ts. Uses: the same entry as the workers, with fewer permissions.
// Invariant: every call gets an answer, even when the thread ends.
import { errorMessage } from "../../base/error_message.ts";
import { defined } from "../../base/json.ts";
import type { Log } from "../../base/log.ts";
import type {
  CatalogueAnswer,
  CatalogueBatch,
  CatalogueCall,
  CatalogueConfig,
  FromCatalogue,
  ToCatalogue,
} from "../../ipc/catalogue_messages.ts";
import type { WorkerBatch } from "../../ipc/codec.ts";
import { PendingReplies } from "../../ipc/pending_replies.ts";
import { deferred } from "../../base/async/deferred.ts";
import { deadline } from "../../base/async/deadline.ts";
import { failure } from "../../protocol/errors.ts";
import type { Clock, Runtime, WorkerPermissions } from "../../runtime/runtime.ts";

/** A catalogue that was started. */
export interface CatalogueHandle {
  post(message: ToCatalogue): void;
  terminate(): void;
}

/** What a started catalogue reports. */
export interface CatalogueEvents {
  onMessage(message: FromCatalogue): void;
  onExit(reason: string): void;
}

/** Starts a catalogue. */
export type StartCatalogue = (events: CatalogueEvents) => CatalogueHandle;

/** Keys of lists of one thread. Those of the next one are beyond. */
const LISTS_EACH = 1_000_000_000;

/** Milliseconds that the thread gets to save the index. */
const CLOSE_MS = 3_000;

/** The catalogue in a thread of its own. */
export function startCatalogueThread(
  runtime: Runtime,
  worker: URL,
  permissions: WorkerPermissions | undefined,
  heapBytes: number,
): StartCatalogue {
  return (events) => {
    const handle = runtime.spawn(worker, permissions, heapBytes);
    let waiting: ToCatalogue[] | undefined = [];
    const post = (catalogue: readonly ToCatalogue[]): void => {
      handle.post({ catalogue } satisfies CatalogueBatch);
    };
    handle.onMessage = (message) => {
      // The entry posts batches of a worker when it listens, and when it has failed.
      const heard = message as FromCatalogue | WorkerBatch;
      if (!("messages" in heard)) return events.onMessage(heard);
      const failed = heard.messages.find(({ kind }) => kind === "fatal");
      if (failed !== undefined) {
        handle.terminate();
        return events.onExit("reason" in failed ? failed.reason : "");
      }
      if (waiting !== undefined) post(waiting);
      waiting = undefined;
    };
    handle.onExit = (reason) => events.onExit(reason);
    return {
      post: (message) => waiting === undefined ? post([message]) : void waiting.push(message),
      terminate: () => handle.terminate(),
    };
  };
}

/** The catalogue in this thread (`--workers 0`). Messages are copied as between threads. */
export function startCatalogueHere(runtime: Runtime): StartCatalogue {
  return (events) => {
    let gone = false;
    const thread = import("../../catalogue/catalogue_thread.ts").then(({ CatalogueThread }) =>
      new CatalogueThread(runtime, (message) => {
        if (!gone) events.onMessage(structuredClone(message));
      })
    );
    return {
      post: (message) => {
        const copy = structuredClone(message);
        void thread.then((one) => one.receive(copy)).catch((error) => events.onExit(errorMessage(error)));
      },
      terminate: () => void (gone = true),
    };
  };
}

export interface CatalogueLinkParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly start: StartCatalogue;
  /** Makes the folder of the index. */
  prepare(): Promise<void>;
  readonly config: Omit<CatalogueConfig, "firstList">;
  /** What a new thread must know. */
  owners(): Iterable<readonly [file: string, sessionId: string]>;
  archived(): Iterable<string>;
  /** The stored sessions have changed, or more of them are in the index. */
  changed(files: number, indexed: number): void;
}

/** The catalogue of one server, as the server thread sees it. */
export class CatalogueLink {
  readonly #parts: CatalogueLinkParts;
  readonly #replies = new PendingReplies<CatalogueAnswer>();
  #handle: CatalogueHandle | undefined;
  #starting: Promise<void> | undefined;
  #threads = 0;
  #closed = false;
  readonly #saved = deferred<void>();

  constructor(parts: CatalogueLinkParts) {
    this.#parts = parts;
  }

  /** Asks the catalogue. Resolves with its answer, or with a failure after `ms`. */
  async ask(call: CatalogueCall, ms: number): Promise<CatalogueAnswer> {
    if (this.#closed) return { ok: false, failure: failure("shutting_down", "The server is shutting down") };
    const { clock } = this.#parts;
    try {
      await (this.#starting ??= this.#start());
    } catch (error) {
      this.#starting = undefined;
      const sentence = `The catalogue cannot be started: ${errorMessage(error)}; the log has the details`;
      return { ok: false, failure: failure("internal", sentence) };
    }
    return await new Promise((onReply) => {
      const value: CatalogueAnswer = {
        ok: false,
        failure: failure("timeout", `The catalogue has not answered within ${ms} ms`),
      };
      const ref = this.#replies.expect({ worker: 0, onReply }, { clock, ms, value });
      this.#handle?.post({ kind: "call", ref, call });
    });
  }

  /** That session drives the file from now on, or none does. */
  owner(file: string, sessionId: string | undefined): void {
    this.#handle?.post({ kind: "owner", file, ...defined({ sessionId }) });
  }

  archived(file: string, archived: boolean): void {
    this.#handle?.post({ kind: "archived", file, archived });
  }

  /** A session has probably written to that file. */
  touched(file: string): void {
    this.#handle?.post({ kind: "touched", file });
  }

  /** Saves the index, and ends the thread. */
  async close(): Promise<void> {
    this.#closed = true;
    const handle = this.#handle;
    if (handle === undefined) return;
    handle.post({ kind: "close" });
    await deadline(this.#parts.clock, CLOSE_MS, this.#saved.promise, undefined);
    this.#end("The server was shut down");
    handle.terminate();
  }

  async #start(): Promise<void> {
    const { start, config, prepare, log, owners, archived, changed } = this.#parts;
    await prepare();
    let current: CatalogueHandle | undefined;
    const handle = current = start({
      onMessage: (message) => {
        if (message.kind === "answer") this.#replies.resolve(message.ref, message.answer);
        else if (message.kind === "changed") changed(message.files, message.indexed);
        else if (message.kind === "closed") this.#saved.resolve();
        else log[message.level](message.message, message.fields);
      },
      onExit: (reason) => {
        if (this.#handle !== current) return;
        log.error("the catalogue's thread has ended; the next command starts another", { reason });
        this.#end("The catalogue's thread has ended; send the command again");
      },
    });
    this.#handle = handle;
    const firstList = this.#threads++ * LISTS_EACH + 1;
    handle.post({ kind: "open", config: { ...config, firstList } });
    for (const [file, sessionId] of owners()) this.owner(file, sessionId);
    for (const file of archived()) this.archived(file, true);
  }

  #end(sentence: string): void {
    this.#handle = undefined;
    this.#starting = undefined;
    this.#saved.resolve();
    this.#replies.resolveAllOf(0, { ok: false, failure: failure("internal", sentence) });
  }
}
