// Files that name the process that something belongs to (a state folder, a session file): who it is, whether it
// still lives, and how a dead one's place is taken by one successor alone.
import { tryParseRecord } from "../../base/json.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** A process. */
export interface Owner {
  readonly pid: number;
  /** Tells it from a later process of the same id, where the system can. */
  readonly start?: string;
}

/** What the system says of processes. */
export type ProcessTable = Pick<Runtime, "pid" | "alive" | "processStartId" | "files">;

/** This process. */
export function ownOwner({ pid, processStartId }: ProcessTable): Owner {
  const start = processStartId(pid);
  return { pid, ...(start === undefined ? {} : { start }) };
}

/** The owner that a file names. */
export function parseOwner(text: string | undefined): Owner | undefined {
  const { pid, start } = tryParseRecord(text) ?? {};
  if (typeof pid !== "number") return undefined;
  return { pid, ...(typeof start === "string" ? { start } : {}) };
}

/** Whether that very process lives on this machine. */
export function ownerLives({ pid, alive, processStartId }: ProcessTable, owner: Owner): boolean {
  // A process that has our own id and isn't us is long gone (containers always start at 1).
  if (owner.pid === pid) return owner.start !== undefined && owner.start === processStartId(owner.pid);
  if (!alive(owner.pid)) return false;
  const start = processStartId(owner.pid);
  return owner.start === undefined || start === undefined || owner.start === start;
}

/**
 * Takes over from a dead owner. Whoever holds the lock may replace the file, and only while it still says what
 * it said; a lock that its holder left behind by dying goes the same way.
 *
 * @param dead what the file said, @param mine what it is to say
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
