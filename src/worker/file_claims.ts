// Does: claims session files at the server thread, and knows for lists which session drives which file.
// Used by: the session builder and the session worker.
// Invariant: a session opens a file only after the server thread has granted the claim.
import { defined } from "../base/json.ts";
import type { FromWorker, ToWorkerHandlers } from "../ipc/messages.ts";
import { PendingReplies } from "../ipc/pending_replies.ts";
import type { FileOwner } from "../protocol/failures.ts";

/** This worker's view of the session files. */
export class FileClaims {
  readonly #send: (message: FromWorker) => void;
  readonly #replies = new PendingReplies<string | FileOwner | undefined>();
  readonly #live = new Map<string, string>();

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Messages of the server thread. */
  readonly handlers = {
    claim_result: ({ ref, owner }) => this.#replies.resolve(ref, owner),
    file_owner: ({ file, sessionId }) => {
      if (sessionId === undefined) this.#live.delete(file);
      else this.#live.set(file, sessionId);
    },
  } satisfies Partial<ToWorkerHandlers>;

  /** Claims a file. Resolves with its other owner: a session, or another server. */
  claim(sessionId: string, file: string): Promise<string | FileOwner | undefined> {
    return new Promise((onReply) => {
      const ref = this.#replies.expect({ onReply });
      this.#send({ kind: "claim_file", ref, sessionId, file });
    });
  }

  /** From now on the session drives that file, or none. */
  setFile(sessionId: string, file: string | undefined): void {
    this.#send({ kind: "session_file", sessionId, ...defined({ file }) });
  }

  /** The session that drives the file now. */
  liveSession(file: string): string | undefined {
    return this.#live.get(file);
  }
}
