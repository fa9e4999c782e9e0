// Tells the router thread what is to be kept of each session, and lets answers wait for it that a crash must not
// take back. What changes with every event alone (counters, times) is told along, and waits for nothing.
import { errorMessage } from "../base/error_message.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import type { FromWorker } from "../ipc/messages.ts";
import { durableText, type SessionRecord } from "../ipc/session_record.ts";

/** The part of a session that is kept. */
export interface Kept {
  readonly sessionId: string;
  record(): SessionRecord;
}

/** The records of one host's sessions. */
export class RecordPublisher {
  readonly #send: (message: FromWorker) => void;
  /** What of each session is on disk, or on its way there. */
  readonly #durable = new Map<string, string>();
  /** What is still on its way there, of each session the latest. */
  readonly #under = new Map<string, Promise<void>>();
  readonly #asked = new Map<number, (error: string | undefined) => void>();
  #ref = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Tells the record; what it returns resolves when that is kept, if something changed that has to be. */
  publish(session: Kept): Promise<void> | undefined {
    const record = session.record();
    if (record.inMemory) {
      this.#send({ kind: "save_record", record });
      return undefined;
    }
    const text = durableText(record);
    const { sessionId } = session;
    if (this.#durable.get(sessionId) === text) {
      this.#send({ kind: "save_record", record });
      // An event has told it already, and the answer behind that event waits for the same.
      return this.#under.get(sessionId);
    }
    this.#durable.set(sessionId, text);
    // An error is the router thread's to log and mend: what was asked for has been done.
    const kept = new Promise<void>((resolve) => {
      this.#asked.set(++this.#ref, () => {
        if (this.#under.get(sessionId) === kept) this.#under.delete(sessionId);
        resolve();
      });
      this.#send({ kind: "save_record", record, ref: this.#ref });
    });
    this.#under.set(sessionId, kept);
    return kept;
  }

  /** Has a session kept that begins; why it could not be. */
  publishNow(session: Kept): Promise<Failure | undefined> {
    const record = session.record();
    this.#durable.set(session.sessionId, durableText(record));
    return new Promise((resolve) => {
      this.#asked.set(++this.#ref, (error) => {
        const sentence = `The session could not be written to the state folder: ${errorMessage(error)}`;
        resolve(error === undefined ? undefined : failure("internal", sentence));
      });
      this.#send({ kind: "save_record", record, ref: this.#ref });
    });
  }

  /** Tells the record, for the last time. */
  publishFinal(session: Kept): void {
    this.#send({ kind: "save_record", record: session.record() });
  }

  forget(sessionId: string): void {
    this.#durable.delete(sessionId);
    this.#under.delete(sessionId);
  }

  onSaved(ref: number, error: string | undefined): void {
    const resolve = this.#asked.get(ref);
    this.#asked.delete(ref);
    resolve?.(error);
  }
}
