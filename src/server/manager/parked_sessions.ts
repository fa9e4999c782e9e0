// Sessions that no host runs: what they answer by themselves, how their host is asked to let go of them, and how
// they are built again (docs/PROTOCOL.md#sessions). Who is parked and when is decided in parking_policy.ts.
import type { Governor } from "../../governor/governor.ts";
import type { Reply, SessionState, SubscriberDemand, ToWorker } from "../../ipc/messages.ts";
import { noSession, versionConflict } from "../../protocol/failures.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { toJson } from "../../base/text.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { SessionEntry } from "./session_entry.ts";
import type { CommandJournal } from "../journal/command_journal.ts";
import { ParkingPolicy, type SlotCallback } from "./parking_policy.ts";
import type { PendingCommands } from "../workers/pending_commands.ts";
import { deletionOf, type SessionPersistence, withFile } from "./session_persistence.ts";
import type { SessionRegistry } from "./session_registry.ts";
import type { ReplyTo } from "../journal/reply_to.ts";

/** What the manager gives. */
export interface ParkedSessionsParts {
  readonly clock: Clock;
  readonly governor: Governor;
  readonly book: SessionRegistry;
  readonly pending: PendingCommands;
  readonly ledger: CommandJournal;
  readonly registry: SessionPersistence;
  readonly uuid: () => string;
  readonly number: () => number;
  send(host: number, message: ToWorker): void;
  forget(entry: SessionEntry): void;
  /** A parked session has left that host. */
  left(host: number): void;
  demand(sessionId: string): SubscriberDemand;
  tell(type: string, data: Record<string, unknown>): void;
}

/** What a command is told whose host has died. */
export const DIED: Failure = failure(
  "internal",
  "What runs this session has died; the server's log says why",
);

/** The sessions of one server that are parked, or on their way there or back. */
export class ParkedSessions {
  readonly #parts: ParkedSessionsParts;
  readonly #policy: ParkingPolicy;
  readonly #parkRequests = new Map<number, SessionEntry>();

  constructor(parts: ParkedSessionsParts) {
    this.#parts = parts;
    this.#policy = new ParkingPolicy({
      clock: parts.clock,
      governor: parts.governor,
      entries: parts.book.entries,
      park: (entry) => this.#park(entry),
      parked: (entry) => parts.book.detach(entry),
      build: (entry) => this.#build(entry),
    });
  }

  /** Begins to look for idle sessions. */
  start(): void {
    this.#policy.start();
  }

  /** Parks and brings back nothing any more; whoever waits is told why. */
  stop(why: Failure): void {
    this.#policy.stop(why);
    for (const entry of this.#parts.book.entries.values()) entry.releaseWaiters(why);
  }

  /** Gets a place among the live sessions. */
  acquireSlot(placed: SlotCallback): void {
    this.#policy.acquireSlot(placed);
  }

  /** Something ended, began or went away. */
  reevaluate(): void {
    this.#policy.reevaluate();
  }

  /** What `attach` would answer of all sessions that no host runs. */
  get states(): readonly SessionState[] {
    return [...this.#parts.book.entries.values()].flatMap((entry) => {
      const attachment = entry.isRunning || entry.state === "parking" ? undefined : this.#attachment(entry);
      return attachment === undefined ? [] : [attachment];
    });
  }

  /** What `attach` would answer of sessions whose host says nothing: as it reported them last. */
  lastKnown(host: number): readonly SessionState[] {
    const { book, demand } = this.#parts;
    return book.running(host).flatMap(({ record, sessionId, epoch }) => {
      if (record === undefined || record.info.epoch !== epoch) return [];
      const seq = Math.max(record.info.seq, book.lastSeq(sessionId));
      const { sessionVersion } = record.info;
      const info = { ...record.info, subscribers: demand(sessionId).subscribers, seq };
      return [{ sessionId, epoch, seq, sessionVersion, infoText: toJson(info), pendingUi: [] }];
    });
  }

  /** Calls `fn` once the session runs, or cannot be brought back. */
  whenRunning(entry: SessionEntry, fn: (failed: Failure | undefined) => void): void {
    entry.onRunning(fn);
    if (entry.state === "parked") this.#policy.resume(entry);
  }

  /** Answers for a parked session what needs it not; false when it has to be brought back. */
  tryAnswer(entry: SessionEntry, command: Command, asker: ReplyTo): boolean {
    if (entry.state !== "parked") return false;
    if (command.type !== "get_state" && command.type !== "delete_session") return false;
    const { sessionId, record } = entry;
    const attachment = this.#attachment(entry);
    if (record === undefined || attachment === undefined) return false;
    const { sessionVersion } = record.info;
    const stale = versionConflict(command, sessionVersion);
    if (stale !== undefined) asker.answer({ ok: false, failure: stale, sessionVersion });
    else if (command.type === "get_state") {
      asker.answer({ ok: true, dataText: attachment.infoText, sessionVersion });
    } else {
      this.#parts.ledger.onSessionDeleted(sessionId);
      this.#parts.forget(entry);
      const deleted: Reply = { ok: true, dataText: JSON.stringify({ deleted: true }), sessionVersion };
      if (entry.removed === undefined) asker.answer(deleted);
      else void entry.removed.then((trouble) => asker.answer(deletionOf(deleted, trouble)));
      this.#parts.tell("session_deleted", { sessionId });
    }
    return true;
  }

  /** A host has let go of a session, or has not. */
  onParkResult(ref: number, record: SessionRecord | undefined): void {
    const entry = this.#parkRequests.get(ref);
    this.#parkRequests.delete(ref);
    if (entry?.state !== "parking") return;
    if (record !== undefined) this.#parts.tell("session_parked", { sessionId: entry.sessionId });
    const { host } = entry;
    this.#policy.onParkResult(entry, record);
    this.#parts.left(host);
    void this.#parts.registry.save(entry);
  }

  /** A host has died: forgets its sessions that have no file, and those that it was building; the announced ones. */
  onWorkerLost(host: number): readonly SessionEntry[] {
    const lost = [...this.#parts.book.entries.values()].filter((entry) =>
      entry.host === host && entry.liveSlot !== undefined
    );
    for (const entry of lost) {
      this.#parts.ledger.onSessionLost(entry.sessionId);
      if (entry.state === "building" || entry.inMemory || entry.record === undefined) {
        this.#parts.forget(entry);
      }
    }
    const known = lost.filter(({ state }) => state === "live" || state === "parking");
    for (const entry of known) {
      // What waited for the dead host goes the way of what it ran; what comes now waits for the next.
      entry.releaseWaiters(DIED);
      entry.state = "parking";
    }
    return known;
  }

  /** Tells of sessions whose host has died, and parks those that there is a file of under a new epoch. */
  announceCrash(lost: readonly SessionEntry[]): void {
    const { tell, uuid, book, registry } = this.#parts;
    for (const entry of lost) {
      const { sessionId } = entry;
      entry.epoch = uuid();
      const lives = book.isCurrent(entry);
      const status = lives ? { status: "parked", epoch: entry.epoch } : { status: "deleted" };
      tell("session_crashed", { sessionId, ...status });
      if (lives) {
        this.#policy.onWorkerLost(entry);
        void registry.save(entry);
      } else tell("session_deleted", { sessionId });
    }
  }

  #attachment(entry: SessionEntry): SessionState | undefined {
    const { sessionId, epoch } = entry;
    const left = entry.info(this.#parts.demand(sessionId).subscribers);
    if (left === undefined) return undefined;
    const interrupted = [...this.#parts.ledger.interrupted(sessionId)];
    const info = { ...left, ...(interrupted.length === 0 ? {} : { interrupted }) };
    const { seq, sessionVersion } = info;
    return { sessionId, epoch, seq, sessionVersion, infoText: toJson(info), pendingUi: [] };
  }

  #park(entry: SessionEntry): void {
    const ref = this.#parts.number();
    this.#parkRequests.set(ref, entry);
    this.#parts.send(entry.host, { kind: "park_session", ref, sessionId: entry.sessionId });
  }

  #build(entry: SessionEntry): void {
    const { book, pending, ledger, send, demand, tell } = this.#parts;
    const { sessionId, record } = entry;
    if (record === undefined) return this.#policy.onResumed(entry, noSession(sessionId));
    const host = book.assignWorker(entry);
    book.startReplay(entry);
    const { epoch } = entry;
    const settled = (reply: Reply): void => {
      if (!book.isCurrent(entry)) return;
      if (!reply.ok) book.detach(entry);
      else tell("session_resumed", { sessionId, epoch });
      this.#policy.onResumed(entry, reply.ok ? undefined : reply.failure);
    };
    // Nobody asked for this by itself; whoever waits is told by the entry.
    const replyTo = { connection: 0, onReleased() {}, answer() {} };
    const ref = pending.expect({ host, replyTo, permit: undefined, afterReply: settled });
    const interrupted = ledger.interrupted(sessionId);
    // The host compares where the file's path leads now.
    const left = withFile(record, entry);
    send(host, { kind: "resume_session", ref, demand: demand(sessionId), epoch, record: left, interrupted });
  }
}
