// Which session drives which file, as hosts ask and are told: the book of this server's sessions, kept in step
// with what every host believes.
import type { FromWorker, ToWorker } from "../../ipc/messages.ts";
import type { FileLeases } from "../state/file_leases.ts";
import type { FileOwner } from "../../protocol/failures.ts";

/** What the claims need. */
export interface FileClaimsParts {
  hosts(): readonly number[];
  send(host: number, message: ToWorker): void;
  /** Absent: other servers are not kept out. */
  readonly leases?: FileLeases | undefined;
  /** Whether there is such a session. */
  has(sessionId: string): boolean;
}

/** The session files of one server. */
export class FileClaims {
  readonly #parts: FileClaimsParts;
  readonly #book: FileOwners;
  readonly #leases: FileLeases | undefined;

  constructor(parts: FileClaimsParts) {
    this.#parts = parts;
    this.#leases = parts.leases;
    this.#book = new FileOwners((file, sessionId) => {
      if (sessionId === undefined) void this.#leases?.release(file);
      for (const host of parts.hosts()) this.#tell(host, file, sessionId);
    });
  }

  /** The session that drives that file, or will when it is brought back. */
  owner(file: string): string | undefined {
    return this.#book.owner(file);
  }

  /** A session of an earlier server keeps its file; one that was live when that died has left a lease there. */
  restored(sessionId: string, file: string | undefined, died: boolean): void {
    this.releaseAfterPark(sessionId, file);
    if (died && file !== undefined) void this.#leases?.reclaim(file);
  }

  /** A host wants a session to drive a file. */
  onClaim(host: number, { ref, sessionId, file }: Extract<FromWorker, { kind: "claim_file" }>): void {
    const answer = (owner: string | FileOwner | undefined): void => {
      this.#parts.send(host, { kind: "claim_result", ref, ...(owner === undefined ? {} : { owner }) });
    };
    const owner = this.#book.owner(file);
    if (owner !== undefined && owner !== sessionId) return answer(owner);
    if (this.#leases === undefined) return answer(this.#claim(sessionId, file));
    void this.#leases.acquire(file).then((holder) => answer(holder ?? this.#claim(sessionId, file)));
  }

  /** A session drives that file alone from now on, or none. */
  setFile(sessionId: string, file: string | undefined): void {
    this.#book.setFile(sessionId, file);
    if (file !== undefined) void this.#leases?.acquire(file);
  }

  /** A session that is parked keeps its file here, but not from other servers. */
  releaseAfterPark(sessionId: string, file: string | undefined): void {
    this.#book.setFile(sessionId, file);
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
  syncTo(host: number): void {
    for (const [file, sessionId] of this.#book.all) this.#tell(host, file, sessionId);
  }

  #tell(host: number, file: string, sessionId: string | undefined): void {
    this.#parts.send(host, { kind: "file_owner", file, ...(sessionId === undefined ? {} : { sessionId }) });
  }
}

// Which session drives which session file, across all hosts of this server: one session a file. Pure.

/** The book of session files. */
export class FileOwners {
  readonly #owners = new Map<string, string>();
  readonly #changed: (file: string, sessionId: string | undefined) => void;

  /** @param changed told of every change, for the hosts' lists */
  constructor(changed: (file: string, sessionId: string | undefined) => void) {
    this.#changed = changed;
  }

  /** The session that drives a file. */
  owner(file: string): string | undefined {
    return this.#owners.get(file);
  }

  /** All files with their sessions. */
  get all(): readonly (readonly [file: string, sessionId: string])[] {
    return [...this.#owners];
  }

  /** Claims a file for a session; the id of another one that has it. */
  claim(file: string, sessionId: string): string | undefined {
    const owner = this.#owners.get(file);
    if (owner !== undefined && owner !== sessionId) return owner;
    this.#set(file, sessionId);
    return undefined;
  }

  /** The session drives that file alone from now on, or none. */
  setFile(sessionId: string, file: string | undefined): void {
    for (const [other, owner] of [...this.#owners]) {
      if (owner !== sessionId || other === file) continue;
      this.#owners.delete(other);
      this.#changed(other, undefined);
    }
    if (file !== undefined) this.#set(file, sessionId);
  }

  #set(file: string, sessionId: string): void {
    if (this.#owners.get(file) === sessionId) return;
    this.#owners.set(file, sessionId);
    this.#changed(file, sessionId);
  }
}
