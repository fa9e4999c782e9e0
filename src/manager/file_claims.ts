// Which session drives which file, as hosts ask and are told: the book of this server's sessions, kept in step
// with what every host believes.
import type { FromHost, ToHost } from "../host/edge.ts";
import { ClaimsBook } from "./claims_book.ts";

/** What the claims need. */
export interface FileClaimsParts {
  hosts(): readonly number[];
  send(host: number, message: ToHost): void;
  /** Whether there is such a session. */
  has(sessionId: string): boolean;
}

/** The session files of one server. */
export class FileClaims {
  readonly #parts: FileClaimsParts;
  readonly #book: ClaimsBook;

  constructor(parts: FileClaimsParts) {
    this.#parts = parts;
    this.#book = new ClaimsBook((file, sessionId) => {
      for (const host of parts.hosts()) this.#tell(host, file, sessionId);
    });
  }

  /** The session that drives that file, or will when it is brought back. */
  owner(file: string): string | undefined {
    return this.#book.owner(file);
  }

  /** A host wants a session to drive a file. */
  asked(host: number, { ref, sessionId, file }: Extract<FromHost, { kind: "claim" }>): void {
    // A session that was deleted meanwhile gets its answer, but no file.
    const known = this.#parts.has(sessionId);
    const owner = known ? this.#book.claim(file, sessionId) : this.#book.owner(file);
    this.#parts.send(host, { kind: "claimed", ref, ...(owner === undefined ? {} : { owner }) });
  }

  /** A session drives that file alone from now on, or none. */
  move(sessionId: string, file: string | undefined): void {
    this.#book.move(sessionId, file);
  }

  /** Tells a new host what is known. */
  introduce(host: number): void {
    for (const [file, sessionId] of this.#book.all) this.#tell(host, file, sessionId);
  }

  #tell(host: number, file: string, sessionId: string | undefined): void {
    this.#parts.send(host, { kind: "live_file", file, ...(sessionId === undefined ? {} : { sessionId }) });
  }
}
