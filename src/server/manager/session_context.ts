// What the manager is made of, and what it tells the router. Types only.
import type { Governor } from "../../governor/governor.ts";
import type { Demand, EventRecord, HostConfig } from "../../ipc/messages.ts";
import type { Log } from "../../base/log.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { HostMemory } from "../workers/supervisor.ts";
import type { StartHost } from "../workers/worker_link.ts";
import type { Isolation } from "../workers/worker_pool.ts";
import type { Ledger } from "../journal/command_journal.ts";
import type { TrustBook } from "../state/trust_store.ts";

/** What the manager is made of. */
export interface ManagerParts {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly governor: Governor;
  readonly log: Log;
  readonly config: HostConfig;
  readonly hosts: number;
  /** Absent: sessions share the hosts. */
  readonly isolation?: Isolation;
  readonly start: StartHost;
  readonly ledger: Ledger;
  /** Absent where hosts have no thread of their own. */
  readonly memory?: HostMemory;
  /** Absent: nothing is remembered. */
  readonly trust?: TrustBook;
}

/** What the manager tells the router. */
export interface ManagerEvents {
  events(sessionId: string, epoch: string, records: readonly EventRecord[], host: number): void;
  server(type: string, data: Record<string, unknown>): void;
  /** Who wants which form of a new session's events. */
  demand(sessionId: string): Demand;
  /** Whether somebody subscribes to that very session. */
  watched(sessionId: string): boolean;
}
