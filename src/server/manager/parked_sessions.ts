// Sessions that no host runs: what they answer by themselves, how their host is asked to let go of them, and how
// they are built again (PROTOCOL §8). Who is parked and when is decided in parking.ts.
import type { Governor } from "../../governor/governor.ts";
import type { Attachment, Demand, Reply, ToHost } from "../../ipc/messages.ts";
import { noSession } from "../../protocol/failures.ts";
import { versionConflict } from "../../worker/session/command_timing.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { toJson } from "../../protocol/text.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Entry } from "./session_entry.ts";
import type { Ledger } from "../journal/command_journal.ts";
import { Parking, type Placed } from "./parking_policy.ts";
import type { Asker, PendingCommands } from "../workers/pending_commands.ts";
import { deletionOf, type Registry, withFile } from "./session_persistence.ts";
import type { SessionBook } from "./session_registry.ts";

/** What the manager gives. */
export interface AwayParts {
  readonly clock: Clock;
  readonly governor: Governor;
  readonly book: SessionBook;
  readonly pending: PendingCommands;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly uuid: () => string;
  readonly number: () => number;
  send(host: number, message: ToHost): void;
  forget(entry: Entry): void;
  /** A parked session has left that host. */
  left(host: number): void;
  demand(sessionId: string): Demand;
  tell(type: string, data: Record<string, unknown>): void;
}

/** What a command is told whose host has died. */
export const DIED: Failure = failure(
  "internal",
  "What runs this session has died; the server's log says why",
);

/** The sessions of one server that are parked, or on their way there or back. */
export class Away {
  readonly #parts: AwayParts;
  readonly #parking: Parking;
  readonly #asked = new Map<number, Entry>();

  constructor(parts: AwayParts) {
    this.#parts = parts;
    this.#parking = new Parking({
      clock: parts.clock,
      governor: parts.governor,
      entries: parts.book.entries,
      park: (entry) => this.#park(entry),
      parked: (entry) => parts.book.leave(entry),
      build: (entry) => this.#build(entry),
    });
  }

  /** Begins to look for idle sessions. */
  start(): void {
    this.#parking.start();
  }

  /** Parks and brings back nothing any more; whoever waits is told why. */
  stop(why: Failure): void {
    this.#parking.stop(why);
    for (const entry of this.#parts.book.entries.values()) entry.release(why);
  }

  /** Gets a place among the live sessions. */
  take(placed: Placed): void {
    this.#parking.take(placed);
  }

  /** Something ended, began or went away. */
  changed(): void {
    this.#parking.changed();
  }

  /** What `attach` would answer of all sessions that no host runs. */
  get attachments(): readonly Attachment[] {
    return [...this.#parts.book.entries.values()].flatMap((entry) => {
      const attachment = entry.awake || entry.state === "parking" ? undefined : this.#attachment(entry);
      return attachment === undefined ? [] : [attachment];
    });
  }

  /** What `attach` would answer of sessions whose host says nothing: as it reported them last. */
  lastKnown(host: number): readonly Attachment[] {
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
  whenAwake(entry: Entry, fn: (failed: Failure | undefined) => void): void {
    entry.wait(fn);
    if (entry.state === "parked") this.#parking.resume(entry);
  }

  /** Answers for a parked session what needs it not; false when it has to be brought back. */
  answers(entry: Entry, command: Command, asker: Asker): boolean {
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
      this.#parts.ledger.deleted(sessionId);
      this.#parts.forget(entry);
      const deleted: Reply = { ok: true, dataText: JSON.stringify({ deleted: true }), sessionVersion };
      if (entry.removed === undefined) asker.answer(deleted);
      else void entry.removed.then((trouble) => asker.answer(deletionOf(deleted, trouble)));
      this.#parts.tell("session_deleted", { sessionId });
    }
    return true;
  }

  /** A host has let go of a session, or has not. */
  parked(ref: number, record: SessionRecord | undefined): void {
    const entry = this.#asked.get(ref);
    this.#asked.delete(ref);
    if (entry?.state !== "parking") return;
    if (record !== undefined) this.#parts.tell("session_parked", { sessionId: entry.sessionId });
    const { host } = entry;
    this.#parking.answered(entry, record);
    this.#parts.left(host);
    void this.#parts.registry.keep(entry);
  }

  /** A host has died: forgets its sessions that have no file, and those that it was building; the announced ones. */
  lose(host: number): readonly Entry[] {
    const lost = [...this.#parts.book.entries.values()].filter((entry) =>
      entry.host === host && entry.place !== undefined
    );
    for (const entry of lost) {
      this.#parts.ledger.crashed(entry.sessionId);
      if (entry.state === "building" || entry.inMemory || entry.record === undefined) {
        this.#parts.forget(entry);
      }
    }
    const known = lost.filter(({ state }) => state === "live" || state === "parking");
    for (const entry of known) {
      // What waited for the dead host goes the way of what it ran; what comes now waits for the next.
      entry.release(DIED);
      entry.state = "parking";
    }
    return known;
  }

  /** Tells of sessions whose host has died, and parks those that there is a file of under a new epoch. */
  crashed(lost: readonly Entry[]): void {
    const { tell, uuid, book, registry } = this.#parts;
    for (const entry of lost) {
      const { sessionId } = entry;
      entry.epoch = uuid();
      const lives = book.holds(entry);
      const status = lives ? { status: "parked", epoch: entry.epoch } : { status: "deleted" };
      tell("session_crashed", { sessionId, ...status });
      if (lives) {
        this.#parking.lost(entry);
        void registry.keep(entry);
      } else tell("session_deleted", { sessionId });
    }
  }

  #attachment(entry: Entry): Attachment | undefined {
    const { sessionId, epoch } = entry;
    const left = entry.info(this.#parts.demand(sessionId).subscribers);
    if (left === undefined) return undefined;
    const interrupted = [...this.#parts.ledger.interrupted(sessionId)];
    const info = { ...left, ...(interrupted.length === 0 ? {} : { interrupted }) };
    const { seq, sessionVersion } = info;
    return { sessionId, epoch, seq, sessionVersion, infoText: toJson(info), pendingUi: [] };
  }

  #park(entry: Entry): void {
    const ref = this.#parts.number();
    this.#asked.set(ref, entry);
    this.#parts.send(entry.host, { kind: "park", ref, sessionId: entry.sessionId });
  }

  #build(entry: Entry): void {
    const { book, pending, ledger, send, demand, tell } = this.#parts;
    const { sessionId, record } = entry;
    if (record === undefined) return this.#parking.resumed(entry, noSession(sessionId));
    const host = book.place(entry);
    book.begin(entry);
    const { epoch } = entry;
    const settled = (reply: Reply): void => {
      if (!book.holds(entry)) return;
      if (!reply.ok) book.leave(entry);
      else tell("session_resumed", { sessionId, epoch });
      this.#parking.resumed(entry, reply.ok ? undefined : reply.failure);
    };
    // Nobody asked for this by itself; whoever waits is told by the entry.
    const asker = { connection: 0, accepted() {}, answer() {} };
    const ref = pending.expect({ host, asker, permit: undefined, settled });
    const interrupted = ledger.interrupted(sessionId);
    // The host compares where the file's path leads now.
    const left = withFile(record, entry);
    send(host, { kind: "resume", ref, demand: demand(sessionId), epoch, record: left, interrupted });
  }
}
