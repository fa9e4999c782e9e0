// Which session drives which file, as the router thread's book has it: asked for before a file is opened,
// told when a session changes its file, and remembered for lists.
import type { FromWorker } from "../ipc/messages.ts";
import type { FileOwner } from "../protocol/failures.ts";

/** This host's view of the book. */
export class FileClaims {
  readonly #send: (message: FromWorker) => void;
  readonly #pending = new Map<number, (owner: string | FileOwner | undefined) => void>();
  readonly #live = new Map<string, string>();
  #ref = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Claims a file; resolves with the id of another session, or with another server, that has it. */
  claim(sessionId: string, file: string): Promise<string | FileOwner | undefined> {
    return new Promise((resolve) => {
      const ref = ++this.#ref;
      this.#pending.set(ref, resolve);
      this.#send({ kind: "claim_file", ref, sessionId, file });
    });
  }

  onResult(ref: number, owner: string | FileOwner | undefined): void {
    const resolve = this.#pending.get(ref);
    this.#pending.delete(ref);
    resolve?.(owner);
  }

  /** The session drives that file from now on, or none. */
  setFile(sessionId: string, file: string | undefined): void {
    this.#send({ kind: "session_file", sessionId, ...(file === undefined ? {} : { file }) });
  }

  /** What the book says of a file. */
  setOwner(file: string, sessionId: string | undefined): void {
    if (sessionId === undefined) this.#live.delete(file);
    else this.#live.set(file, sessionId);
  }

  /** The session that drives that file now. */
  liveSession(file: string): string | undefined {
    return this.#live.get(file);
  }
}
