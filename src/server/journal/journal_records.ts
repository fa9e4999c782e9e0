// Does: encodes journal records as lines with a checksum, and replays the lines of a file. Pure.
// Used by: journal_file.ts and command_journal.ts. Invariant: the checksum reveals a torn or damaged line.
import type { Reply } from "../../ipc/messages.ts";
import { isRecord } from "../../base/json.ts";
import { IdempotencyKeys, type KeyedCommand, type KeyEntry, type KeyLimits } from "./idempotency_keys.ts";
import { type Message, OpenMessages } from "./open_messages.ts";

/** Version of the format. Other versions are not read. */
export const JOURNAL_VERSION = 1;

/** The records. `n` numbers the commands. */
export type JournalRecord =
  | { readonly k: "journal"; readonly version: number }
  /** A command will run: a keyed one, a message to an agent, or both. */
  | {
    readonly k: "intent";
    readonly n: number;
    readonly at: number;
    readonly session: string;
    readonly key?: KeyedCommand;
    readonly message?: Pick<Message, "kind" | "message" | "images" | "key">;
  }
  /** The answer of a keyed command. */
  | { readonly k: "outcome"; readonly n: number; readonly reply: Reply }
  /** The command did not run. */
  | { readonly k: "void"; readonly n: number }
  /** The agent has begun with the message. */
  | { readonly k: "began"; readonly n: number }
  /** Messages that are no longer kept: done, dismissed, or of a deleted session. */
  | { readonly k: "closed"; readonly ns: readonly number[] }
  /** The version of a session that a client has seen. 0 when the session was deleted. */
  | { readonly k: "version"; readonly session: string; readonly version: number };

/** The content of a journal. */
export interface JournalState {
  readonly keys: IdempotencyKeys;
  readonly messages: OpenMessages;
  /** The last version of each session that a client has seen. */
  readonly versions: Map<string, number>;
  /** The highest number in it. */
  readonly last: number;
  /** Damaged lines in the middle. */
  readonly damaged: number;
  /** Whether the last line is cut. A crash does that. */
  readonly torn: boolean;
  /** Whether the file has another kind or version. */
  readonly foreign: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LF = 10;
const CHECKSUM_CHARS = 8;

const CRC_TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xedb88320;
  return value;
});

/** CRC-32 (IEEE 802.3) in eight hexadecimal digits. */
export function checksum(bytes: Uint8Array): string {
  let crc = -1;
  // By index, because an iterator over bytes is several times slower.
  for (let at = 0; at < bytes.length; at++) {
    crc = (CRC_TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return ((crc ^ -1) >>> 0).toString(16).padStart(CHECKSUM_CHARS, "0");
}

/** One record as a line. */
export function encodeRecord(record: JournalRecord): Uint8Array {
  const json = encoder.encode(JSON.stringify(record));
  const line = new Uint8Array(CHECKSUM_CHARS + json.length + 2);
  encoder.encodeInto(`${checksum(json)} `, line);
  line.set(json, CHECKSUM_CHARS + 1);
  line[line.length - 1] = LF;
  return line;
}

/** The record in a line without its end. Undefined for a damaged line. */
export function decodeLine(line: Uint8Array): JournalRecord | undefined {
  const json = line.subarray(CHECKSUM_CHARS + 1);
  if (line.length <= CHECKSUM_CHARS + 1) return undefined;
  if (decoder.decode(line.subarray(0, CHECKSUM_CHARS + 1)) !== `${checksum(json)} `) return undefined;
  try {
    const value: unknown = JSON.parse(decoder.decode(json));
    // The checksum proves that this server wrote the line, so bytes become types here.
    return isRecord(value) && typeof value["k"] === "string" ? value as JournalRecord : undefined;
  } catch {
    return undefined;
  }
}

/** Replays the records of a file. */
export class JournalReplay {
  readonly #keys: IdempotencyKeys;
  readonly #messages = new OpenMessages();
  readonly #versions = new Map<string, number>();
  readonly #byNumber = new Map<number, { readonly entry?: KeyEntry; readonly message?: Message }>();
  #last = 0;
  #damaged = 0;
  #foreign = false;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(limits: KeyLimits) {
    this.#keys = new IdempotencyKeys(limits);
  }

  /** Takes the next bytes of the file. */
  take(bytes: Uint8Array): void {
    let all = bytes;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + bytes.length);
      all.set(this.#rest);
      all.set(bytes, this.#rest.length);
    }
    let start = 0;
    for (let end = all.indexOf(LF); end >= 0; end = all.indexOf(LF, start)) {
      this.#line(all.subarray(start, end));
      start = end + 1;
    }
    this.#rest = all.slice(start);
  }

  /** The file has ended. Running commands of that time were cut short. */
  finish(): JournalState {
    for (const entry of this.#keys.all) {
      if (entry.state.kind === "running") this.#keys.conclude(entry, { kind: "unknown" });
    }
    this.#messages.allCrashed();
    return {
      keys: this.#keys,
      messages: this.#messages,
      versions: this.#versions,
      last: this.#last,
      damaged: this.#damaged,
      torn: this.#rest.length > 0,
      foreign: this.#foreign,
    };
  }

  #line(line: Uint8Array): void {
    if (this.#foreign) return;
    const record = decodeLine(line);
    if (record === undefined) this.#damaged++;
    else if (record.k === "journal") this.#foreign = record.version !== JOURNAL_VERSION;
    else this.#fold(record);
  }

  #fold(record: Exclude<JournalRecord, { k: "journal" }>): void {
    switch (record.k) {
      case "intent":
        return this.#intent(record);
      case "outcome": {
        const entry = this.#byNumber.get(record.n)?.entry;
        if (entry !== undefined) this.#keys.conclude(entry, { kind: "finished", reply: record.reply });
        return;
      }
      case "void":
        this.#keys.drop(this.#byNumber.get(record.n)?.entry);
        return this.#close(record.n);
      case "began": {
        const message = this.#byNumber.get(record.n)?.message;
        if (message !== undefined) message.began = true;
        return;
      }
      case "version":
        if (record.version === 0) this.#versions.delete(record.session);
        else this.#versions.set(record.session, record.version);
        return;
      case "closed":
        for (const n of record.ns) this.#close(n);
    }
  }

  #intent({ n, at, session, key, message }: Extract<JournalRecord, { k: "intent" }>): void {
    this.#last = Math.max(this.#last, n);
    // A record that was written again after a failure counts once, with its additional fields.
    const before = this.#byNumber.get(n);
    if (before !== undefined && (before.message !== undefined || message === undefined)) return;
    const entry = before?.entry !== undefined || key === undefined
      ? before?.entry
      : { n, at, session, command: key, state: { kind: "running", waiting: [] } } satisfies KeyEntry;
    if (entry !== undefined && entry !== before?.entry) this.#keys.add(entry);
    const opened = message === undefined
      ? undefined
      : { n, at, sessionId: session, began: false, ...message };
    if (opened !== undefined) this.#messages.open(opened);
    this.#byNumber.set(n, {
      ...(entry === undefined ? {} : { entry }),
      ...(opened === undefined ? {} : { message: opened }),
    });
  }

  #close(n: number): void {
    const message = this.#byNumber.get(n)?.message;
    if (message !== undefined) this.#messages.close(message.sessionId, n);
  }
}

/** The records that a new journal begins with. */
export function recordsOf(
  keys: IdempotencyKeys,
  messages: OpenMessages,
  versions: ReadonlyMap<string, number>,
): JournalRecord[] {
  const records: JournalRecord[] = [{ k: "journal", version: JOURNAL_VERSION }];
  for (const [session, version] of versions) records.push({ k: "version", session, version });
  const kept = new Map(messages.all.map((message) => [message.n, message]));
  for (const { n, at, command, state, intended, session = command.sessionId } of keys.all) {
    // It waits for its session and was not forwarded. After a crash it never existed.
    if (state.kind === "running" && intended !== true) continue;
    const message = kept.get(n);
    kept.delete(n);
    records.push(...intentOf(n, at, session, message, command));
    if (state.kind === "finished") records.push({ k: "outcome", n, reply: state.reply });
  }
  for (const [n, message] of kept) records.push(...intentOf(n, message.at, message.sessionId, message));
  return records;
}

function intentOf(
  n: number,
  at: number,
  session: string,
  message: Message | undefined,
  key?: KeyedCommand,
): JournalRecord[] {
  const { kind, images, key: named, began } = message ?? {};
  const intent: JournalRecord = {
    k: "intent",
    n,
    at,
    session,
    ...(key === undefined ? {} : { key }),
    ...(message === undefined || kind === undefined ? {} : {
      message: {
        kind,
        message: message.message,
        ...(images === undefined ? {} : { images }),
        ...(named === undefined ? {} : { key: named }),
      },
    }),
  };
  return began === true ? [intent, { k: "began", n }] : [intent];
}
