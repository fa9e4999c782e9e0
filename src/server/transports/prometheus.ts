// Does: writes the server's metrics as Prometheus text, through prom-client. Names and help are here.
// Used by: http_pages.ts, which loads it at the first request, because that costs a tenth of a second.
import prometheus from "prom-client";
import type { Metrics, NodeInfo } from "../../protocol/schema/monitoring_commands.ts";
import type { HttpAnswer } from "../../runtime/runtime.ts";

type Value = number | Readonly<Record<string, number>>;

interface Row {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  /** The label whose values are the fields of a record. */
  readonly label?: string;
  of(metrics: Metrics): Value;
}

const numbered = (values: readonly number[]): Record<string, number> =>
  Object.fromEntries(values.map((value, index) => [String(index), value]));

const ROWS: readonly Row[] = [
  { name: "uptime_seconds", kind: "gauge", help: "Time since the start", of: (m) => m.uptimeMs / 1000 },
  {
    name: "sessions",
    kind: "gauge",
    help: "Sessions, by state",
    label: "status",
    of: (m) => m.sessions,
  },
  { name: "hosts", kind: "gauge", help: "Threads that run sessions", of: (m) => m.hosts },
  { name: "connections", kind: "gauge", help: "Open connections", of: (m) => m.connections },
  {
    name: "commands_total",
    kind: "counter",
    help: "Answered commands, by ok or the code of the error",
    label: "outcome",
    of: (m) => m.commands,
  },
  {
    name: "refusals_total",
    kind: "counter",
    help: "Refusals, by the limit that was reached",
    label: "limit",
    of: (m) => m.refusals,
  },
  {
    name: "refused_requests_total",
    kind: "counter",
    help: "Refused HTTP requests and handshakes, by cause",
    label: "for",
    of: (m) => m.refusedRequests,
  },
  {
    name: "provider_failures_total",
    kind: "counter",
    help: "Failed answers of models, by status",
    label: "status",
    of: (m) => m.providerFailures,
  },
  {
    name: "connections_opened_total",
    kind: "counter",
    help: "Connections since the start",
    of: (m) => m.connectionsOpened,
  },
  {
    name: "sessions_created_total",
    kind: "counter",
    help: "Sessions since the start",
    of: (m) => m.sessionsCreated,
  },
  { name: "events_total", kind: "counter", help: "Events of sessions", of: (m) => m.events },
  { name: "received_bytes_total", kind: "counter", help: "Messages received", of: (m) => m.bytesIn },
  { name: "sent_bytes_total", kind: "counter", help: "Messages handed to transports", of: (m) => m.bytesOut },
  {
    name: "coalesced_events_total",
    kind: "counter",
    help: "Events coalesced into others for slow readers",
    of: (m) => m.coalesced,
  },
  {
    name: "lagged_total",
    kind: "counter",
    help: "Number of lagged messages to slow readers",
    of: (m) => m.lagged,
  },
  {
    name: "evicted_total",
    kind: "counter",
    help: "Connections closed because they read too slowly",
    of: (m) => m.evicted,
  },
  { name: "outbox_bytes", kind: "gauge", help: "Queued output of all connections", of: (m) => m.outboxBytes },
  {
    name: "router_delay_seconds",
    kind: "gauge",
    help: "Event-loop delay of the thread that holds the connections",
    of: (m) => m.loopDelayMs.router / 1000,
  },
  {
    name: "host_delay_seconds",
    kind: "gauge",
    help: "Event-loop delay of each thread that runs sessions",
    label: "host",
    of: (m) => numbered(m.loopDelayMs.hosts.map((ms) => ms / 1000)),
  },
  {
    name: "memory_bytes",
    kind: "gauge",
    help: "Memory of the process and of its threads",
    label: "of",
    of: ({ memoryBytes }) => ({
      process: memoryBytes?.process ?? 0,
      router: memoryBytes?.router ?? 0,
      hosts: (memoryBytes?.hosts ?? []).reduce((sum, bytes) => sum + bytes, 0),
    }),
  },
  { name: "turns_total", kind: "counter", help: "Turns of all agents", of: (m) => m.turns },
  {
    name: "tokens_total",
    kind: "counter",
    help: "Tokens of models, as pi reports them",
    label: "kind",
    of: ({ tokens }) => ({
      input: tokens.input,
      output: tokens.output,
      cache_read: tokens.cacheRead,
      cache_write: tokens.cacheWrite,
    }),
  },
  {
    name: "cost_usd_total",
    kind: "counter",
    help: "Cost of models in US dollars, as pi reports it",
    of: (m) => m.costUsd,
  },
  {
    name: "journal",
    kind: "gauge",
    help: "Keys in the journal, and bytes of keys and messages",
    label: "of",
    of: ({ journal }) => ({
      keys: journal.keys,
      key_bytes: journal.keyBytes,
      message_bytes: journal.messageBytes,
    }),
  },
];

/** A metric of each node of a cluster, by its name. */
interface NodeRow {
  readonly name: string;
  readonly help: string;
  /** Labels beside that of the node, with the value for each. */
  of(node: NodeInfo): readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
}

const NODE_ROWS: readonly NodeRow[] = [
  { name: "up", help: "Whether the node is there", of: ({ state }) => [[{}, state === "gone" ? 0 : 1]] },
  {
    name: "info",
    help: "Versions and state of the node",
    of: ({ version, protocolVersion, pi, state }) => [[{ version, protocol: protocolVersion, pi, state }, 1]],
  },
  {
    name: "sessions",
    help: "Sessions of the node by state, and its limit of live sessions",
    of: ({ sessions }) => Object.entries(sessions).map(([status, count]) => [{ status }, count]),
  },
  { name: "memory_bytes", help: "Memory of the node's process", of: (node) => [[{}, node.memoryBytes]] },
  { name: "machine_bytes", help: "Memory of the node's machine", of: (node) => [[{}, node.machineBytes]] },
  { name: "load", help: "Load of the node's processors: 1 is all of them", of: (node) => [[{}, node.load]] },
];

function addNodes(registry: prometheus.Registry, nodes: readonly NodeInfo[]): void {
  for (const { name, help, of } of NODE_ROWS) {
    const values = nodes.flatMap((node) =>
      of(node).map(([labels, value]) => ({ labels: { node: node.node, ...labels }, value }))
    );
    const labelNames = Object.keys(values[0]?.labels ?? {});
    const gauge = new prometheus.Gauge({
      name: `pi_server_node_${name}`,
      help,
      labelNames,
      registers: [registry],
    });
    for (const { labels, value } of values) gauge.set(labels, value);
  }
}

/** The page that Prometheus reads. */
export async function prometheusPage(metrics: Metrics): Promise<HttpAnswer> {
  const registry = new prometheus.Registry();
  for (const { name, kind, help, label, of } of ROWS) {
    const about = {
      name: `pi_server_${name}`,
      help,
      labelNames: label === undefined ? [] : [label],
      registers: [registry],
    };
    const made = kind === "counter" ? new prometheus.Counter(about) : new prometheus.Gauge(about);
    const value = of(metrics);
    if (typeof value === "number") made.inc(value);
    else if (label !== undefined) {
      for (const [kindOf, n] of Object.entries(value)) made.inc({ [label]: kindOf }, n);
    }
  }
  if (metrics.nodes !== undefined) addNodes(registry, metrics.nodes);
  return { status: 200, body: await registry.metrics(), contentType: registry.contentType };
}
