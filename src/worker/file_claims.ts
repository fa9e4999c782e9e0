// Does: asks the server thread which session or server drives a session file, and caches the answers for lists.
// Used by: session_worker.ts. A claim comes before the open of a file; a report follows each change of file.
import type { FromWorker } from "../ipc/messages.ts";
import type { FileOwner } from "../protocol/failures.ts";

/** The file owners, as this worker knows them. */
export class FileClaims {
  readonly #send: (message: FromWorker) => void;
  readonly #pending = new Map<number, (owner: string | FileOwner | undefined) => void>();
  readonly #live = new Map<string, string>();
  #ref = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /**
   * Claims a file. Resolves with the session or the other server that has it, and undefined when the claim
   * succeeds.
   */
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

  /** Reports the file that the session drives from now on. */
  setFile(sessionId: string, file: string | undefined): void {
    this.#send({ kind: "session_file", sessionId, ...(file === undefined ? {} : { file }) });
  }

  /** Stores the owner of a file. */
  setOwner(file: string, sessionId: string | undefined): void {
    if (sessionId === undefined) this.#live.delete(file);
    else this.#live.set(file, sessionId);
  }

  /** The session that drives the file now. */
  liveSession(file: string): string | undefined {
    return this.#live.get(file);
  }
}
