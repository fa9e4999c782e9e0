// Does: keeps the latest events of each session, encoded, for clients that come back (docs/PROTOCOL.md#coming-back).
// Used by: the session manager. A client with an older cursor gets a snapshot.
// Invariant: the buffers are bounded in bytes, each one and all together.
import type { EncodedEvent } from "../../ipc/messages.ts";

/**
 * The part of a buffer that shell output may take. A flood passes through the whole of it in a second: what lives so
 * long is collected late, and was most of what a flood cost (docs/DECISIONS.md#shells-are-read-at-a-bounded-rate).
 */
const SHELL_SHARE = 1 / 4;

/** Roughly the bytes of an event: its text counted in UTF-16 units, and its slot in the list. */
function bytesOf(record: EncodedEvent): number {
  return record.text.length + (record.brief?.length ?? 0) + 64;
}

/** The replay buffers of all sessions. */
export class ReplayBuffers {
  readonly #bytesEach: number;
  readonly #bytesAll: number;
  /** In the order of their last append. The oldest shrinks first. */
  readonly #logs = new Map<string, ReplayBuffer>();
  #bytes = 0;

  /** @param bytesEach most bytes of one session, @param bytesAll of all together */
  constructor(bytesEach: number, bytesAll: number) {
    this.#bytesEach = bytesEach;
    this.#bytesAll = bytesAll;
  }

  /** Bytes in all buffers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The buffer of a session. */
  of(sessionId: string): ReplayBuffer | undefined {
    return this.#logs.get(sessionId);
  }

  /** A session begins after that seq. Earlier events are not kept. */
  startAt(sessionId: string, seq: number): void {
    this.drop(sessionId);
    this.#logs.set(sessionId, new ReplayBuffer(seq));
  }

  append(sessionId: string, records: readonly EncodedEvent[]): void {
    const log = this.#logs.get(sessionId) ?? new ReplayBuffer();
    // Deleted and set again, it becomes the newest.
    this.#logs.delete(sessionId);
    this.#logs.set(sessionId, log);
    for (const record of records) this.#bytes += log.append(record);
    while (log.bytes > this.#bytesEach || log.shellBytes > this.#bytesEach * SHELL_SHARE) {
      this.#bytes -= log.dropOldest();
    }
    while (this.#bytes > this.#bytesAll) {
      const [stalest] = this.#logs;
      if (stalest === undefined) return;
      const [id, old] = stalest;
      if (old.bytes > 0) this.#bytes -= old.dropOldest();
      // An empty buffer keeps its last number, but not its position at the front.
      else if (this.#logs.size > 1) {
        this.#logs.delete(id);
        this.#logs.set(id, old);
      } else return;
    }
  }

  /** Drops a session. */
  drop(sessionId: string): void {
    this.#bytes -= this.#logs.get(sessionId)?.bytes ?? 0;
    this.#logs.delete(sessionId);
  }
}

/** The replay buffer of one session. */
export class ReplayBuffer {
  /** Dropped events leave holes at the front, so that nothing keeps them alive. */
  #records: (EncodedEvent | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #shellBytes = 0;
  #lastSeq: number;

  /** @param lastSeq number of the last event before */
  constructor(lastSeq = 0) {
    this.#lastSeq = lastSeq;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of shell output. */
  get shellBytes(): number {
    return this.#shellBytes;
  }

  /** Sequence number of the last event; 0 before the first. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  append(record: EncodedEvent): number {
    // No replay uses the full form, and it may be a thousand times as large.
    const { full: _full, ...kept } = record;
    this.#records.push(record.full === undefined ? record : kept);
    this.#lastSeq = record.seq;
    const bytes = bytesOf(record);
    this.#bytes += bytes;
    if (record.type === "bash_output") this.#shellBytes += bytes;
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
    if (oldest.type === "bash_output") this.#shellBytes -= bytes;
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
