// What each session has emitted lately, encoded, for clients that come back (docs/PROTOCOL.md#coming-back). A ring bounded in
// bytes, for each session and for all together; whoever wants more gets a snapshot.
import type { EncodedEvent } from "../../ipc/messages.ts";

/** Bytes of a record, near enough: its text counted in UTF-16 units, and its place in the list. */
function bytesOf(record: EncodedEvent): number {
  return record.text.length + 64;
}

/** The logs of all sessions of a server. */
export class ReplayBuffers {
  readonly #bytesEach: number;
  readonly #bytesAll: number;
  /** In the order of their last append: the stalest gives way first. */
  readonly #logs = new Map<string, ReplayBuffer>();
  #bytes = 0;

  /** @param bytesEach most bytes of one session, @param bytesAll of all together */
  constructor(bytesEach: number, bytesAll: number) {
    this.#bytesEach = bytesEach;
    this.#bytesAll = bytesAll;
  }

  /** Bytes in all logs. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A session's log. */
  of(sessionId: string): ReplayBuffer | undefined {
    return this.#logs.get(sessionId);
  }

  /** A session begins whose last event was that one; earlier ones are not kept. */
  startAt(sessionId: string, seq: number): void {
    this.drop(sessionId);
    this.#logs.set(sessionId, new ReplayBuffer(seq));
  }

  append(sessionId: string, records: readonly EncodedEvent[]): void {
    const log = this.#logs.get(sessionId) ?? new ReplayBuffer();
    // Deleted and set again, it becomes the freshest.
    this.#logs.delete(sessionId);
    this.#logs.set(sessionId, log);
    for (const record of records) this.#bytes += log.append(record);
    while (log.bytes > this.#bytesEach) this.#bytes -= log.dropOldest();
    while (this.#bytes > this.#bytesAll) {
      const [stalest] = this.#logs;
      if (stalest === undefined) return;
      const [id, old] = stalest;
      if (old.bytes > 0) this.#bytes -= old.dropOldest();
      // An empty log keeps its last number, but not its place at the front.
      else if (this.#logs.size > 1) {
        this.#logs.delete(id);
        this.#logs.set(id, old);
      } else return;
    }
  }

  /** Forgets a session. */
  drop(sessionId: string): void {
    this.#bytes -= this.#logs.get(sessionId)?.bytes ?? 0;
    this.#logs.delete(sessionId);
  }
}

/** The log of one session. */
export class ReplayBuffer {
  /** Dropped records leave holes at the front, so that nothing keeps what was dropped. */
  #records: (EncodedEvent | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #lastSeq: number;

  /** @param lastSeq number of the last event before */
  constructor(lastSeq = 0) {
    this.#lastSeq = lastSeq;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Sequence number of the last event; 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  append(record: EncodedEvent): number {
    // Nobody is given the full form from here, and it may be a thousand times as large.
    const { full: _full, ...kept } = record;
    this.#records.push(record.full === undefined ? record : kept);
    this.#lastSeq = record.seq;
    const bytes = bytesOf(record);
    this.#bytes += bytes;
    return bytes;
  }

  dropOldest(): number {
    const oldest = this.#records[this.#head];
    if (oldest === undefined) return 0;
    this.#records[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
    const bytes = bytesOf(oldest);
    this.#bytes -= bytes;
    return bytes;
  }

  /** Whether every event after `seq`, up to `last`, is here. */
  covers(seq: number, last: number): boolean {
    if (seq >= last) return seq === last;
    const oldest = this.#records[this.#head];
    return oldest !== undefined && oldest.seq <= seq + 1 && this.#lastSeq >= last;
  }

  /** The events after `seq`, oldest first. */
  since(seq: number): readonly EncodedEvent[] {
    const oldest = this.#records[this.#head];
    if (oldest === undefined) return [];
    const from = this.#head + Math.max(0, seq + 1 - oldest.seq);
    return this.#records.slice(from).filter((record) => record !== undefined);
  }
}
