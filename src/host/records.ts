// Tells the router thread what is to be kept of each session, and lets answers wait for it that a crash must not
// take back. What changes with every event alone (counters, times) is told along, and waits for nothing.
import { type Failure, failure } from "../protocol/errors.ts";
import type { FromHost } from "./edge.ts";
import type { Session } from "./session.ts";
import { durableText } from "./session_record.ts";

/** The records of one host's sessions. */
export class Records {
  readonly #send: (message: FromHost) => void;
  /** What of each session is on disk, or on its way there. */
  readonly #durable = new Map<string, string>();
  readonly #asked = new Map<number, (error: string | undefined) => void>();
  #ref = 0;

  constructor(send: (message: FromHost) => void) {
    this.#send = send;
  }

  /** Tells the record; what it returns resolves when that is kept, if something changed that has to be. */
  keep(session: Session): Promise<void> | undefined {
    const record = session.record();
    if (record.inMemory) {
      this.#send({ kind: "record", record });
      return undefined;
    }
    const text = durableText(record);
    if (this.#durable.get(session.sessionId) === text) {
      this.#send({ kind: "record", record });
      return undefined;
    }
    this.#durable.set(session.sessionId, text);
    // An error is the router thread's to log and mend: what was asked for has been done.
    return new Promise((resolve) => {
      this.#asked.set(++this.#ref, () => resolve());
      this.#send({ kind: "record", record, ref: this.#ref });
    });
  }

  /** Has a session kept that begins; why it could not be. */
  keepNow(session: Session): Promise<Failure | undefined> {
    const record = session.record();
    this.#durable.set(session.sessionId, durableText(record));
    return new Promise((resolve) => {
      this.#asked.set(++this.#ref, (error) => {
        const sentence = `The session could not be written to the state folder: ${error}`;
        resolve(error === undefined ? undefined : failure("internal", sentence));
      });
      this.#send({ kind: "record", record, ref: this.#ref });
    });
  }

  /** Tells the record, for the last time. */
  tell(session: Session): void {
    this.#send({ kind: "record", record: session.record() });
  }

  forget(sessionId: string): void {
    this.#durable.delete(sessionId);
  }

  answered(ref: number, error: string | undefined): void {
    const resolve = this.#asked.get(ref);
    this.#asked.delete(ref);
    resolve?.(error);
  }
}
