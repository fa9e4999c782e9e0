// Does: the connection to NATS and its bucket, behind bus.ts. The only file that knows the packages of NATS.
// Used by: join.ts, which loads it dynamically, so that a server without a cluster loads nothing of NATS.
// Invariant: nothing is published while NATS is unreachable, since the client would send it late.
import { type KV, Kvm, type KvWatchEntry } from "@nats-io/kv";
import {
  type Authenticator,
  credsAuthenticator,
  type NatsConnection,
  NatsConnectionImpl,
  type NodeConnectionOptions,
  NoRespondersError,
  type QueuedIterator,
  setTransportFactory,
  TimeoutError,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { nodeResolveHost, NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";
import { errorMessage } from "../../base/error_message.ts";
import { isRecord, tryParseRecord } from "../../base/json.ts";
import { isLoopback } from "../../base/loopback.ts";
import type { Log } from "../../base/log.ts";
import { type Bus, type BusEntry, type BusWatch, ClusterError } from "./bus.ts";

export interface NatsOptions {
  readonly servers: readonly string[];
  /** The cluster's name, which names the buckets. */
  readonly cluster: string;
  /** The name that NATS shows for this connection. */
  readonly client: string;
  readonly login?: { readonly user: string; readonly password: string };
  /** The text of a credentials file of NATS. */
  readonly creds?: string;
  readonly caFile?: string;
  readonly log: Log;
}

/** Milliseconds for the first connection, and between two attempts to come back. */
const [CONNECT_MS, AGAIN_MS] = [5_000, 500];

/** Milliseconds between two pings of NATS. Two without an answer are a loss. */
const PING_MS = 2_000;

/** Milliseconds for the answer of a node that lives. NATS reports at once that there is none. */
const ASK_MS = 1_000;

/** Milliseconds that `remember` holds. */
const REMEMBER_MS = 86_400_000;

/** The number of NATS's error for an entry that has another revision. */
const WRONG_REVISION = 10_071;

/** JetStream's code for a message that is not there. */
const NO_MESSAGE = 10_037;

type Socket = NodeTransport["socket"];

const ignore = (): void => {};

/** Keeps an error of a socket from ending the process, however often its listeners are taken off. */
function guarded<T extends Socket>(socket: T): T {
  const removeAll = socket.removeAllListeners.bind(socket);
  socket.removeAllListeners = (name?: string | symbol) => {
    if (name === undefined) removeAll();
    else removeAll(name);
    // Taking off all kinds calls this once for each kind.
    return socket.listeners("error").includes(ignore) ? socket : socket.on("error", ignore);
  };
  return socket.on("error", ignore);
}

/**
 * The package's connection, with guarded sockets: it takes the listeners off a socket that it gives up, and Deno
 * reports a reset of such a socket nevertheless. That is an error without a listener, which ends a process.
 */
class GuardedTransport extends NodeTransport {
  override async dial(place: { hostname: string; port: number }): Promise<Socket> {
    return guarded(await super.dial(place));
  }

  override async startTLS(): ReturnType<NodeTransport["startTLS"]> {
    return guarded(await super.startTLS());
  }
}

function connect(options: NodeConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new GuardedTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}

function authenticator({ login, creds }: NatsOptions): { authenticator?: Authenticator } {
  if (creds !== undefined) return { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) };
  if (login === undefined) return {};
  return { authenticator: usernamePasswordAuthenticator(login.user, login.password) };
}

/** Why NATS cannot be used, with the next step. */
function sentence(error: unknown, { servers }: NatsOptions): string {
  const where = servers.join(", ");
  const reason = errorMessage(error);
  if (/authorization|authentication/i.test(`${error instanceof Error ? error.name : ""} ${reason}`)) {
    return `--cluster: NATS at ${where} refuses the credentials; check --cluster-creds, or PI_SERVER_CLUSTER_USER and PI_SERVER_CLUSTER_PASSWORD`;
  }
  return `--cluster: NATS at ${where} cannot be reached (${reason}); start nats-server, or correct the address`;
}

/** Connects to NATS and opens the bucket of the cluster. Throws `ClusterError`. */
export async function connectNats(options: NatsOptions): Promise<Bus> {
  const { servers, client, caFile } = options;
  const tls = caFile !== undefined || servers.some((url) => url.startsWith("tls://"));
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers: [...servers],
      name: client,
      timeout: CONNECT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: AGAIN_MS,
      reconnectJitter: 100,
      pingInterval: PING_MS,
      maxPingOut: 2,
      noEcho: false,
      ignoreClusterUpdates: true,
      ...authenticator(options),
      ...(tls ? { tls: caFile === undefined ? {} : { caFile } } : {}),
    });
  } catch (error) {
    throw new ClusterError(sentence(error, options));
  }
  try {
    const kvm = new Kvm(connection);
    const bucket = `pi-server-${options.cluster}`;
    const entries = await kvm.create(bucket, { history: 1 });
    const remembered = await kvm.create(`${bucket}-keys`, { history: 1, ttl: REMEMBER_MS });
    const local = servers.every((url) => isLoopback(new URL(url).hostname));
    return new NatsBus(connection, bucket, entries, remembered, tls || local, options.log);
  } catch (error) {
    await connection.close().catch(() => {});
    throw new ClusterError(
      `--cluster: NATS has no usable JetStream (${
        errorMessage(error)
      }); start nats-server with -js, and let this user create buckets`,
    );
  }
}

class NatsBus implements Bus {
  readonly messageBytes: number;
  readonly confidential: boolean;
  onConnection: (connected: boolean) => void = () => {};
  readonly #connection: NatsConnection;
  readonly #bucket: string;
  readonly #entries: KV;
  readonly #remembered: KV;
  readonly #log: Log;
  #connected = true;
  #closed = false;
  #watch: BusWatch | undefined;
  #watching: QueuedIterator<KvWatchEntry> | undefined;
  #syncs = 0;
  /** The marks of removed entries: their revision, and when NATS has stored them. */
  readonly #marks = new Map<string, { readonly revision: number; readonly at: number }>();

  constructor(
    connection: NatsConnection,
    bucket: string,
    entries: KV,
    remembered: KV,
    confidential: boolean,
    log: Log,
  ) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#entries = entries;
    this.#remembered = remembered;
    this.#log = log;
    this.confidential = confidential;
    this.messageBytes = connection.info?.max_payload ?? 1024 * 1024;
    void this.#followStatus();
    void connection.closed().then((error) => {
      if (!this.#closed) {
        log.error("the connection to NATS has ended; restart this node", { reason: errorMessage(error) });
      }
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  publish(subject: string, data: Uint8Array | string): void {
    if (!this.#connected || this.#closed) return;
    try {
      this.#connection.publish(subject, data);
    } catch (error) {
      this.#log.warn("a message was not sent to NATS", { reason: errorMessage(error) });
    }
  }

  subscribe(subject: string, each: (data: Uint8Array, subject: string) => void): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) each(message.data, message.subject);
        else this.#log.error("NATS refuses a subscription", { subject, reason: errorMessage(error) });
      },
    });
  }

  async clock(): Promise<number> {
    const key = `sync.clock-${this.#connection.info?.client_id ?? 0}`;
    const revision = await this.#entries.put(key, "");
    const stored = await this.#entries.get(key);
    await this.#erase(revision);
    return stored?.created.getTime() ?? 0;
  }

  answer(subject: string): void {
    this.#connection.subscribe(subject, { callback: (_, message) => void message.respond() });
  }

  async ask(subject: string): Promise<boolean> {
    try {
      await this.#connection.request(subject, "", { timeout: ASK_MS });
      return true;
    } catch (error) {
      if (error instanceof NoRespondersError) return false;
      if (error instanceof TimeoutError) return true;
      // The client wraps what a request meets.
      if (error instanceof Error && error.cause instanceof NoRespondersError) return false;
      throw error;
    }
  }

  async create(key: string, value: string): Promise<number | undefined> {
    return await unlessChanged(this.#entries.create(key, value));
  }

  async update(key: string, value: string, revision: number): Promise<number | undefined> {
    return await unlessChanged(this.#entries.update(key, value, revision));
  }

  async put(key: string, value: string): Promise<void> {
    await this.#entries.put(key, value);
  }

  async get(key: string): Promise<BusEntry | undefined> {
    const found = await this.#entries.get(key);
    if (found === null || found.operation !== "PUT") return undefined;
    return { value: found.string(), revision: found.revision, storedAt: found.created.getTime() };
  }

  async remove(key: string, revision?: number): Promise<boolean> {
    const removed = this.#entries.delete(key, revision === undefined ? {} : { previousSeq: revision });
    return await unlessChanged(removed.then(() => 1)) !== undefined;
  }

  async dropMarks(before: number): Promise<number> {
    const old = [...this.#marks].filter(([, { at }]) => at < before);
    for (const [key, { revision }] of old) {
      await this.#erase(revision);
      if (this.#marks.get(key)?.revision === revision) this.#marks.delete(key);
    }
    return old.length;
  }

  /**
   * Erases one revision of an entry, if NATS still has it. A purge of the key would do more: nats-server 2.9 then skips
   * other entries that it has not delivered to a watch yet, of any node.
   */
  async #erase(revision: number): Promise<void> {
    const ask = async (
      what: "DELETE" | "GET",
      fields: object = {},
    ): Promise<Record<string, unknown> | undefined> => {
      const subject = `$JS.API.STREAM.MSG.${what}.KV_${this.#bucket}`;
      const answer = await this.#connection.request(subject, JSON.stringify({ seq: revision, ...fields }));
      const error = tryParseRecord(answer.string())?.["error"];
      return isRecord(error) ? error : undefined;
    };
    const error = await ask("DELETE", { no_erase: true });
    // What is gone already is refused with one of several codes.
    if (error === undefined || (await ask("GET"))?.["err_code"] === NO_MESSAGE) return;
    throw new Error(JSON.stringify(error));
  }

  async remember(key: string, value: string): Promise<string> {
    if (await unlessChanged(this.#remembered.create(key, value)) !== undefined) return value;
    return (await this.#remembered.get(key))?.string() ?? value;
  }

  async recall(key: string): Promise<string | undefined> {
    return (await this.#remembered.get(key))?.string();
  }

  async watch(watch: BusWatch): Promise<void> {
    this.#watch = watch;
    await this.#beginWatch();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watching?.stop();
    await this.#connection.close();
  }

  /** Reports all entries from the beginning. An entry of its own marks the end of those that were there. */
  async #beginWatch(): Promise<void> {
    this.#watching?.stop();
    const mark = `sync.${this.#connection.info?.client_id ?? 0}.${++this.#syncs}`;
    const watching = await this.#entries.watch();
    this.#watching = watching;
    const keys = new Set<string>();
    let synced = false;
    const reported = new Promise<void>((resolve) => {
      void (async () => {
        for await (const entry of watching) {
          if (this.#watching !== watching) break;
          const { key, operation, revision, created } = entry;
          if (operation === "PUT") this.#marks.delete(key);
          else this.#marks.set(key, { revision, at: created.getTime() });
          if (key === mark) {
            if (!synced) this.#watch?.synced(keys);
            synced = true;
            resolve();
          } else if (!key.startsWith("sync.")) {
            if (!synced && operation === "PUT") keys.add(key);
            this.#watch?.changed(key, operation === "PUT" ? entry.string() : undefined);
          }
        }
        resolve();
      })();
    });
    const revision = await this.#entries.put(mark, "");
    await reported;
    await this.#erase(revision);
  }

  async #followStatus(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === "disconnect" && this.#connected) {
        this.#connected = false;
        this.onConnection(false);
      } else if (type === "reconnect" && !this.#closed) {
        this.#connected = true;
        this.onConnection(true);
        await this.#watchAgain();
      }
    }
  }

  /** A loss may have left out changes, so all entries are reported again. */
  async #watchAgain(): Promise<void> {
    if (this.#watch === undefined) return;
    try {
      await this.#beginWatch();
    } catch (error) {
      // JetStream comes up after NATS itself. The next attempt follows a new connection.
      this.#log.warn("the bucket of the cluster cannot be read yet", { reason: errorMessage(error) });
      if (!this.#closed && this.#connected) await this.#connection.reconnect().catch(() => {});
    }
  }
}

/** The new revision, or undefined when the entry has another one. Other failures are thrown. */
async function unlessChanged(done: Promise<number>): Promise<number | undefined> {
  try {
    return await done;
  } catch (error) {
    if (Reflect.get(Object(error), "code") === WRONG_REVISION) return undefined;
    throw error;
  }
}
