// Does: keeps commands from being lost or run twice (docs/PROTOCOL.md#safe-retries). It ties keys, messages and file.
// Used by: the router before it admits a command, and the manager before it forwards one and when one ends.
// Invariant: it knows no connection, and of workers only their reports about messages.
import { deadline } from "../../base/async/deadline.ts";
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { Interrupted } from "../../protocol/schema/responses.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { FsyncPolicy } from "../../config/config.ts";
import type { Log } from "../../base/log.ts";
import type { Clock, Files } from "../../runtime/runtime.ts";
import { JournalFile } from "./journal_file.ts";
import { type JournalRecord, type JournalState, recordsOf } from "./journal_records.ts";
import {
  hasRun,
  IdempotencyKeys,
  type KeyedCommand,
  type KeyEntry,
  outcomeUnknown,
} from "./idempotency_keys.ts";
import { OpenMessages } from "./open_messages.ts";
import type { ReplyTo } from "./reply_to.ts";

/** The limits of the journal. */
export interface CommandJournalLimits {
  readonly idempotencyKeys: number;
  readonly idempotencyBytes: number;
  /** Characters of messages that run or were interrupted. */
  readonly keptMessageBytes: number;
}

export interface CommandJournalParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: CommandJournalLimits;
  readonly sha256: (text: string) => string;
  /** Why nothing may begin now, whatever is on disk. Absent: nothing stands against it. */
  readonly mayBegin?: () => Failure | undefined;
}

/** The place of the journal's file. */
export interface CommandJournalDisk {
  readonly files: Files;
  readonly folder: string;
  readonly policy: FsyncPolicy;
}

/** What a key says of a command. */
export type Found =
  | { readonly kind: "new"; readonly command: KeyedCommand }
  /** It has run, and this is its answer. */
  | { readonly kind: "answer"; readonly reply: Reply }
  /** It runs already. A caller may join and gets its answer. */
  | { readonly kind: "running"; join(answer: (reply: Reply) => void): void };

/** A command that will be forwarded to a worker. */
export interface ForwardedCommand {
  /** The number of its reply. */
  readonly ref: number;
  readonly sessionId: string;
  readonly command: Command;
  readonly replyTo: ReplyTo;
  /** Whether its session outlives the process. */
  readonly durable: boolean;
}

/** Milliseconds that a command waits for its intent on disk. */
const INTENT_MS = 10_000;
/** Milliseconds that messages of an unknown session are kept. */
const STRAY_MS = 30 * 24 * 3_600_000;
/** Milliseconds that a reply waits for the write of its outcome. */
const OUTCOME_MS = 1_000;

const KINDS = { prompt: "prompt", steer: "steer", follow_up: "follow_up" } as const;

function isMessage(command: Command): command is Extract<Command, { type: keyof typeof KINDS }> {
  return Object.hasOwn(KINDS, command.type);
}

/** JSON with sorted fields, so that equal commands have equal text. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map((
    [name, one],
  ) => [name, canonical(one)]);
}

interface Open {
  readonly n: number;
  readonly sessionId: string;
  accepted: boolean;
}

/** The journal of one server. */
export class CommandJournal {
  readonly #parts: CommandJournalParts;
  #keys: IdempotencyKeys;
  #messages: OpenMessages;
  #disk: CommandJournalDisk | undefined;
  #journal: JournalFile | undefined;
  /** Running messages, by the number of their command. */
  readonly #open = new Map<number, Open>();
  /** The last version of each session that a client has seen. */
  #versions = new Map<string, number>();
  #last = 0;

  /** Without a disk, the journal lasts as long as the process. */
  constructor(parts: CommandJournalParts) {
    this.#parts = parts;
    this.#keys = new IdempotencyKeys(keyLimits(parts.limits));
    this.#messages = new OpenMessages();
  }

  /** Takes over the file of an earlier server. Call it before anything else. */
  async open(disk: CommandJournalDisk): Promise<void> {
    const { clock, log, limits } = this.#parts;
    const { folded, damage } = await JournalFile.read(disk, keyLimits(limits));
    this.#keys = folded.keys;
    this.#messages = folded.messages;
    this.#versions = folded.versions;
    this.#last = folded.last;
    this.#disk = disk;
    const state = (): JournalRecord[] => recordsOf(this.#keys, this.#messages, this.#versions);
    this.#journal = new JournalFile({ ...disk, clock, log, state });
    if (damage !== undefined) await this.#journal.replace(damage);
  }

  /** Why nothing can be written, while that lasts. */
  get problem(): string | undefined {
    return this.#journal?.problem;
  }

  /** Why nothing may begin now. */
  get barrier(): Failure | undefined {
    return this.#parts.mayBegin?.();
  }

  /** Sizes, for metrics. */
  get sizes(): { readonly keys: number; readonly keyBytes: number; readonly messageBytes: number } {
    return { keys: this.#keys.size, keyBytes: this.#keys.bytes, messageBytes: this.#messages.bytes };
  }

  /** The key of a command. Undefined when it has none, or when the command changes nothing. */
  keyed(scope: string, command: Command, spec: CommandSpec): KeyedCommand | undefined {
    const { idempotencyKey: key } = command;
    if (key === undefined || !spec.keyed) return undefined;
    const { id: _id, idempotencyKey: _key, waitFor: _for, waitMs: _ms, ...same }: Record<string, unknown> = {
      ...command,
    };
    const digest = this.#parts.sha256(JSON.stringify(canonical(same)));
    return { scope, sessionId: command.sessionId ?? "", key, digest, type: command.type };
  }

  /** What the key says of the command. Undefined when the command runs as if it had no key. */
  find(keyed: KeyedCommand, spec: CommandSpec): Found | undefined {
    const found = this.#keys.find(keyed, this.#parts.clock.now());
    if (found.kind === "new") return { kind: "new", command: keyed };
    if (found.kind === "refused") {
      // A command that stops something is free of limits: it runs, and its answer is not kept.
      if (spec.exempt && found.failure.code === "overloaded") return undefined;
      return { kind: "answer", reply: { ok: false, failure: found.failure } };
    }
    const { entry } = found;
    const { state } = entry;
    if (state.kind === "running") {
      return { kind: "running", join: (answer) => void state.waiting.push(answer) };
    }
    if (state.kind === "finished") return { kind: "answer", reply: { ...state.reply, replayed: true } };
    return { kind: "answer", reply: { ok: false, failure: outcomeUnknown(entry) } };
  }

  /** Reserves a key for a command that will be forwarded. The result also stores the reply under the key. */
  reserve(command: KeyedCommand, replyTo: ReplyTo): ReplyTo {
    const { connection } = replyTo;
    const waiting: ((reply: Reply) => void)[] = [];
    const at = this.#parts.clock.now();
    const entry: KeyEntry = { n: ++this.#last, at, command, state: { kind: "running", waiting } };
    this.#keys.add(entry);
    return {
      connection,
      entry,
      onReleased: () => replyTo.onReleased(),
      answer: (reply) => {
        void this.#conclude(entry, reply).then((kept) => {
          replyTo.answer(reply);
          for (const answer of waiting) answer(kept ? { ...reply, replayed: true } : reply);
        });
      },
    };
  }

  /** The command was refused before it was forwarded, so its key is free again. */
  release({ entry }: ReplyTo): void {
    if (entry !== undefined) this.#keys.drop(entry);
  }

  /**
   * Writes the intent of a command. Resolves when the command may be forwarded, or with the reason why not. Undefined
   * for a command that needs no intent.
   */
  recordIntent(
    { ref, sessionId, command, replyTo, durable }: ForwardedCommand,
  ): Promise<Failure | undefined> | undefined {
    const { entry } = replyTo;
    const message = durable && isMessage(command) ? command : undefined;
    if (entry === undefined && message === undefined) return undefined;
    const n = entry?.n ?? ++this.#last;
    const at = entry?.at ?? this.#parts.clock.now();
    let kept: Extract<JournalRecord, { k: "intent" }>["message"];
    if (message !== undefined) {
      const full = this.#full();
      if (full !== undefined) return Promise.resolve(full);
      kept = {
        kind: KINDS[message.type],
        message: message.message,
        ...(message.images === undefined ? {} : { images: message.images }),
        ...(message.idempotencyKey === undefined ? {} : { key: message.idempotencyKey }),
      };
      this.#messages.open({ n, at, sessionId, began: false, ...kept });
      this.#open.set(ref, { n, sessionId, accepted: false });
    }
    if (entry !== undefined) [entry.intended, entry.session] = [true, sessionId];
    const written = this.#write({
      k: "intent",
      n,
      at,
      session: sessionId,
      ...(entry === undefined ? {} : { key: entry.command }),
      ...(kept === undefined ? {} : { message: kept }),
    }, "synced");
    if (isUrgent(command)) return undefined;
    return written?.then((reason) => reason === undefined ? this.barrier : unwritten(reason));
  }

  /**
   * Delays the reply of `dismiss_interrupted` and `delete_session` until a crash cannot bring the messages
   * back.
   */
  acknowledgeAfterWrite(command: Command, replyTo: ReplyTo): ReplyTo {
    const { type, sessionId = "" } = command;
    if (type !== "dismiss_interrupted" && type !== "delete_session") return replyTo;
    return {
      ...replyTo,
      answer: (reply) => {
        if (type === "dismiss_interrupted" && reply.ok) this.#closed(this.#messages.dismiss(sessionId));
        if (this.#journal === undefined) return replyTo.answer(reply);
        void this.#within(OUTCOME_MS, this.#journal.written()).then(() => replyTo.answer(reply));
      },
    };
  }

  /** A command has its reply. A message that was refused is no longer kept. */
  onReply(ref: number, reply: Reply): void {
    const open = this.#open.get(ref);
    if (open === undefined || reply.ok || open.accepted) return;
    // A message after a timeout may still be accepted. One whose worker is gone may have been.
    if (reply.failure.code === "timeout" || reply.lost === true) return;
    this.#close(ref, open);
  }

  /** A worker reports the progress of a message. */
  onMessageProgress(ref: number, state: "accepted" | "began" | "done"): void {
    const open = this.#open.get(ref);
    if (open === undefined) return;
    open.accepted = true;
    if (state === "done") this.#close(ref, open);
    else if (state === "began" && this.#messages.begin(open.sessionId, open.n)) {
      void this.#write({ k: "began", n: open.n }, "written");
    }
  }

  /** A client sees that version. A crash must not take it back, even before the record is on disk. */
  recordVersion(sessionId: string, version: number | undefined): void {
    if (version === undefined || version <= (this.#versions.get(sessionId) ?? 0)) return;
    this.#versions.set(sessionId, version);
    void this.#write({ k: "version", session: sessionId, version }, "written");
  }

  /** The record of a session, at the version that a client saw last. */
  applyVersion(record: SessionRecord): SessionRecord {
    const { info } = record;
    const version = this.#versions.get(info.sessionId) ?? 0;
    return version <= info.sessionVersion
      ? record
      : { ...record, info: { ...info, sessionVersion: version } };
  }

  /** The interrupted messages of a session, oldest first. */
  interrupted(sessionId: string): readonly Interrupted[] {
    return this.#messages.interrupted(sessionId);
  }

  /** A session was lost with its worker. */
  onSessionLost(sessionId: string): void {
    this.#messages.crashed(sessionId);
    this.#drop(sessionId);
  }

  /** A session was deleted with its messages. Its keys stay for retries. */
  onSessionDeleted(sessionId: string): void {
    this.#closed(this.#messages.deleted(sessionId));
    this.#drop(sessionId);
    this.#forgetVersion(sessionId);
  }

  /**
   * Takes over what another server's journal holds of these sessions. Resolves when it is on disk, or with the reason
   * why it is not.
   */
  async adopt(
    { keys, messages, versions }: Pick<JournalState, "keys" | "messages" | "versions">,
    sessionIds: ReadonlySet<string>,
  ): Promise<string | undefined> {
    // They may have been here before.
    for (const sessionId of sessionIds) this.#closed(this.#messages.deleted(sessionId));
    const numbers = new Map<number, number>();
    const own = (n: number): number => {
      const known = numbers.get(n) ?? ++this.#last;
      numbers.set(n, known);
      return known;
    };
    const adopted = {
      keys: new IdempotencyKeys(keyLimits(this.#parts.limits)),
      messages: new OpenMessages(),
    };
    for (const { n, at, command, state, session = command.sessionId } of keys.all) {
      if (!sessionIds.has(session)) continue;
      // The command that ran there has left no answer.
      const left = state.kind === "running" ? { kind: "unknown" } as const : state;
      const entry: KeyEntry = { n: own(n), at, command, state: left, intended: true, session };
      this.#keys.add(entry);
      adopted.keys.add(entry);
    }
    for (const message of messages.all) {
      if (!sessionIds.has(message.sessionId)) continue;
      for (const to of [this.#messages, adopted.messages]) to.open({ ...message, n: own(message.n) });
    }
    const seen = new Map([...versions].filter(([sessionId]) => sessionIds.has(sessionId)));
    for (const [sessionId, version] of seen) this.#versions.set(sessionId, version);
    for (const sessionId of sessionIds) this.#messages.crashed(sessionId);
    const records = recordsOf(adopted.keys, adopted.messages, seen).filter(({ k }) => k !== "journal");
    const written = await Promise.all(records.map((record) => this.#write(record, "synced")));
    return written.find((reason) => reason !== undefined);
  }

  /** Called when all sessions are back. Messages of unknown sessions are kept for a month. */
  pruneOrphans(known: (sessionId: string) => boolean): void {
    for (const sessionId of [...this.#versions.keys()]) if (!known(sessionId)) this.#forgetVersion(sessionId);
    this.#closed(this.#messages.pruneOrphans(known, this.#parts.clock.now() - STRAY_MS));
  }

  /** Writes the rest. The next server finds running messages as interrupted. */
  async close(): Promise<void> {
    await this.#journal?.close();
  }

  /** Returns whether the answer is stored. */
  async #conclude(entry: KeyEntry, reply: Reply): Promise<boolean> {
    if (!hasRun(reply)) {
      this.#keys.drop(entry);
      void this.#write({ k: "void", n: entry.n }, "written");
      return false;
    }
    if (!reply.ok && reply.lost === true) {
      this.#keys.conclude(entry, { kind: "unknown" });
      return false;
    }
    this.#keys.conclude(entry, { kind: "finished", reply });
    // A parked session is deleted without a worker.
    const { n, at, command } = entry;
    if (!entry.intended) {
      void this.#write({ k: "intent", n, at, session: command.sessionId, key: command }, "written");
    }
    await this.#within(OUTCOME_MS, this.#write({ k: "outcome", n, reply }, "written"));
    return true;
  }

  #write(record: JournalRecord, need: "synced" | "written"): Promise<string | undefined> | undefined {
    const written = this.#journal?.append(record, need);
    if (written === undefined || need === "written") return written;
    return this.#within(INTENT_MS, written);
  }

  /** The result of a write, or a failure after too long. */
  #within(ms: number, written: Promise<string | undefined> | undefined): Promise<string | undefined> {
    if (written === undefined) return Promise.resolve(undefined);
    const reason = `the disk under ${this.#disk?.folder} has finished no write for ${ms} ms`;
    return deadline(this.#parts.clock, ms, written, reason);
  }

  #full(): Failure | undefined {
    const { keptMessageBytes } = this.#parts.limits;
    if (this.#messages.bytes < keptMessageBytes) return undefined;
    const sentence =
      `Messages under way and interrupted ones take ${this.#messages.bytes} characters (limit keptMessageBytes: ` +
      `${keptMessageBytes}); drop interrupted ones with dismiss_interrupted`;
    return failure("overloaded", sentence, { retryAfterMs: 1_000, data: { limit: "keptMessageBytes" } });
  }

  /** Another session with that id begins at 0. */
  #forgetVersion(sessionId: string): void {
    if (!this.#versions.delete(sessionId)) return;
    void this.#write({ k: "version", session: sessionId, version: 0 }, "written");
  }

  #close(ref: number, { n, sessionId }: Open): void {
    this.#open.delete(ref);
    this.#messages.close(sessionId, n);
    this.#closed([n]);
  }

  #closed(ns: readonly number[]): void {
    if (ns.length > 0) void this.#write({ k: "closed", ns }, "written");
  }

  #drop(sessionId: string): void {
    for (const [ref, open] of [...this.#open]) if (open.sessionId === sessionId) this.#open.delete(ref);
  }
}

function keyLimits(
  { idempotencyKeys, idempotencyBytes }: CommandJournalLimits,
): { keys: number; bytes: number } {
  return { keys: idempotencyKeys, bytes: idempotencyBytes };
}

/** A command that stops something waits for nothing, not even the disk. */
function isUrgent({ type }: Command): boolean {
  return type.startsWith("abort") || type === "extension_ui_response";
}

function unwritten(reason: string): Failure {
  const sentence = `Nothing was done, because ${reason}; check the disk, then send it again`;
  return failure("internal", sentence, { data: { reason: "storage" } });
}
