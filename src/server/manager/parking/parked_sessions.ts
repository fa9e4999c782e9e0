// Does: answers commands to parked sessions, parks sessions, and asks a worker to build them again.
// Used by: the session manager. parking_policy.ts decides which session is parked, and when.
// Invariant: a session keeps its epoch through parking, and gets a new one after the loss of its worker.
import { defined } from "../../../base/json.ts";
import { toJson } from "../../../base/text.ts";
import type { CatalogueAnswer, StoredRead } from "../../../ipc/catalogue_messages.ts";
import type { FromWorkerHandlers, Reply, SessionState } from "../../../ipc/messages.ts";
import { PendingReplies } from "../../../ipc/pending_replies.ts";
import type { SessionRecord } from "../../../ipc/session_record.ts";
import { type Failure, failure } from "../../../protocol/errors.ts";
import { noSession, versionConflict } from "../../../protocol/failures.ts";
import { type Command, specOf } from "../../../protocol/schema/commands.ts";
import type { ReplyTo } from "../../journal/reply_to.ts";
import { ParkingPolicy, type SessionMover, type SlotCallback } from "./parking_policy.ts";
import type { SessionContext } from "../session_context.ts";
import type { SessionEntry } from "../session_entry.ts";
import { deletionOf, withFile } from "../session_persistence.ts";

/** The answer to a command whose worker has died. */
export const WORKER_LOST: Failure = failure(
  "internal",
  "The worker of this session has died; the server's log says why",
);

/** Whether the file of a parked session answers that command. */
const readsFile = (command: Command): command is StoredRead["command"] =>
  command.type === "get_entries" || command.type === "get_content";

const NO_CATALOGUE = failure("internal", "The catalogue is not there yet; send the command again");

/** Asks the catalogue, and resolves with a failure after `ms`. */
export type AskCatalogue = (read: StoredRead, ms: number) => Promise<CatalogueAnswer>;

/** The client of a resume: the callbacks of the entry answer those that wait. */
const NO_CLIENT: ReplyTo = { connection: 0, onReleased() {}, answer() {} };

/** The sessions of one server that are parked, or on their way there or back. */
export class ParkedSessions implements SessionMover {
  readonly #context: SessionContext;
  readonly #policy: ParkingPolicy;
  readonly #parkRequests = new PendingReplies<SessionRecord | undefined>();
  /** Called when a parked session has left its worker. */
  onLeft: (worker: number) => void = () => {};
  /** Asks the catalogue. Set once, before the first command. */
  ask: AskCatalogue = () => Promise.resolve({ ok: false, failure: NO_CATALOGUE });

  constructor(context: SessionContext) {
    this.#context = context;
    this.#policy = new ParkingPolicy(context, this);
    context.lifecycle.onRemoved = () => this.#policy.reevaluate();
  }

  /** Answers of workers. */
  readonly handlers = {
    park_result: ({ ref, record }) => this.#parkRequests.resolve(ref, record),
  } satisfies Partial<FromWorkerHandlers>;

  /** Starts to look for idle sessions. */
  start(): void {
    this.#policy.start();
  }

  /** Parks and resumes no session from now on, and answers those that wait with `why`. */
  stop(why: Failure): void {
    this.#policy.stop(why);
    for (const entry of this.#context.registry.entries.values()) entry.releaseWaiters(why);
  }

  /** Gets a live slot. */
  acquireSlot(onSlot: SlotCallback): void {
    this.#policy.acquireSlot(onSlot);
  }

  /** Call after every change that may free a slot. */
  reevaluate(): void {
    this.#policy.reevaluate();
  }

  /** The states of all sessions that no worker runs. */
  get states(): readonly SessionState[] {
    return [...this.#context.registry.entries.values()].flatMap((entry) => {
      const state = entry.isRunning || entry.state === "parking" ? undefined : this.#stateOf(entry);
      return state === undefined ? [] : [state];
    });
  }

  /** The states of a silent worker's sessions, from its last reports. */
  lastKnown(worker: number): readonly SessionState[] {
    const { registry, replay, sink } = this.#context;
    return registry.running(worker).flatMap(({ record, sessionId, epoch }) => {
      if (record === undefined || record.info.epoch !== epoch) return [];
      const seq = Math.max(record.info.seq, replay.of(sessionId)?.lastSeq ?? 0);
      const { sessionVersion } = record.info;
      const info = { ...record.info, subscribers: sink.demandFor(sessionId).subscribers, seq };
      return [{ sessionId, epoch, seq, sessionVersion, infoText: toJson(info), pendingUi: [] }];
    });
  }

  /** JSON of what is known of a session without its worker. Of a live one that is its last report. */
  lastInfo(entry: SessionEntry): string | undefined {
    const { record, sessionId } = entry;
    if (!entry.isRunning && entry.state !== "parking") return this.#stateOf(entry)?.infoText;
    if (record === undefined) return undefined;
    return toJson({ ...record.info, subscribers: this.#context.sink.demandFor(sessionId).subscribers });
  }

  /** Calls `fn` once the session runs, or cannot be brought back. */
  whenRunning(entry: SessionEntry, fn: (failed: Failure | undefined) => void): void {
    entry.onRunning(fn);
    if (entry.state === "parked") this.#policy.resume(entry);
  }

  /** Answers commands that need no worker. False when the session has to be resumed. */
  tryAnswer(entry: SessionEntry, command: Command, replyTo: ReplyTo): boolean {
    const { sessionId, record } = entry;
    const stored = readsFile(command);
    // Its file can be read while pi loads it, too.
    if (entry.state !== "parked" && !(stored && entry.state === "resuming")) return false;
    // Before its first answer a session has no file, and its entries are few.
    if (stored && (record?.kept.written !== true || record.inMemory)) return false;
    if (!stored && command.type !== "get_state" && command.type !== "delete_session") return false;
    const state = this.#stateOf(entry);
    if (record === undefined || state === undefined) return false;
    const { sessionVersion } = record.info;
    const stale = versionConflict(command, sessionVersion);
    if (stale !== undefined) replyTo.answer({ ok: false, failure: stale, sessionVersion });
    else if (stored) void this.#readFile(withFile(record, entry), command, replyTo);
    else if (command.type === "get_state") {
      replyTo.answer({ ok: true, dataText: state.infoText, sessionVersion });
    } else {
      this.#context.lifecycle.delete(entry);
      const deleted: Reply = { ok: true, dataText: JSON.stringify({ deleted: true }), sessionVersion };
      if (entry.removed === undefined) replyTo.answer(deleted);
      else void entry.removed.then((trouble) => replyTo.answer(deletionOf(deleted, trouble)));
      this.#context.sink.onServerEvent("session_deleted", { sessionId });
    }
    return true;
  }

  /** Asks a worker to release a session. */
  park(entry: SessionEntry): void {
    const { workers } = this.#context;
    const { worker, sessionId } = entry;
    const ref = this.#parkRequests.expect({ worker, onReply: (record) => this.#onParkResult(entry, record) });
    workers.send(worker, { kind: "park_session", ref, sessionId });
  }

  /** Has a session built again. */
  build(entry: SessionEntry): void {
    const { registry, replay, commands, lifecycle, journal, workers, sink, persistence } = this.#context;
    const { sessionId, record, epoch } = entry;
    if (record === undefined) return this.#policy.onResumed(entry, noSession(sessionId));
    if (journal.barrier !== undefined) return this.#policy.onResumed(entry, journal.barrier);
    const worker = registry.assignWorker(entry);
    // The numbers of its events continue from where it was left.
    replay.startAt(sessionId, record.info.epoch === epoch ? record.info.seq : 0);
    const afterReply = (reply: Reply): void => {
      if (!registry.isCurrent(entry)) return;
      persistence.onResumed(sessionId, reply.ok ? undefined : reply.failure);
      if (!reply.ok) lifecycle.detach(entry);
      else this.#context.sink.onServerEvent("session_resumed", { sessionId, epoch });
      this.#policy.onResumed(entry, reply.ok ? undefined : reply.failure);
    };
    const ref = commands.expect({ worker, replyTo: NO_CLIENT, permit: undefined, afterReply });
    const interrupted = journal.interrupted(sessionId);
    const demand = sink.demandFor(sessionId);
    // The worker compares where the file's path leads now.
    const restored = withFile(record, entry);
    workers.send(worker, { kind: "resume_session", ref, demand, epoch, record: restored, interrupted });
  }

  /** A worker has died: removes its sessions without a file, and those that it was building. Returns the built ones. */
  onWorkerLost(worker: number): readonly SessionEntry[] {
    const { registry, journal, lifecycle } = this.#context;
    for (const ref of this.#parkRequests.refs(worker)) this.#parkRequests.cancel(ref);
    const lost = [...registry.entries.values()].filter((entry) =>
      entry.worker === worker && entry.liveSlot !== undefined
    );
    for (const entry of lost) {
      journal.onSessionLost(entry.sessionId);
      if (entry.state === "building" || entry.inMemory || entry.record === undefined) lifecycle.remove(entry);
    }
    const built = lost.filter(({ state }) => state === "live" || state === "parking");
    for (const entry of built) {
      // What waited for the dead worker fails with the commands that ran there. Later commands wait for the next worker.
      entry.releaseWaiters(WORKER_LOST);
      lifecycle.to(entry, "parking");
    }
    return built;
  }

  /** Announces the sessions whose worker has died, and parks those with a file under a new epoch. */
  announceCrash(lost: readonly SessionEntry[]): void {
    const { sink, uuid, registry, persistence } = this.#context;
    for (const entry of lost) {
      const { sessionId } = entry;
      entry.epoch = uuid();
      const lives = registry.isCurrent(entry);
      const status = lives ? { status: "parked", epoch: entry.epoch } : { status: "deleted" };
      sink.onServerEvent("session_crashed", { sessionId, ...status });
      if (lives) {
        this.#policy.onWorkerLost(entry);
        void persistence.save(entry);
      } else sink.onServerEvent("session_deleted", { sessionId });
    }
  }

  /** A worker has found that a session's file is too large for pi. The session is live for this moment only. */
  adopt(entry: SessionEntry): void {
    this.#context.lifecycle.to(entry, "parking");
    this.#policy.onWorkerLost(entry);
    void this.#context.persistence.save(entry);
    this.reevaluate();
  }

  /** Has the catalogue answer from the session's file, without pi. */
  async #readFile(record: SessionRecord, command: StoredRead["command"], replyTo: ReplyTo): Promise<void> {
    const { info: { sessionId, sessionFile, sessionVersion }, file, kept: { leaf } } = record;
    if (sessionFile === undefined) {
      const failed = failure("internal", `Session "${sessionId}" has no file to read`);
      return replyTo.answer({ ok: false, failure: failed, sessionVersion });
    }
    const read: StoredRead = { type: "read", command, sessionFile, ...defined({ file, leaf }) };
    const answer = await this.ask(read, specOf(command.type).timeoutMs);
    if (answer.ok === true) return replyTo.answer({ ok: true, dataText: answer.dataText, sessionVersion });
    // Only lists expire. The command is answered all the same.
    const failed = answer.ok === "expired" ? NO_CATALOGUE : answer.failure;
    replyTo.answer({ ok: false, failure: failed, sessionVersion });
  }

  #onParkResult(entry: SessionEntry, record: SessionRecord | undefined): void {
    if (entry.state !== "parking") return;
    const { sink, persistence } = this.#context;
    const { sessionId, worker } = entry;
    if (record !== undefined) sink.onServerEvent("session_parked", { sessionId });
    this.#policy.onParkResult(entry, record);
    this.onLeft(worker);
    void persistence.save(entry);
  }

  #stateOf(entry: SessionEntry): SessionState | undefined {
    const { sessionId, epoch } = entry;
    const { sink, journal } = this.#context;
    const known = entry.info(sink.demandFor(sessionId).subscribers);
    if (known === undefined) return undefined;
    const interrupted = [...journal.interrupted(sessionId)];
    const info = { ...known, ...(interrupted.length === 0 ? {} : { interrupted }) };
    const { seq, sessionVersion } = info;
    return { sessionId, epoch, seq, sessionVersion, infoText: toJson(info), pendingUi: [] };
  }
}
