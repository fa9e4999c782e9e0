// Tells the router thread what is to be kept of each session, and lets answers wait for it that a crash must not
// take back. What changes with every event alone (counters, times) is told along, and waits for nothing.
import { errorMessage } from "../base/error_message.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import type { FromWorker, ToWorkerHandlers } from "../ipc/messages.ts";
import { PendingReplies } from "../ipc/pending_replies.ts";
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
  readonly #replies = new PendingReplies<string | undefined>();

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Messages of the server thread. */
  readonly handlers = {
    record_saved: ({ ref, error }) => this.#replies.resolve(ref, error),
  } satisfies Partial<ToWorkerHandlers>;

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
    const saved = this.#save(record).then(() => {
      if (this.#under.get(sessionId) === saved) this.#under.delete(sessionId);
    });
    this.#under.set(sessionId, saved);
    return saved;
  }

  /** Has a session kept that begins; why it could not be. */
  async publishNow(session: Kept): Promise<Failure | undefined> {
    const record = session.record();
    this.#durable.set(session.sessionId, durableText(record));
    const error = await this.#save(record);
    const sentence = `The session could not be written to the state folder: ${errorMessage(error)}`;
    return error === undefined ? undefined : failure("internal", sentence);
  }

  /** Tells the record, for the last time. */
  publishFinal(session: Kept): void {
    this.#send({ kind: "save_record", record: session.record() });
  }

  forget(sessionId: string): void {
    this.#durable.delete(sessionId);
    this.#under.delete(sessionId);
  }

  /** Sends a record. Resolves with the error of the disk. */
  #save(record: SessionRecord): Promise<string | undefined> {
    return new Promise((onReply) => {
      const ref = this.#replies.expect({ onReply });
      this.#send({ kind: "save_record", record, ref });
    });
  }
}
