// Does: decides which session drives which file, and keeps the workers' lists of that up to date.
// Used by: the session manager. Uses: the leases, which keep other servers out.
// Invariant: a file has at most one session, on all servers together.
import { type Deferred, deferred } from "../../base/async/deferred.ts";
import { defined } from "../../base/json.ts";
import type { FromWorkerHandlers } from "../../ipc/messages.ts";
import type { FileOwner } from "../../protocol/failures.ts";
import type { FileLeases } from "../state/file_leases.ts";
import type { WorkerPool } from "../workers/worker_pool.ts";
import type { SessionRegistry } from "./session_registry.ts";

/** The session files of one server. */
export class FileClaims {
  readonly #workers: WorkerPool;
  readonly #registry: SessionRegistry;
  /** Absent: other servers are not kept out. */
  readonly #leases: FileLeases | undefined;
  readonly #owners: FileOwners;
  /** Files that are edited at rest. Claims wait for the end. */
  readonly #held = new Map<string, Deferred<void>>();
  /** Called with each change of an owner. */
  onOwner: (file: string, sessionId: string | undefined) => void = () => {};

  constructor(workers: WorkerPool, registry: SessionRegistry, leases: FileLeases | undefined) {
    this.#workers = workers;
    this.#registry = registry;
    this.#leases = leases;
    this.#owners = new FileOwners((file, sessionId) => {
      if (sessionId === undefined) void leases?.release(file);
      for (const worker of workers.all) this.#report(worker, file, sessionId);
      this.onOwner(file, sessionId);
    });
  }

  /** Claims of workers. */
  readonly handlers = {
    claim_file: ({ ref, sessionId, file }, worker) => {
      void this.#acquire(sessionId, file, (owner) => {
        this.#workers.send(worker, { kind: "claim_result", ref, ...defined({ owner }) });
      });
    },
    session_file: ({ sessionId, file }) => {
      const entry = this.#registry.get(sessionId);
      if (entry === undefined) return;
      entry.file = file;
      this.setFile(sessionId, file);
    },
  } satisfies Partial<FromWorkerHandlers>;

  /** The session that drives that file, or will once it runs again. */
  owner(file: string): string | undefined {
    return this.#owners.owner(file);
  }

  /** All files that a session drives, or will once it runs again. */
  get owners(): readonly (readonly [file: string, sessionId: string])[] {
    return this.#owners.all;
  }

  /** Keeps sessions and other servers away from a file at rest until `letGo`. Returns who drives it already. */
  async hold(file: string): Promise<string | FileOwner | undefined> {
    while (this.#held.has(file)) await this.#held.get(file)?.promise;
    const owner = this.#owners.owner(file);
    if (owner !== undefined) return owner;
    this.#held.set(file, deferred());
    const other = await this.#leases?.acquire(file);
    if (other !== undefined) this.#end(file);
    return other;
  }

  /** Ends a `hold`. */
  async letGo(file: string): Promise<void> {
    await this.#leases?.release(file);
    this.#end(file);
  }

  #end(file: string): void {
    const held = this.#held.get(file);
    this.#held.delete(file);
    held?.resolve(undefined);
  }

  /** A session of an earlier server keeps its file. One that was live when that server died has left a lease there. */
  restored(sessionId: string, file: string | undefined, died: boolean): void {
    this.releaseAfterPark(sessionId, file);
    if (died && file !== undefined) void this.#leases?.reclaim(file);
  }

  /** From now on the session drives that file and no other; without a file it drives none. */
  setFile(sessionId: string, file: string | undefined): void {
    this.#owners.setFile(sessionId, file);
    if (file !== undefined) void this.#leases?.acquire(file);
  }

  /** The session drives no file any more. When it had one, resolves when other servers may drive that. */
  free(sessionId: string): Promise<void> | undefined {
    const leases = this.#leases;
    const files = this.#owners.all.filter(([, owner]) => owner === sessionId);
    this.#owners.setFile(sessionId, undefined);
    if (leases === undefined || files.length === 0) return undefined;
    return Promise.all(files.map(([file]) => leases.release(file))).then(() => {});
  }

  /** A session that is parked keeps its file here, but does not keep other servers out. */
  releaseAfterPark(sessionId: string, file: string | undefined): void {
    this.#owners.setFile(sessionId, file);
    if (file !== undefined) void this.#leases?.release(file);
  }

  /** Sends the owners of all files to a new worker. */
  syncTo(worker: number): void {
    for (const [file, sessionId] of this.#owners.all) this.#report(worker, file, sessionId);
  }

  /** Lets other servers have all files. */
  async close(): Promise<void> {
    await this.#leases?.releaseAll();
  }

  /** Calls `done` with the other owner of the file, or without one; at once where no lease is needed. */
  async #acquire(sessionId: string, file: string, done: (owner?: string | FileOwner) => void): Promise<void> {
    while (this.#held.has(file)) await this.#held.get(file)?.promise;
    const owner = this.#owners.owner(file);
    if (owner !== undefined && owner !== sessionId) return done(owner);
    if (this.#leases === undefined) return done(this.#claim(sessionId, file));
    done(await this.#leases.acquire(file) ?? this.#claim(sessionId, file));
  }

  #claim(sessionId: string, file: string): string | undefined {
    if (this.#registry.has(sessionId)) return this.#owners.claim(file, sessionId);
    // A session that was deleted meanwhile gets its answer, but no file.
    const other = this.#owners.owner(file);
    if (other === undefined) void this.#leases?.release(file);
    return other;
  }

  #report(worker: number, file: string, sessionId: string | undefined): void {
    this.#workers.send(worker, { kind: "file_owner", file, ...defined({ sessionId }) });
  }
}

/** Which session drives which file: one session a file. Pure. */
export class FileOwners {
  readonly #owners = new Map<string, string>();
  readonly #changed: (file: string, sessionId: string | undefined) => void;

  /** @param changed called with every change, for the workers' lists */
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

  /** Claims a file for a session. Returns the id of another session that has it. */
  claim(file: string, sessionId: string): string | undefined {
    const owner = this.#owners.get(file);
    if (owner !== undefined && owner !== sessionId) return owner;
    this.#set(file, sessionId);
    return undefined;
  }

  /** From now on the session drives that file and no other; without a file it drives none. */
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
