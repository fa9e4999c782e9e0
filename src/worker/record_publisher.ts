// Does: sends the session record of each session to the server thread.
// Used by: session_worker.ts. Counters and times change with every event, so they travel with the next record.
// Invariant: a reply that a crash must not undo waits until the record is written.
import { errorMessage } from "../base/error_message.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import type { FromWorker, ToWorkerHandlers } from "../ipc/messages.ts";
import { PendingReplies } from "../ipc/pending_replies.ts";
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
  readonly #replies = new PendingReplies<string | undefined>();

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Messages of the server thread. */
  readonly handlers = {
    record_saved: ({ ref, error }) => this.#replies.resolve(ref, error),
  } satisfies Partial<ToWorkerHandlers>;

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
    const saved = this.#save(record).then(() => {
      if (this.#under.get(sessionId) === saved) this.#under.delete(sessionId);
    });
    this.#under.set(sessionId, saved);
    return saved;
  }

  /** Writes the record of a new session. Returns why that failed. */
  async publishNow(session: Kept): Promise<Failure | undefined> {
    const record = session.record();
    this.#durable.set(session.sessionId, durableText(record));
    const error = await this.#save(record);
    const sentence = `The session could not be written to the state folder: ${errorMessage(error)}`;
    return error === undefined ? undefined : failure("internal", sentence);
  }

  /** Sends the last record of a session. */
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
