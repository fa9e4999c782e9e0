// Does: changes the state of sessions, and removes them from their worker and from the registry.
// Used by: every service of this folder that changes a session.
// Invariant: the only writer of a session's state. A slot is released with the state that ends its use.
import type { Governor } from "../../governor/governor.ts";
import type { Log } from "../../base/log.ts";
import { noSession } from "../../protocol/failures.ts";
import type { CommandJournal } from "../journal/command_journal.ts";
import type { WorkerPool } from "../workers/worker_pool.ts";
import type { FileClaims } from "./file_claims.ts";
import type { ReplayBuffers } from "./replay_buffer.ts";
import { NEXT_STATES, type SessionEntry, type SessionEntryState, writeState } from "./session_entry.ts";
import type { SessionPersistence } from "./session_persistence.ts";
import type { SessionRegistry } from "./session_registry.ts";

/** The parts that hold something for each session. */
export interface SessionLifecycleParts {
  readonly log: Log;
  readonly governor: Governor;
  readonly workers: WorkerPool;
  readonly registry: SessionRegistry;
  readonly replay: ReplayBuffers;
  readonly files: FileClaims;
  readonly journal: CommandJournal;
  readonly persistence: SessionPersistence;
  /** Absent outside of a cluster. */
  readonly claims?: { release(sessionId: string): Promise<void> } | undefined;
}

/** The states of one server's sessions. */
export class SessionLifecycle {
  readonly #parts: SessionLifecycleParts;
  /** Called when a session has been removed: its slot may serve another session. */
  onRemoved: () => void = () => {};

  constructor(parts: SessionLifecycleParts) {
    this.#parts = parts;
  }

  /** Moves a session to its next state. Throws when the table does not allow that. */
  to(entry: SessionEntry, next: SessionEntryState): void {
    const { sessionId, state } = entry;
    if (state === next) return;
    if (!NEXT_STATES[state].includes(next)) throw new Error(`Session ${sessionId}: ${state} → ${next}`);
    this.#parts.log.debug("session state", { sessionId, from: state, to: next });
    writeState(entry, next);
    if (next === "parked") releaseLiveSlot(entry);
    if (next === "live") releaseParkedSlot(entry);
  }

  /** A session is off its worker: frees what was held for it there. */
  detach(entry: SessionEntry): void {
    const { workers, replay, files } = this.#parts;
    workers.addSessions(entry.worker, -1);
    replay.drop(entry.sessionId);
    files.releaseAfterPark(entry.sessionId, entry.file);
  }

  /** Removes a session that a client has deleted. */
  delete(entry: SessionEntry): void {
    if (this.#parts.registry.isCurrent(entry)) this.#parts.journal.onSessionDeleted(entry.sessionId);
    this.remove(entry);
  }

  /** Removes a session, and answers what waits for it. No effect when it is removed already. */
  remove(entry: SessionEntry): void {
    const { registry, files, governor, persistence, claims } = this.#parts;
    const { sessionId } = entry;
    if (!registry.isCurrent(entry)) return;
    registry.remove(entry);
    if (entry.liveSlot !== undefined) this.detach(entry);
    const freed = files.free(sessionId);
    governor.sessionGone(sessionId);
    releaseLiveSlot(entry);
    releaseParkedSlot(entry);
    entry.releaseWaiters(noSession(sessionId));
    const removed = persistence.remove(entry, freed);
    // The deletion is answered once the id is free on every node.
    const released = claims?.release(sessionId);
    entry.removed = released === undefined ? removed : released.then(() => removed);
    this.onRemoved();
  }
}

function releaseLiveSlot(entry: SessionEntry): void {
  entry.liveSlot?.release();
  entry.liveSlot = undefined;
}

function releaseParkedSlot(entry: SessionEntry): void {
  entry.parkedSlot?.release();
  entry.parkedSlot = undefined;
}
