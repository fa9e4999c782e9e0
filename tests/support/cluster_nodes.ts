// Starts the nodes of a cluster on loopback, each with a home, a state folder and a name of its own.

import { isObject, type JsonObject } from "./json.ts";
import { type ModelServer, OPENAI } from "./model_server.ts";
import { NatsServer } from "./nats_server.ts";
import { Home, ServerProcess, type StartOptions } from "./server_process.ts";
import { until } from "./wait.ts";
import type { Wire } from "./wire_client.ts";

/** The nodes of one cluster, and their nats-server. */
export class ClusterNodes implements AsyncDisposable {
  readonly nats: NatsServer;
  readonly homes = new Map<string, Home>();
  readonly servers = new Map<string, ServerProcess>();
  readonly #model: ModelServer;
  /** Every process that was started, for the report of a failed case. */
  readonly #all: ServerProcess[] = [];

  private constructor(nats: NatsServer, model: ModelServer) {
    this.nats = nats;
    this.#model = model;
  }

  /** A nats-server without nodes. */
  static async make(model: ModelServer, natsArgs: readonly string[] = []): Promise<ClusterNodes> {
    return new ClusterNodes(await NatsServer.start(natsArgs), model);
  }

  /** Starts a node, or starts it again over its state folder. */
  async start(
    name: string,
    args: readonly string[] = [],
    options: StartOptions = {},
  ): Promise<ServerProcess> {
    const home = this.homes.get(name) ?? await Home.make(this.#model.url);
    this.homes.set(name, home);
    const server = await ServerProcess.start(home, {
      ...options,
      args: ["--cluster", this.nats.url, "--node", name, ...args],
    });
    this.servers.set(name, server);
    this.#all.push(server);
    return server;
  }

  server(name: string): ServerProcess {
    const server = this.servers.get(name);
    if (server === undefined) throw new Error(`node ${name} was not started`);
    return server;
  }

  /** A connection to a node. */
  connect(name: string, wire = name): Promise<Wire> {
    return this.server(name).connect(wire);
  }

  /** Waits until a node knows so many nodes that run, itself included. */
  async joined(wire: Wire, count: number): Promise<JsonObject[]> {
    return await until(
      async () => {
        const nodes = (await nodesOf(wire)).filter(({ state }) => state === "running");
        return nodes.length === count ? nodes : undefined;
      },
      15_000,
      () => `not ${count} nodes`,
    );
  }

  /** What all nodes have written to stderr. */
  get report(): string {
    return this.#all.map(({ stderr }) => stderr.slice(-1500)).join("\n--\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#all) await server.kill();
    await this.nats[Symbol.asyncDispose]();
    for (const home of this.homes.values()) await home.remove();
  }
}

/** Runs a case with these nodes. A failure shows what they have written. */
export async function reported(
  all: ClusterNodes,
  body: (all: ClusterNodes) => Promise<void>,
): Promise<void> {
  try {
    await body(all);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.stack : error}\n${all.report}`);
  }
}

/** Makes a session for the scripted model on a node. */
export async function scriptedSession(wire: Wire, sessionId: string, node: string): Promise<JsonObject> {
  return await wire.ok({ type: "create_session", sessionId, node, ...OPENAI }, 60_000);
}

/** The nodes that a node lists. */
export async function nodesOf(wire: Wire): Promise<JsonObject[]> {
  const { nodes } = await wire.ok({ type: "list_nodes" });
  return Array.isArray(nodes) ? nodes.filter(isObject) : [];
}
