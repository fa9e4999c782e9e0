// The nodes of a cluster that several cases share, or that a case starts one by one, with the model of the suite.

import { nodesOf, saidBy, TestNode } from "./cluster.ts";
import type { JsonObject } from "../base/json.ts";
import { type ModelServer, OPENAI } from "../model/model_server.ts";
import { NatsServer } from "./nats_server.ts";
import { Home, type ServerProcess, type StartOptions } from "../server/server_process.ts";
import { until } from "../base/wait.ts";
import type { Wire } from "../wire/wire_client.ts";

/** The nodes of one cluster, and their nats-server. */
export class ClusterNodes implements AsyncDisposable {
  readonly nats: NatsServer;
  readonly #nodes = new Map<string, TestNode>();
  readonly #model: ModelServer;

  private constructor(nats: NatsServer, model: ModelServer) {
    this.nats = nats;
    this.#model = model;
  }

  /** A nats-server without nodes. */
  static async make(model: ModelServer): Promise<ClusterNodes> {
    return new ClusterNodes(await NatsServer.start(), model);
  }

  /** Starts a node, or starts it again over its state folder. */
  async start(
    name: string,
    args: readonly string[] = [],
    options: StartOptions = {},
  ): Promise<ServerProcess> {
    const node = this.#nodes.get(name) ??
      new TestNode(name, await Home.make(this.#model.url), this.nats.url, {});
    this.#nodes.set(name, node);
    node.options = { ...options, args: [...args] };
    return await node.start();
  }

  server(name: string): ServerProcess {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node.server;
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

  /** What all have said, for a case that fails. */
  get report(): string {
    return saidBy(this.#nodes.values(), this.nats);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const nodes = [...this.#nodes.values()];
    for (const node of nodes) await node.kill();
    await this.nats[Symbol.asyncDispose]();
    for (const { home } of nodes) await home.remove();
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
