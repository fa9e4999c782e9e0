// Does: builds get_metrics, health_check and /metrics from counters, heartbeats and open connections.
// Used by: the router. It decides nothing.
import type { Governor } from "../../governor/governor.ts";
import { LOADING_MS, LOOP_SLOW_MS } from "../../governor/limits.ts";
import type { SessionManager } from "../manager/session_manager.ts";
import type { LoadProblem } from "../../protocol/schema/responses.ts";
import type { Health, Metrics } from "../../protocol/schema/monitoring_commands.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Connection } from "./connection.ts";
import type { Remote } from "../cluster/remote.ts";

export interface ServerMetricsParts {
  readonly governor: Governor;
  readonly manager: SessionManager;
  readonly clock: Clock;
  connections(): Iterable<Connection>;
  /** The other nodes of a cluster. */
  readonly remote?: Remote | undefined;
  /** A sentence for each folder that sessions need and cannot use. */
  folderIssues?(): Promise<readonly string[]>;
}

/** The metrics of one server. */
export class ServerMetrics {
  readonly #parts: ServerMetricsParts;
  readonly #startedAt: number;

  constructor(parts: ServerMetricsParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.monotonic();
  }

  /** A connection is gone. Its counts are kept. */
  absorb({ outbox, lagged }: Connection): void {
    const { counters } = this.#parts.governor;
    counters.lagged += lagged;
    counters.bytesOut += outbox.sent;
    counters.coalesced += outbox.coalesced;
  }

  metrics(): Metrics {
    const { governor, manager, clock } = this.#parts;
    const { counters, sessions, parkedSessions } = governor;
    const { turns, input, output, cacheRead, cacheWrite, costUsd } = counters.spent;
    const { memoryBytes } = manager;
    const { remote } = this.#parts;
    const open = [...this.#parts.connections()];
    const sum = (of: (connection: Connection) => number): number =>
      open.reduce((total, connection) => total + of(connection), 0);
    return {
      uptimeMs: Math.round(clock.monotonic() - this.#startedAt),
      sessions: { live: sessions, parked: parkedSessions },
      hosts: manager.workers.length,
      // Those of other nodes are counted there.
      connections: open.filter(({ peer }) => peer.transport !== "node").length,
      commands: Object.fromEntries(counters.commands),
      refusals: Object.fromEntries(counters.refusals),
      refusedRequests: Object.fromEntries(counters.refusedRequests),
      providerFailures: Object.fromEntries(manager.health.providers.failures),
      connectionsOpened: counters.connectionsOpened,
      sessionsCreated: counters.sessionsCreated,
      events: counters.events,
      bytesIn: counters.bytesIn,
      bytesOut: counters.bytesOut + sum(({ outbox }) => outbox.sent),
      coalesced: counters.coalesced + sum(({ outbox }) => outbox.coalesced),
      lagged: counters.lagged + sum(({ lagged }) => lagged),
      evicted: counters.evicted,
      outboxBytes: sum(({ outbox }) => outbox.bytes),
      loopDelayMs: {
        router: manager.heartbeat.lagMs,
        hosts: manager.workers.map((worker) => manager.heartbeat.workerLagMs(worker)),
      },
      ...memoryBytes === undefined ? {} : { memoryBytes },
      turns,
      tokens: { input, output, cacheRead, cacheWrite },
      costUsd,
      journal: manager.journal.sizes,
      ...remote === undefined ? {} : { nodes: [...remote.nodes()] },
    };
  }

  /** @param ofCluster whether the cluster's issues are wanted as well */
  async health(ofCluster = true): Promise<Health> {
    const { manager, clock } = this.#parts;
    const { heartbeat, health: { providers } } = manager;
    const issues = manager.health.issues;
    // What pi lacks is known once it has loaded. A worker that is stuck is reported at once.
    if (issues.length === 0 && manager.workers.length > 0 && !await providers.known(clock, LOADING_MS)) {
      issues.push(`pi is still loading after ${LOADING_MS} ms, so its models are not checked yet`);
    }
    const late = Math.round(heartbeat.lagMs);
    if (late >= LOOP_SLOW_MS) {
      issues.push(`The server itself was busy for ${late} ms: the machine is overloaded`);
    }
    const trouble = manager.journal.problem ?? manager.persistence.problem;
    if (trouble !== undefined) issues.push(`The state folder cannot be written: ${trouble}`);
    for (const [sessionId, { file, copy, message }] of manager.persistence.repairs) {
      issues.push(
        `Session "${sessionId}" has lost a part of ${file} (${message}): look at ${copy}, which is the damaged file`,
      );
    }
    for (const [sessionId, why] of manager.persistence.refusals) {
      issues.push(`Session "${sessionId}" could not be loaded when it was last needed: ${why}`);
    }
    issues.push(...providers.issues, ...await this.#parts.folderIssues?.() ?? []);
    issues.push(...loadIssues(manager.persistence.loadProblems));
    if (ofCluster) issues.push(...this.#parts.remote?.issues() ?? []);
    return { healthy: issues.length === 0, issues };
  }
}

/** The most sentences about load errors in one report. */
const LOAD_ISSUES = 100;

/** One sentence for each problem, however many sessions have it. */
function loadIssues(problems: ReadonlyMap<string, readonly LoadProblem[]>): string[] {
  const sessions = new Map<string, { problem: LoadProblem; ids: string[] }>();
  for (const [sessionId, list] of problems) {
    for (const problem of list) {
      const key = JSON.stringify([problem.extensionPath, problem.event, problem.error]);
      const known = sessions.get(key);
      if (known === undefined) sessions.set(key, { problem, ids: [sessionId] });
      else if (known.ids.at(-1) !== sessionId) known.ids.push(sessionId);
    }
  }
  return [...sessions.values()].slice(0, LOAD_ISSUES).map(({ problem: { extensionPath, error }, ids }) => {
    const where = extensionPath === "" || error.includes(extensionPath) ? "" : `${extensionPath}: `;
    const others = ids.length === 1 ? "" : ` and ${ids.length - 1} more`;
    return `${where}${error} (session "${ids[0]}"${others})`;
  });
}
