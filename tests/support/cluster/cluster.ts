// A cluster of the test's own on loopback: nats-server, a few servers with a home each, and one scripted model. A run
// on the Node build mixes nodes of both runtimes.

import { arrayAt, isObject, type JsonObject, stringAt } from "../base/json.ts";
import { ModelServer } from "../model/model_server.ts";
import { type NatsOptions, NatsServer } from "./nats_server.ts";
import { Home, ServerProcess, type StartOptions, TARGET, type Target } from "../server/server_process.ts";
import { deadline, until } from "../base/wait.ts";
import type { Wire } from "../wire/wire_client.ts";
import type { WsWire } from "../wire/wire_client.ts";

/** How a node is started. */
export interface NodeOptions extends StartOptions {
  /** It runs no sessions. */
  readonly gateway?: boolean;
  /** Another address of NATS. */
  readonly nats?: string;
  /** Another name than the node has in the test. */
  readonly node?: string;
}

/** A node of the cluster under test, which may be started many times. */
export class TestNode {
  readonly name: string;
  readonly home: Home;
  readonly #url: string;
  options: NodeOptions;
  #server: ServerProcess | undefined;
  /** Everything on stderr of the servers before this one. */
  #earlier = "";

  constructor(name: string, home: Home, url: string, options: NodeOptions) {
    this.name = name;
    this.home = home;
    this.#url = url;
    this.options = options;
  }

  get server(): ServerProcess {
    if (this.#server === undefined) throw new Error(`node ${this.name} was not started`);
    return this.#server;
  }

  get stderr(): string {
    return `${this.#earlier}${this.#server?.stderr ?? ""}`;
  }

  /** Starts its server without waiting. */
  async spawn(): Promise<ServerProcess> {
    const { gateway, nats, node, args = [], ...options } = this.options;
    this.#earlier = this.stderr;
    // The address of the server before must not be taken for this one's.
    await Deno.remove(`${this.home.stateDir}/endpoint.json`).catch(() => {});
    this.#server = ServerProcess.spawn(this.home, {
      ...options,
      args: [
        ...["--cluster", nats ?? this.#url, "--node", node ?? this.name],
        ...gateway === true ? ["--workers", "none"] : [],
        ...args,
      ],
    });
    return this.#server;
  }

  /** Starts its server, and waits until it listens. */
  async start(): Promise<ServerProcess> {
    const server = await this.spawn();
    await server.endpoint();
    return server;
  }

  async kill(): Promise<void> {
    await this.#server?.kill();
  }

  /** Why the server has ended: its last line on stderr. */
  async refusal(): Promise<string> {
    await this.server.exitCode();
    return this.server.stderr.trim().split("\n").at(-1) ?? "";
  }
}

/** Which build each node runs: a run on the Node build mixes it with the sources on Deno. */
function targetOf(index: number): Target {
  return TARGET === "node" && index % 2 === 1 ? "sources" : TARGET;
}

/** A cluster. */
export class TestCluster implements AsyncDisposable {
  readonly model: ModelServer;
  readonly nats: NatsServer;
  readonly nodes = new Map<string, TestNode>();
  readonly wires: Wire[] = [];
  #names = 0;

  private constructor(model: ModelServer, nats: NatsServer) {
    this.model = model;
    this.nats = nats;
  }

  /** A cluster without nodes. */
  static async make(nats: NatsOptions = {}): Promise<TestCluster> {
    return new TestCluster(new ModelServer(), await NatsServer.start(nats));
  }

  /** Adds a node that is not started yet. */
  async add(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const home = await Home.make(this.model.url);
    const target = targetOf(this.nodes.size);
    const node = new TestNode(name, home, this.nats.url, { target, ...options });
    this.nodes.set(name, node);
    return node;
  }

  /** Adds and starts nodes, and waits until each knows all others. */
  async start(nodes: Readonly<Record<string, NodeOptions>>): Promise<void> {
    const added = await Promise.all(Object.entries(nodes).map(([name, options]) => this.add(name, options)));
    await Promise.all(added.map((node) => node.start()));
    await this.together();
  }

  node(name: string): TestNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** A new client of a node. */
  async connect(node: string, name: string = node): Promise<WsWire> {
    const wire = await this.node(node).server.connect(name);
    this.wires.push(wire);
    return wire;
  }

  /** A word that nothing else in this cluster uses. */
  name(prefix = "s"): string {
    return `${prefix}-${++this.#names}-x`;
  }

  /** Creates a session on a node, in a folder there. */
  async session(
    wire: Wire,
    node: string,
    fields: JsonObject = {},
  ): Promise<{ id: string; cwd: string; info: JsonObject }> {
    const name = typeof fields.sessionId === "string" ? fields.sessionId : this.name();
    const cwd = await this.node(node).home.folder(name);
    const info = await wire.ok({ type: "create_session", sessionId: name, cwd, node, ...fields }, 60_000);
    return { id: stringAt(info, "sessionId"), cwd, info };
  }

  /** Waits until a node sees the others in that state. */
  async sees(from: Wire, states: Readonly<Record<string, string>>, ms = 15_000): Promise<void> {
    let seen: Record<string, string> = {};
    await until(
      async () => {
        seen = await statesOf(from);
        return Object.entries(states).every(([name, state]) => seen[name] === state);
      },
      ms,
      () => `${from.name} sees ${JSON.stringify(seen)}, not ${JSON.stringify(states)}`,
    );
  }

  /** Waits until each running node knows all others. */
  async together(): Promise<void> {
    const all = Object.fromEntries([...this.nodes.values()].map(({ name }) => [name, "running"]));
    for (const { name, server } of this.nodes.values()) {
      const wire = await server.connect(`${name} looks`);
      try {
        await this.sees(wire, all);
      } finally {
        await wire.close();
      }
    }
  }

  /** Closes all clients, and holds each to the wire's contract. */
  async judge(): Promise<void> {
    const wires = this.wires.splice(0);
    for (const wire of wires) await wire.close();
    for (const wire of wires) wire.check();
  }

  /** What all have said, for a case that fails. */
  said(): string {
    return saidBy(this.nodes.values(), this.nats);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const wire of this.wires) await wire.close();
    await Promise.all([...this.nodes.values()].map((node) => node.kill()));
    await this.nats[Symbol.asyncDispose]();
    await this.model[Symbol.asyncDispose]();
    await Promise.all([...this.nodes.values()].map(({ home }) => home.remove()));
  }
}

/** What these nodes and their nats-server have said. */
export function saidBy(all: Iterable<TestNode>, nats: NatsServer): string {
  const nodes = [...all].map(({ name, stderr }) => `-- ${name}:\n${stderr.slice(-3_000)}`);
  return [...nodes, `-- nats-server:\n${nats.log()}`].join("\n");
}

/** The nodes that a node lists. */
export async function nodesOf(wire: Wire): Promise<JsonObject[]> {
  const { nodes } = await wire.ok({ type: "list_nodes" });
  return arrayAt({ nodes: nodes ?? [] }, "nodes").filter(isObject);
}

/** The states of all nodes, as one of them sees them. */
export async function statesOf(wire: Wire): Promise<Record<string, string>> {
  const nodes = await nodesOf(wire);
  return Object.fromEntries(nodes.map((node) => [stringAt(node, "node"), stringAt(node, "state")]));
}

/** Waits for a promise, and fails with what all have said. */
export async function told(cluster: TestCluster, body: Promise<void>, ms: number): Promise<void> {
  try {
    await deadline(body, ms, () => "the case");
    await cluster.judge();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.stack : error}\n${cluster.said()}`);
  }
}
