// Which session drives which file, as the router thread's book has it: asked for before a file is opened,
// told when a session changes its file, and remembered for lists.
import type { FromHost, Holder } from "../ipc/messages.ts";

/** This host's view of the book. */
export class Claims {
  readonly #send: (message: FromHost) => void;
  readonly #asked = new Map<number, (owner: string | Holder | undefined) => void>();
  readonly #live = new Map<string, string>();
  #ref = 0;

  constructor(send: (message: FromHost) => void) {
    this.#send = send;
  }

  /** Claims a file; resolves with the id of another session, or with another server, that has it. */
  ask(sessionId: string, file: string): Promise<string | Holder | undefined> {
    return new Promise((resolve) => {
      const ref = ++this.#ref;
      this.#asked.set(ref, resolve);
      this.#send({ kind: "claim", ref, sessionId, file });
    });
  }

  answered(ref: number, owner: string | Holder | undefined): void {
    const resolve = this.#asked.get(ref);
    this.#asked.delete(ref);
    resolve?.(owner);
  }

  /** The session drives that file from now on, or none. */
  tell(sessionId: string, file: string | undefined): void {
    this.#send({ kind: "file", sessionId, ...(file === undefined ? {} : { file }) });
  }

  /** What the book says of a file. */
  learn(file: string, sessionId: string | undefined): void {
    if (sessionId === undefined) this.#live.delete(file);
    else this.#live.set(file, sessionId);
  }

  /** The session that drives that file now. */
  liveSession(file: string): string | undefined {
    return this.#live.get(file);
  }
}
