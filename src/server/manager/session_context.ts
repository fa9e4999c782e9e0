// What the manager is made of, and what it tells the router. Types only.
import type { Governor } from "../../governor/governor.ts";
import type { EncodedEvent, SubscriberDemand, WorkerConfig } from "../../ipc/messages.ts";
import type { Log } from "../../base/log.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { WorkerMemory } from "../workers/supervisor.ts";
import type { StartWorker } from "../workers/worker_link.ts";
import type { Isolation } from "../workers/worker_pool.ts";
import type { CommandJournal } from "../journal/command_journal.ts";
import type { FileLeases } from "../state/file_leases.ts";
import type { TrustStore } from "../state/trust_store.ts";

/** What the manager is made of. */
export interface SessionManagerParts {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly governor: Governor;
  readonly log: Log;
  readonly config: WorkerConfig;
  /** How many there are; at least one. */
  readonly workers: number;
  /** Absent: sessions share the hosts. */
  readonly isolation?: Isolation;
  readonly start: StartWorker;
  readonly journal: CommandJournal;
  /** Absent: other servers are not kept out of session files. */
  readonly leases?: FileLeases | undefined;
  /** Absent where hosts have no thread of their own. */
  readonly memory?: WorkerMemory;
  /** Absent: nothing is remembered. */
  readonly trust?: TrustStore;
}

/** What the manager tells the router. */
export interface SessionSink {
  onEvents(sessionId: string, epoch: string, records: readonly EncodedEvent[], host: number): void;
  onServerEvent(type: string, data: Record<string, unknown>): void;
  /** Who wants which form of a new session's events. */
  demandFor(sessionId: string): SubscriberDemand;
  /** Whether somebody subscribes to that very session. */
  isWatched(sessionId: string): boolean;
}
