// Does: sends the session record of each session to the server thread.
// Used by: session_worker.ts. Counters and times change with every event, so they travel with the next record.
// Invariant: a reply that a crash must not undo waits until the record is written.
import { errorMessage } from "../base/error_message.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import type { FromWorker } from "../ipc/messages.ts";
import { durableText, type SessionRecord } from "../ipc/session_record.ts";

/** The recorded part of a session. */
export interface Kept {
  readonly sessionId: string;
  record(): SessionRecord;
}

/** The records of one worker's sessions. */
export class RecordPublisher {
  readonly #send: (message: FromWorker) => void;
  /** The durable part of each session that is on disk, or on its way there. */
  readonly #durable = new Map<string, string>();
  /** The latest write of each session that has not finished. */
  readonly #under = new Map<string, Promise<void>>();
  readonly #asked = new Map<number, (error: string | undefined) => void>();
  #ref = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Sends the record. The promise resolves when it is written; undefined when nothing durable has changed. */
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
      // An event has sent it already, and the reply behind that event waits for the same write.
      return this.#under.get(sessionId);
    }
    this.#durable.set(sessionId, text);
    // The server thread logs and repairs an error. The command itself has been carried out.
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

  /** Writes the record of a new session. Returns why that failed. */
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

  /** Sends the last record of a session. */
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
