// How a conformance case is written: a bench holds a scripted model, a home and a server; cases share one bench
// for each file, or take their own. After a case every connection's transcript is judged.

import { THROUGH_GATEWAY } from "../support/cluster/behind_gateway.ts";
import { arrayAt, brief, type JsonObject, stringAt } from "../support/base/json.ts";
import { API_KEY, ModelServer } from "../support/model/model_server.ts";
import { leftOutThroughGateway } from "../support/cluster/process_cases.ts";
import { Home, ServerProcess, type StartOptions, TARGET } from "../support/server/server_process.ts";
import { deadline } from "../support/base/wait.ts";
import type { StdioWire, Wire, WsWire } from "../support/wire/wire_client.ts";

export { TARGET } from "../support/server/server_process.ts";

/** The demo model that `--demo` registers: a prompt with `toolWord` in it makes it call bash. */
export const DEMO = { provider: "demo", modelId: "demo-1", toolWord: "tool" };

/**
 * Registers a case for the target of this run. A case that cannot run on this machine is left out by name, with the
 * reason in `without`.
 */
export function conformance(name: string, fn: () => Promise<void>, without?: string): void {
  // Children, sockets and the shared bench outlive single cases, so leaks are the unit tests' business.
  const sanitizers = { sanitizeOps: false, sanitizeResources: false };
  const missing = without ?? (THROUGH_GATEWAY ? leftOutThroughGateway(name) : undefined);
  const reason = missing === undefined ? "" : ` (${missing})`;
  const where = THROUGH_GATEWAY ? `${TARGET} through a gateway` : TARGET;
  Deno.test({ name: `[${where}] ${name}${reason}`, fn, ignore: missing !== undefined, ...sanitizers });
}

/** Why a case that needs Linux is left out here; undefined on Linux. */
export const WITHOUT_LINUX = Deno.build.os === "linux" ? undefined : "needs Linux";

/** A model, a home, a server. */
export class Bench implements AsyncDisposable {
  readonly model: ModelServer;
  readonly home: Home;
  readonly servers: ServerProcess[] = [];
  readonly wires: Wire[] = [];
  #names = 0;

  private constructor(model: ModelServer, home: Home) {
    this.model = model;
    this.home = home;
  }

  static async make(): Promise<Bench> {
    const model = new ModelServer();
    return new Bench(model, await Home.make(model.url));
  }

  /** The server that was started last. */
  get server(): ServerProcess {
    const server = this.servers.at(-1);
    if (!server) throw new Error("no server was started");
    return server;
  }

  /** Starts a WebSocket server and waits until it listens. */
  async start(args: string[] = [], options: StartOptions = {}): Promise<ServerProcess> {
    const server = await ServerProcess.start(this.home, { ...options, args });
    this.servers.push(server);
    return server;
  }

  /** Starts a child without waiting. */
  spawn(options: StartOptions = {}): ServerProcess {
    const server = ServerProcess.spawn(this.home, options);
    this.servers.push(server);
    return server;
  }

  /** Starts a stdio server, and waits for its greeting. */
  async startStdio(args: string[] = [], options: StartOptions = {}): Promise<StdioWire> {
    const wire = this.spawn({ ...options, args, mode: "stdio" }).stdio();
    this.wires.push(wire);
    await wire.greeting(60_000);
    return wire;
  }

  /** A new connection to the last server. */
  async connect(name = "ws"): Promise<WsWire> {
    const wire = await this.server.connect(name);
    this.wires.push(wire);
    return wire;
  }

  /** A word that no other case uses: session id, folder name and marker for the model. */
  name(prefix = "s"): string {
    return `${prefix}-${++this.#names}-x`;
  }

  /** Creates a session with its own folder; returns id and folder. */
  async session(wire: Wire, fields: JsonObject = {}): Promise<{ id: string; cwd: string; info: JsonObject }> {
    const name = typeof fields.sessionId === "string" ? fields.sessionId : this.name();
    const cwd = await this.home.folder(name);
    const data = await wire.ok({ type: "create_session", sessionId: name, cwd, ...fields }, 60_000);
    return { id: stringAt(data, "sessionId"), cwd, info: data };
  }

  /** The same, subscribed. */
  async watched(wire: Wire, fields: JsonObject = {}): Promise<{ id: string; cwd: string }> {
    const session = await this.session(wire, fields);
    await wire.ok({ type: "subscribe", sessionId: session.id });
    return session;
  }

  /** Judges all connections of the case, and forgets them. */
  async judge(): Promise<void> {
    const wires = this.wires.splice(0);
    for (const wire of wires) await wire.close();
    for (const wire of wires) {
      wire.check();
      if (wire.transcript.some((entry) => entry.kind === "received" && entry.text.includes(API_KEY))) {
        throw new Error(`${wire.name}: a provider's key crossed the wire`);
      }
    }
    const token = await this.servers.at(-1)?.token().catch(() => undefined);
    for (const server of this.servers) {
      if (token && server.stderr.includes(token)) throw new Error("the token is on stderr");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const wire of this.wires) await wire.close();
    for (const server of this.servers) await server.kill();
    await this.model[Symbol.asyncDispose]();
    await this.home.remove();
  }
}

/** The most that a case may take unless it says more: what never ends is to fail, and to say what the server said. */
const CASE_MS = 180_000;

/** Runs the body, and says what the server said when it fails. */
async function judged(bench: Bench, body: (bench: Bench) => Promise<void>, ms = CASE_MS): Promise<void> {
  try {
    await deadline(body(bench), ms, () => "the case");
    await bench.judge();
  } catch (error) {
    const stderr = bench.servers.map((server) => brief(server.stderr.slice(-2000), 2000)).join("\n--\n");
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    throw new Error(`${text}\nserver's stderr:\n${stderr}`);
  } finally {
    for (const wire of bench.wires.splice(0)) await wire.close();
  }
}

/** A case with a bench of its own; it starts what it needs. `ms` is the most that it may take. */
export function alone(
  name: string,
  body: (bench: Bench) => Promise<void>,
  ms?: number,
  without?: string,
): void {
  const run = async (): Promise<void> => {
    await using bench = await Bench.make();
    await judged(bench, body, ms);
  };
  conformance(name, run, without);
}

/** A case of the same kind that needs Linux; elsewhere it is left out by name. */
export function aloneOnLinux(name: string, body: (bench: Bench) => Promise<void>): void {
  alone(name, body, undefined, WITHOUT_LINUX);
}

/** Cases that share one WebSocket server, started at the first of them and ended after the file. */
export function shared(
  args: string[] = [],
  prepare: (bench: Bench) => Promise<void> = () => Promise.resolve(),
): (name: string, body: (bench: Bench) => Promise<void>) => void {
  let bench: Promise<Bench> | undefined;
  const start = async () => {
    const made = await Bench.make();
    await prepare(made);
    await made.start(args);
    return made;
  };
  Deno.test.afterAll(async () => {
    await (await bench?.catch(() => undefined))?.[Symbol.asyncDispose]();
  });
  return (name, body) => conformance(name, async () => await judged(await (bench ??= start()), body));
}

/** Ids of the sessions that the server lists. */
export async function listed(wire: Wire): Promise<string[]> {
  const data = await wire.ok({ type: "list_sessions" });
  return arrayAt(data, "sessions").map((session) => stringAt(session, "sessionId"));
}

/** Prompts and waits for the end; the response's data. */
export function settled(wire: Wire, sessionId: string, message: string): Promise<JsonObject> {
  return wire.ok({ type: "prompt", sessionId, message, waitFor: "settled" }, 30_000);
}
