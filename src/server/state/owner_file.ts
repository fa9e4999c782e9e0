// Does: reads and replaces files that name the owner process of a state folder or a session file.
// Used by: state_folder.ts and file_leases.ts. Invariant: exactly one successor takes over from a dead owner.
import { tryParseRecord } from "../../base/json.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** A process. */
export interface Owner {
  readonly pid: number;
  /** Tells it from a later process with the same id, where the system can. */
  readonly start?: string;
}

/** The system's view of processes. */
export type ProcessTable = Pick<Runtime, "pid" | "alive" | "processStartId" | "files">;

/** This process. */
export function ownOwner({ pid, processStartId }: ProcessTable): Owner {
  const start = processStartId(pid);
  return { pid, ...(start === undefined ? {} : { start }) };
}

/** The owner in a file. */
export function parseOwner(text: string | undefined): Owner | undefined {
  const { pid, start } = tryParseRecord(text) ?? {};
  if (typeof pid !== "number") return undefined;
  return { pid, ...(typeof start === "string" ? { start } : {}) };
}

/** Whether exactly that process lives on this machine. */
export function ownerLives({ pid, alive, processStartId }: ProcessTable, owner: Owner): boolean {
  // Another process with our own id is gone. Containers always start at 1.
  if (owner.pid === pid) return owner.start !== undefined && owner.start === processStartId(owner.pid);
  if (!alive(owner.pid)) return false;
  const start = processStartId(owner.pid);
  return owner.start === undefined || start === undefined || owner.start === start;
}

/**
 * Takes over from a dead owner. The holder of the lock may replace the file, and only while it is unchanged. A lock of
 * a dead holder is taken over the same way.
 *
 * @param dead the old text of the file, @param mine the new one
 */
export async function takeOver(
  processes: ProcessTable,
  file: string,
  lock: string,
  dead: string | undefined,
  mine: string,
): Promise<boolean> {
  const { files } = processes;
  const locker = JSON.stringify(ownOwner(processes));
  if (!await files.createPrivate(lock, locker)) {
    const holder = parseOwner(await files.read(lock));
    if (holder !== undefined && ownerLives(processes, holder)) return false;
    await files.remove(lock);
    if (!await files.createPrivate(lock, locker)) return false;
  }
  try {
    if (await files.read(file) !== dead) return false;
    await files.writePrivate(file, mine);
    return true;
  } finally {
    await files.remove(lock);
  }
}
