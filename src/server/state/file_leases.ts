// Does: takes a lease beside a session file, so that no other server drives it (docs/PROTOCOL.md#error-codes).
// Used by: server/manager/file_claims.ts. A server with another state folder finds it too.
// Invariant: a live session holds its lease. The lease of a dead owner is taken over.
import { errorMessage } from "../../base/error_message.ts";
import type { Log } from "../../base/log.ts";
import { tryParseRecord } from "../../base/json.ts";
import { ownerLives, ownOwner, parseOwner, type ProcessTable, takeOver } from "./owner_file.ts";
import type { FileOwner } from "../../protocol/failures.ts";

export interface FileLeasesParts {
  readonly processes: ProcessTable;
  readonly log: Log;
  /** Name of this machine. */
  readonly host: string;
  /** Id of the state folder. The folder has one owner at a time, so a lease of an earlier owner is stale. */
  readonly stateId: string;
  /** The address of this server, when it listens. */
  endpoint(): string | undefined;
}

/** The leases of one server. */
export class FileLeases {
  readonly #parts: FileLeasesParts;
  readonly #held = new Set<string>();
  /** The running step of each file. Steps run one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(parts: FileLeasesParts) {
    this.#parts = parts;
  }

  /** Takes the lease of a file. Resolves with the other server that has it. */
  acquire(file: string): Promise<FileOwner | undefined> {
    return this.#inTurn(file, () => this.#acquire(file));
  }

  /** Releases a file. */
  release(file: string): Promise<void> {
    return this.#inTurn(file, async () => {
      if (!this.#held.delete(file)) return;
      const { files } = this.#parts.processes;
      // A node that has taken the session over has a lease of its own there.
      const text = await files.read(leaseOf(file)).catch(() => undefined);
      if (text === undefined || this.#isOurs(text)) await files.remove(leaseOf(file)).catch(() => {});
    });
  }

  /** Removes the lease that the owner of another state folder has left. That owner is known to have ended. */
  inherit(file: string, stateId: string): Promise<void> {
    return this.#inTurn(file, async () => {
      const { files } = this.#parts.processes;
      const text = await files.read(leaseOf(file)).catch(() => undefined);
      if (text !== undefined && isOf(text, stateId)) await files.remove(leaseOf(file)).catch(() => {});
    });
  }

  /** Removes the lease of a dead owner of this state folder. That session is parked now. */
  reclaim(file: string): Promise<void> {
    return this.#inTurn(file, async () => {
      if (this.#held.has(file)) return;
      const { files } = this.#parts.processes;
      const text = await files.read(leaseOf(file)).catch(() => undefined);
      if (text === undefined || !this.#isOurs(text)) return;
      // Takes it first, because another server may be about to take it over.
      const holder = await this.#acquire(file);
      if (holder === undefined && this.#held.delete(file)) await files.remove(leaseOf(file)).catch(() => {});
    });
  }

  /** Releases all files. */
  async releaseAll(): Promise<void> {
    await Promise.all([...this.#held].map((file) => this.release(file)));
    await Promise.all(this.#turns.values());
  }

  async #acquire(file: string): Promise<FileOwner | undefined> {
    if (this.#held.has(file)) return undefined;
    const { processes, log } = this.#parts;
    const lease = leaseOf(file);
    try {
      const holder = await this.#take(lease);
      if (holder === undefined) this.#held.add(file);
      return holder;
    } catch (error) {
      // Where no lease can be written (a read-only folder, a file system without links), it refuses no session.
      const reason = errorMessage(error);
      log.warn(`no lease could be written: ${reason}`, { file: lease, pid: processes.pid });
      return undefined;
    }
  }

  async #take(lease: string): Promise<FileOwner | undefined> {
    const { processes, host, stateId, endpoint, log } = this.#parts;
    const url = endpoint();
    const mine = JSON.stringify({
      ...ownOwner(processes),
      host,
      stateId,
      ...(url === undefined ? {} : { endpoint: url }),
    });
    if (await processes.files.createPrivate(lease, mine)) return undefined;
    const text = await processes.files.read(lease);
    const holder = this.#living(text);
    if (holder !== undefined) return holder;
    if (await takeOver(processes, lease, `${lease}.lock`, text, mine)) {
      log.info("the lease of a dead server was taken over", { file: lease });
      return undefined;
    }
    // Another server was quicker.
    return this.#living(await processes.files.read(lease)) ?? { pid: 0, host };
  }

  /** The holder of a lease, if it seems alive from here. */
  #living(text: string | undefined): FileOwner | undefined {
    const owner = parseOwner(text);
    const { processes, host } = this.#parts;
    if (text === undefined || owner === undefined || this.#isOurs(text)) return undefined;
    const more = tryParseRecord(text) ?? {};
    const named = typeof more["host"] === "string" ? more["host"] : host;
    // The state of a process on another machine is unknown.
    if (named === host && !ownerLives(processes, owner)) return undefined;
    const url = more["endpoint"];
    return { pid: owner.pid, host: named, ...(typeof url === "string" ? { endpoint: url } : {}) };
  }

  /** Whether an owner of this state folder wrote it. The folder has one owner at a time. */
  #isOurs(text: string): boolean {
    return isOf(text, this.#parts.stateId);
  }

  #inTurn<T>(file: string, act: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(file) ?? Promise.resolve()).then(act);
    const over = turn.catch(() => {});
    this.#turns.set(file, over);
    void over.then(() => {
      if (this.#turns.get(file) === over) this.#turns.delete(file);
    });
    return turn;
  }
}

function isOf(lease: string, stateId: string): boolean {
  return tryParseRecord(lease)?.["stateId"] === stateId;
}

/** Lists of session files show only names that end in `.jsonl`. */
function leaseOf(file: string): string {
  return `${file}.lease`;
}
