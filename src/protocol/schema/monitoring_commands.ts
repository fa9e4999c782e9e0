// Does: the schemas of the commands on metrics, health, budgets and the nodes of a cluster (docs/CLUSTER.md).
// Used by: commands.ts.
import { type Static, Type } from "typebox";
import { anySession, NodeName, server, session } from "./command_spec.ts";
import { BudgetSchema, BudgetUsageSchema } from "./responses.ts";

const count = Type.Integer({ minimum: 0 });
const amount = Type.Number({ minimum: 0 });

/** A node, as it describes itself. */
export const NodeInfoSchema = Type.Object({
  node: Type.String(),
  /** Where clients can connect to it. */
  address: Type.Optional(Type.String()),
  /** Versions of pi-server, of its protocol, and of pi. */
  version: Type.String(),
  protocolVersion: Type.String(),
  pi: Type.String(),
  /** `gone`: it lived, and has not been heard for some seconds. */
  state: Type.Enum(["running", "draining", "gone"]),
  /** The node that answers. */
  self: Type.Optional(Type.Literal(true)),
  /** It takes no sessions. */
  gateway: Type.Optional(Type.Literal(true)),
  sessions: Type.Object({ live: count, parked: count, limit: count }),
  /** Memory of the process, and of its machine. */
  memoryBytes: count,
  machineBytes: count,
  /** How busy the machine's processors are: 1 is all of them. */
  load: Type.Number({ minimum: 0 }),
});
/** A node, as it describes itself. */
export type NodeInfo = Static<typeof NodeInfoSchema>;

/**
 * Numbers of one server since its start. `commands` and `refusals` have a field for each kind that occurred.
 */
export const MetricsSchema = Type.Object({
  uptimeMs: count,
  sessions: Type.Object({ live: count, parked: count }),
  hosts: count,
  connections: count,
  /** By outcome: `ok` or the code of an error. */
  commands: Type.Record(Type.String(), count),
  /** By the name of the limit. */
  refusals: Type.Record(Type.String(), count),
  /** Requests that were let in no further, by what was wrong with them: host, origin, peer, token, request. */
  refusedRequests: Type.Record(Type.String(), count),
  /** Failed answers of models, by status, or `connection`, or `other`. */
  providerFailures: Type.Record(Type.String(), count),
  connectionsOpened: count,
  sessionsCreated: count,
  events: count,
  bytesIn: count,
  bytesOut: count,
  coalesced: count,
  lagged: count,
  evicted: count,
  outboxBytes: count,
  loopDelayMs: Type.Object({ router: amount, hosts: Type.Array(amount) }),
  /** The process, and the parts of it that the server thread and each worker hold. Absent without workers. */
  memoryBytes: Type.Optional(Type.Object({ process: count, router: count, hosts: Type.Array(count) })),
  turns: count,
  tokens: Type.Object({ input: amount, output: amount, cacheRead: amount, cacheWrite: amount }),
  costUsd: amount,
  /** All nodes of the cluster. Absent outside of one. */
  nodes: Type.Optional(Type.Array(NodeInfoSchema)),
  journal: Type.Object({ keys: count, keyBytes: count, messageBytes: count }),
});
/** Numbers of one server since its start. */
export type Metrics = Static<typeof MetricsSchema>;

/** Whether all is well, and a sentence for each thing that isn't. */
export const HealthSchema = Type.Object({ healthy: Type.Boolean(), issues: Type.Array(Type.String()) });
/** Whether all is well. */
export type Health = Static<typeof HealthSchema>;

/** The highest budget: US dollars, turns, and milliseconds, which must fit into a timer. */
export const MOST_USD: number = 1_000_000;
export const MOST_TURNS: number = 1_000_000_000;
export const MOST_WALL_MS: number = 24 * 86_400_000;

/** By name. */
export const WATCH_COMMANDS = {
  get_metrics: server("get_metrics", anySession, MetricsSchema, { duringShutdown: true, scoped: false }),
  health_check: server("health_check", anySession, HealthSchema, { duringShutdown: true, scoped: false }),
  set_budget: session(
    "set_budget",
    {
      maxUsd: Type.Optional(Type.Number({ minimum: 0, maximum: MOST_USD })),
      maxTurns: Type.Optional(Type.Integer({ minimum: 0, maximum: MOST_TURNS })),
      maxWallMs: Type.Optional(Type.Integer({ minimum: 0, maximum: MOST_WALL_MS })),
      onExceed: Type.Optional(Type.Enum(["pause", "abort"])),
    },
    Type.Object({ budget: Type.Optional(BudgetSchema), usage: BudgetUsageSchema }),
    // A client with a budget must not be able to raise it. The command takes effect at once, whatever runs.
    { lane: "direct", role: "admin" },
  ),
  list_nodes: server("list_nodes", anySession, Type.Object({ nodes: Type.Array(NodeInfoSchema) }), {
    duringShutdown: true,
    scoped: false,
  }),
  drain_node: server(
    "drain_node",
    { ...anySession, node: NodeName },
    Type.Object({ node: Type.String(), draining: Type.Literal(true) }),
    { role: "admin", scoped: false },
  ),
};
