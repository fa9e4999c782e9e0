// Which session drives which file, as hosts ask and are told: the book of this server's sessions, kept in step
// with what every host believes.
import type { FromHost, Holder, ToHost } from "../../ipc/messages.ts";
import { ClaimsBook } from "./claims_book.ts";
import type { Leases } from "../state/file_leases.ts";

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
  readonly #abandoned: string[] = [];
  /** None: other servers are not kept out. */
  #leases: Leases | undefined;

  constructor(parts: FileClaimsParts) {
    this.#parts = parts;
    this.#book = new ClaimsBook((file, sessionId) => {
      if (sessionId === undefined) void this.#leases?.release(file);
      for (const host of parts.hosts()) this.#tell(host, file, sessionId);
    });
  }

  /** The session that drives that file, or will when it is brought back. */
  owner(file: string): string | undefined {
    return this.#book.owner(file);
  }

  /** From now on other servers are kept out of files that are driven here. */
  guard(leases: Leases): void {
    this.#leases = leases;
    for (const file of this.#abandoned.splice(0)) void leases.clear(file);
  }

  /** A session of an earlier server keeps its file; one that was live when that died has left a lease there. */
  restored(sessionId: string, file: string | undefined, died: boolean): void {
    this.rest(sessionId, file);
    if (died && file !== undefined) this.#abandoned.push(file);
  }

  /** A host wants a session to drive a file. */
  asked(host: number, { ref, sessionId, file }: Extract<FromHost, { kind: "claim" }>): void {
    const answer = (owner: string | Holder | undefined): void => {
      this.#parts.send(host, { kind: "claimed", ref, ...(owner === undefined ? {} : { owner }) });
    };
    const owner = this.#book.owner(file);
    if (owner !== undefined && owner !== sessionId) return answer(owner);
    if (this.#leases === undefined) return answer(this.#claim(sessionId, file));
    void this.#leases.acquire(file).then((holder) => answer(holder ?? this.#claim(sessionId, file)));
  }

  /** A session drives that file alone from now on, or none. */
  move(sessionId: string, file: string | undefined): void {
    this.#book.move(sessionId, file);
    if (file !== undefined) void this.#leases?.acquire(file);
  }

  /** A session that is parked keeps its file here, but not from other servers. */
  rest(sessionId: string, file: string | undefined): void {
    this.#book.move(sessionId, file);
    if (file !== undefined) void this.#leases?.release(file);
  }

  /** Other servers may have all files. */
  async close(): Promise<void> {
    await this.#leases?.releaseAll();
  }

  #claim(sessionId: string, file: string): string | undefined {
    if (this.#parts.has(sessionId)) return this.#book.claim(file, sessionId);
    // A session that was deleted meanwhile gets its answer, but no file.
    const other = this.#book.owner(file);
    if (other === undefined) void this.#leases?.release(file);
    return other;
  }

  /** Tells a new host what is known. */
  introduce(host: number): void {
    for (const [file, sessionId] of this.#book.all) this.#tell(host, file, sessionId);
  }

  #tell(host: number, file: string, sessionId: string | undefined): void {
    this.#parts.send(host, { kind: "live_file", file, ...(sessionId === undefined ? {} : { sessionId }) });
  }
}
