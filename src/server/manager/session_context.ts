// Does: builds the objects that all services of this folder share.
// Used by: SessionManager, and every service, which gets the whole context.
// Invariant: the context holds objects, not functions; `sink` is the only late value.
import type { Log } from "../../base/log.ts";
import { KeyedQueue } from "../../base/async/keyed_queue.ts";
import type { Governor } from "../../governor/governor.ts";
import type { EncodedEvent, SubscriberDemand, WorkerConfig } from "../../ipc/messages.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { CommandJournal } from "../journal/command_journal.ts";
import type { FileLeases } from "../state/file_leases.ts";
import type { TrustStore } from "../state/trust_store.ts";
import { PendingCommands } from "../workers/pending_commands.ts";
import type { WorkerMemory, WriteLease } from "../workers/supervisor.ts";
import type { StartWorker } from "../workers/worker_link.ts";
import { type Isolation, WorkerPool } from "../workers/worker_pool.ts";
import { FileClaims } from "./file_claims.ts";
import { ReplayBuffers } from "./replay_buffer.ts";
import { SessionLifecycle } from "./session_lifecycle.ts";
import { SessionPersistence } from "./session_persistence.ts";
import { SessionRegistry } from "./session_registry.ts";

/** What the manager is made of. */
export interface SessionManagerParts {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly governor: Governor;
  readonly log: Log;
  readonly config: WorkerConfig;
  /** How many there are; at least one. */
  readonly workers: number;
  /** Absent: sessions share the workers. */
  readonly isolation?: Isolation;
  /** How many workers may start at a time. */
  readonly starts: number;
  readonly start: StartWorker;
  readonly journal: CommandJournal;
  /** Absent: other servers are not kept out of session files. */
  readonly leases?: FileLeases | undefined;
  /** Absent where workers have no thread of their own. */
  readonly memory?: WorkerMemory;
  /** Absent: no folder is remembered. */
  readonly trust?: TrustStore;
  /** Whether this server runs no sessions itself, and needs no workers. */
  readonly gateway?: boolean;
  /** Absent outside of a cluster. */
  readonly claims?: IdClaims | undefined;
  /** Absent: no other node takes sessions over. */
  readonly lease?: WriteLease | undefined;
}

/** The ids of the whole cluster, where each has one owner. */
export interface IdClaims {
  /** Claims an id for this server, or says why not. `fresh`: it is a new random id. */
  claim(sessionId: string, fresh: boolean): Promise<Failure | undefined>;
  /** Gives an id back. */
  release(sessionId: string): Promise<void>;
}

/** Events of one session, in order. */
export interface Published {
  readonly sessionId: string;
  readonly epoch: string;
  readonly records: readonly EncodedEvent[];
}

/** What the router does with the events of sessions. */
export interface SessionSink {
  onEvents(published: Published, worker: number): void;
  onServerEvent(type: string, data: Record<string, unknown>): void;
  /** Which forms of a new session's events are wanted. */
  demandFor(sessionId: string): SubscriberDemand;
  /** Whether a client subscribes to that very session. */
  isWatched(sessionId: string): boolean;
}

/** The objects that the services share. */
export interface SessionContext {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly log: Log;
  readonly governor: Governor;
  readonly workers: WorkerPool;
  readonly registry: SessionRegistry;
  /** The order in which messages go to each session. */
  readonly queue: KeyedQueue;
  readonly commands: PendingCommands;
  readonly journal: CommandJournal;
  readonly replay: ReplayBuffers;
  readonly files: FileClaims;
  readonly persistence: SessionPersistence;
  readonly lifecycle: SessionLifecycle;
  /** The router. Set once, before the first worker starts. */
  sink: SessionSink;
}

const NO_SINK: SessionSink = {
  onEvents: () => {},
  onServerEvent: () => {},
  demandFor: () => ({ full: false, subscribers: 0 }),
  isWatched: () => false,
};

/** Builds the shared objects, in the order of need. */
export function createContext(parts: SessionManagerParts): SessionContext {
  const { clock, uuid, log, governor, journal, config, start, leases, claims } = parts;
  const workers = new WorkerPool({
    clock,
    config,
    start,
    isolation: parts.isolation ?? "shared",
    starts: parts.starts,
  });
  const registry = new SessionRegistry(workers);
  const replay = new ReplayBuffers(governor.limits.eventLogBytes, governor.limits.eventLogTotalBytes);
  const files = new FileClaims(workers, registry, leases);
  const persistence = new SessionPersistence({ clock, uuid, governor });
  const shared = { log, governor, workers, registry, replay, files, journal, persistence };
  return {
    ...shared,
    clock,
    uuid,
    queue: new KeyedQueue(),
    commands: new PendingCommands(clock),
    lifecycle: new SessionLifecycle({ ...shared, claims }),
    sink: NO_SINK,
  };
}
