// Does: makes this server a node of a cluster: joins its parts, and answers what the router asks of the other nodes.
// Used by: server.ts, which loads it only with `--cluster`.
// Invariant: without NATS this node goes on with its own sessions, for its own clients.
import { deadline } from "../../base/async/deadline.ts";
import { isRecord, tryParseRecord } from "../../base/json.ts";
import type { Config } from "../../config/config.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import type { NodeInfo } from "../../protocol/schema/monitoring_commands.ts";
import { PROTOCOL_VERSION, SERVER_VERSION } from "../../protocol/version.ts";
import type { Governor } from "../../governor/governor.ts";
import { answerBytes } from "../lists/answer_bytes.ts";
import { PageCursors } from "../lists/page_cursors.ts";
import type { Access } from "../auth/access.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { Connection } from "../router/connection.ts";
import type { Asked, Here, Remote, RemoteReader } from "./remote.ts";
import type { Router } from "../router/router.ts";
import type { TokenStore } from "../auth/token_store.ts";
import { Claims, ephemeralState } from "./claims.ts";
import { ClusterError } from "./bus.ts";
import { FanOut } from "./gateway/fan_out.ts";
import { Gateway, noNode } from "./gateway/gateway.ts";
import { MergedList } from "./gateway/merged_list.ts";
import { SessionReader } from "./gateway/session_reader.ts";
import { aliveSubject, join, type Joined, type JoinParts, nodeKey, prefixOf } from "./join.ts";
import { type Member, Members } from "./members.ts";
import { SilentNodes } from "./silent_nodes.ts";
import { TokenSync } from "./token_sync.ts";
import { Channels } from "./wire/channels.ts";
import { NodeTransport } from "./wire/node_transport.ts";

export interface ClusterParts extends JoinParts {
  readonly config: Config;
  readonly governor: Governor;
  /** The version of pi. */
  readonly pi: string;
  /** Ids of all sessions of this node, and whether one of them is there. */
  readonly local: { ids(): readonly string[]; has(sessionId: string): boolean };
  /** Ends this server: running turns end, sessions are parked. */
  drain(reason: string): void;
}

/** Milliseconds that a start waits for the words of the other nodes. A node that starts as well has none yet. */
const MEET_MS = 1_500;

/** The first characters of the keys of registrations. */
const NODE_KEYS = nodeKey("");

/** Session ids that one server event names, at most. */
const IDS_AN_EVENT = 1_000;

/** The name of a machine as the name of a node. */
export function nodeName(hostname: string): string {
  return hostname.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, 64) || "node";
}

/** This server as a node. */
export class Cluster implements Remote {
  readonly claims: Claims;
  readonly #parts: ClusterParts;
  readonly #joined: Joined;
  readonly #members: Members;
  readonly #channels: Channels;
  readonly #gateway: Gateway;
  readonly #fanOut: FanOut;
  readonly #machineBytes: number;
  readonly #silent: SilentNodes;
  #router: Router | undefined;
  #transport: NodeTransport | undefined;
  #tokens: TokenSync | undefined;
  #address: string | undefined;
  #draining = false;
  /** Another server has taken this node's name while it was away. */
  #displaced = false;
  /** The registrations of the other nodes, by name. */
  readonly #registered = new Map<string, string | undefined>();
  /** Nodes whose sessions clients know to be unavailable. */
  readonly #toldGone = new Set<string>();

  private constructor(parts: ClusterParts, joined: Joined) {
    this.#parts = parts;
    this.#joined = joined;
    const { bus } = joined;
    const { runtime, log, node, state, instance, cluster, local, config } = parts;
    const prefix = prefixOf(cluster.name);
    this.#machineBytes = runtime.memoryBounds().machineBytes;
    const self = { node, state: config.ephemeral ? ephemeralState(state) : state };
    this.claims = new Claims({ bus, log, self, local });
    this.#channels = new Channels({
      clock: runtime,
      soon: (fn) => runtime.nextTick(fn),
      bus,
      prefix,
      instance,
    });
    this.#members = new Members({ clock: runtime, bus, prefix, instance, self: () => this.#self() }, {
      onAlive: (member) => this.#alive(member),
      onGone: (member, left) => this.#gone(member, left),
      onHeard: ({ info }) => this.#gateway.heard(info.node),
    });
    this.#silent = new SilentNodes({
      clock: runtime,
      bus,
      aliveSubject: (other) => aliveSubject(cluster.name, other),
      giveUp: (other) => this.#channels.giveUp(other),
    });
    const has = (sessionId: string): boolean => local.has(sessionId);
    this.#gateway = new Gateway({
      node,
      ownIds: `${instance}-`,
      log,
      claims: this.claims,
      members: this.#members,
      channels: this.#channels,
      connected: () => bus.connected && !this.#displaced,
      self: () => this.#self(),
      has,
      remember: (key, first) => bus.remember(key, first),
      recall: (key) => bus.recall(key),
      sha256: (text) => runtime.sha256(text),
      endClient: (connection, code, reason) => this.#router?.end(connection, code, reason),
    });
    const cursors = new PageCursors({
      serverId: () => instance,
      secret: runtime.randomHex(32),
      sha256: (text) => runtime.sha256(text),
      equalTexts: (a, b) => runtime.equalTexts(a, b),
    });
    this.#fanOut = new FanOut({
      node,
      gateway: this.#gateway,
      claims: this.claims,
      lists: new MergedList({ cursors, monotonic: () => runtime.monotonic(), node }),
      answerBytes: answerBytes(config.limits.frameBytes),
      hasOwn: !config.gateway,
      has,
    });
  }

  /** The name of this node. */
  get node(): string {
    return this.#parts.node;
  }

  /** Joins the cluster. Throws `ClusterError`. Nothing is announced yet. */
  static async join(parts: ClusterParts): Promise<Cluster> {
    return new Cluster(parts, await join(parts));
  }

  /** Learns all sessions and tokens, and listens to the other nodes. Throws `ClusterError`. */
  async start(router: Router, tokens: TokenStore): Promise<NodeTransport> {
    const { bus, bucketId } = this.#joined;
    const { runtime, log, node, cluster, instance } = this.#parts;
    this.#router = router;
    const sync = new TokenSync({ bus, log, store: tokens, bucketId });
    this.#tokens = sync;
    tokens.sharing = sync;
    let checked = false;
    let synced: ReadonlySet<string> = new Set();
    await bus.watch({
      changed: (key, value) => {
        this.claims.changed(key, value);
        sync.changed(key, value);
        if (key === nodeKey(node)) this.#checkName(value);
        else if (key.startsWith(NODE_KEYS)) this.#registered.set(key.slice(NODE_KEYS.length), value);
      },
      synced: (keys) => {
        synced = keys;
        if (checked) void this.#synced(keys);
      },
    });
    const collision = this.claims.collision();
    if (collision !== undefined) {
      throw new ClusterError(
        collision.node === node
          ? `--node: the sessions of node "${node}" are in another state folder; start with that --state-dir, or choose another --node`
          : `--cluster: session "${collision.sessionId}" of this server lives on node ${collision.node} too; delete it at one of the two, or choose another --cluster-name`,
      );
    }
    checked = true;
    await this.#synced(synced);
    const transport = new NodeTransport({ clock: runtime, soon: (fn) => runtime.nextTick(fn), router });
    this.#transport = transport;
    this.#channels.listen((opening, channel) => transport.accept(opening, channel));
    bus.subscribe(`${prefixOf(cluster.name)}.news`, (data) => this.#news(new TextDecoder().decode(data)));
    bus.subscribe(`${prefixOf(cluster.name)}.drain.${instance}`, () => this.#drainSelf());
    bus.onConnection = (connected) => {
      if (connected) {
        log.info("NATS is back");
        this.#channels.askAll();
        this.#members.announce();
      } else log.warn("NATS is lost: this node goes on with its own sessions, and cannot reach the others");
    };
    this.#members.listen();
    await this.#meetOthers();
    return transport;
  }

  /** Speaks to the other nodes from now on. */
  announce(address: string | undefined): void {
    this.#address = address;
    this.#members.start();
  }

  /** Leaves. */
  async close(): Promise<void> {
    this.#members.stop();
    this.#silent.close();
    if (this.#parts.config.ephemeral) await this.claims.releaseAll();
    await this.#joined.bus.close();
  }

  take(asked: Asked, here: () => void): boolean {
    return this.#gateway.take(asked, here);
  }

  spread(connection: Connection, command: Command, asker: ReplyTo, here: Here): boolean {
    return this.#fanOut.take(connection, command, asker, here);
  }

  async reader(access: Access, sessionId: string): Promise<RemoteReader | undefined> {
    const gateway = this.#gateway;
    const node = await gateway.elsewhere(sessionId);
    const router = this.#router;
    if (node === undefined || router === undefined) return undefined;
    const { runtime, config: { limits } } = this.#parts;
    return new SessionReader({ gateway, node, access, id: router.nextId(), clock: runtime, limits });
  }

  closed(connection: Connection): void {
    this.#gateway.closed(connection);
  }

  announced(type: string, data: Record<string, unknown>): void {
    // The clients of the others keep their connections when this node ends.
    if (type === "server_shutdown" || this.#displaced) return;
    const { node, instance, cluster } = this.#parts;
    this.#joined.bus.publish(
      `${prefixOf(cluster.name)}.news`,
      JSON.stringify({ node, instance, type, data }),
    );
  }

  nodes(): readonly NodeInfo[] {
    const alive = this.#members.alive.map(({ info }) => info);
    const gone = this.#members.gone.map(({ info }): NodeInfo => ({ ...info, state: "gone" }));
    const known = new Set([this.#parts.node, ...[...alive, ...gone].map(({ node }) => node)]);
    const others = [...alive, ...gone].sort((a, b) => a.node < b.node ? -1 : 1);
    const unheard = this.claims.nodes.filter((node) => !known.has(node)).map(unheardNode);
    return [{ ...this.#self(), self: true }, ...others, ...unheard];
  }

  drain(node: string): Promise<Reply> {
    const done: Reply = { ok: true, dataText: JSON.stringify({ node, draining: true }) };
    if (node === this.#parts.node) {
      // The answer goes out first.
      this.#parts.runtime.after(0, () => this.#drainSelf());
      return Promise.resolve(done);
    }
    const member = this.#members.get(node);
    if (member === undefined) return Promise.resolve({ ok: false, failure: noNode(node) });
    const { bus } = this.#joined;
    bus.publish(`${prefixOf(this.#parts.cluster.name)}.drain.${member.instance}`, "");
    return Promise.resolve(done);
  }

  issues(): readonly string[] {
    const { node } = this.#parts;
    const issues: string[] = [];
    if (this.#displaced) {
      issues.push(
        `Another server has taken the name ${node} in the cluster: give one of the two another --node`,
      );
    } else if (!this.#joined.bus.connected || !this.#members.heardItself) {
      issues.push("NATS is unreachable: this node serves its own sessions alone");
    }
    for (const { info } of this.#members.gone) {
      const sessions = this.claims.sessionsOf(info.node).length;
      if (sessions > 0) {
        issues.push(`Node ${info.node} is gone, and ${sessions} sessions with it: start it again`);
      }
    }
    for (const { info } of this.#members.alive) {
      if (info.version === SERVER_VERSION && info.protocolVersion === PROTOCOL_VERSION) continue;
      issues.push(
        `Node ${info.node} runs pi-server ${info.version}, this one ${SERVER_VERSION}: finish the upgrade`,
      );
    }
    for (const sessionId of this.claims.conflicts) {
      issues.push(`Another node owns the id "${sessionId}" as well: delete one of the two sessions`);
    }
    return issues;
  }

  async #synced(keys: ReadonlySet<string>): Promise<void> {
    if (this.#displaced) return;
    await this.claims.synced(keys);
    await this.#tokens?.synced(keys);
  }

  /** Waits for a word of each node that lives, so that the first client sees all of them. */
  async #meetOthers(): Promise<void> {
    const { runtime, cluster } = this.#parts;
    const meet = async ([node, value]: readonly [string, string | undefined]): Promise<void> => {
      const { instance } = tryParseRecord(value) ?? {};
      if (typeof instance !== "string" || this.#members.get(node)?.instance === instance) return;
      if (!await this.#joined.bus.ask(aliveSubject(cluster.name, instance)).catch(() => false)) return;
      await this.#members.whenHeard(instance);
    };
    await deadline(runtime, MEET_MS, Promise.all([...this.#registered].map(meet)), undefined);
  }

  #self(): NodeInfo {
    const { node, config, governor, runtime, pi } = this.#parts;
    return {
      node,
      ...(this.#address === undefined ? {} : { address: this.#address }),
      version: SERVER_VERSION,
      protocolVersion: PROTOCOL_VERSION,
      pi,
      state: this.#draining ? "draining" : "running",
      ...(config.gateway ? { gateway: true } : {}),
      sessions: {
        live: governor.sessions,
        parked: governor.parkedSessions,
        limit: config.gateway ? 0 : config.limits.sessions,
      },
      memoryBytes: runtime.memory().residentBytes,
      machineBytes: this.#machineBytes,
      load: runtime.load(),
    };
  }

  #drainSelf(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#members.announce();
    this.#parts.drain("the node is drained");
  }

  /** The server refuses new work. */
  refusing(): void {
    this.#draining = true;
    this.#members.announce();
  }

  #checkName(value: string | undefined): void {
    const { instance } = tryParseRecord(value) ?? {};
    const { log, node } = this.#parts;
    const displaced = value !== undefined && instance !== this.#parts.instance;
    if (!displaced || this.#displaced) return;
    this.#displaced = true;
    this.#members.stop();
    log.error(
      "another server has taken this node's name; this one serves its own sessions alone from now on",
      { node },
    );
  }

  #alive({ info, instance }: Member): void {
    const { node, version } = info;
    const { log } = this.#parts;
    this.#channels.heard(instance);
    this.#silent.heard(node, instance);
    log.info("a node is in the cluster", { node, version, sessions: info.sessions.live });
    if (this.#toldGone.delete(node)) this.#tellSessions("sessions_available", node);
    this.#gateway.back(node);
  }

  #gone({ info, instance }: Member, left: boolean): void {
    const { node } = info;
    this.#parts.log.warn(left ? "a node has left the cluster" : "a node does not answer any more", { node });
    this.#toldGone.add(node);
    this.#tellSessions("sessions_unavailable", node);
    if (left) this.#channels.left(instance);
    else void this.#silent.silent(node, instance);
  }

  /** Tells the clients of this node which of their sessions come and go with another node. */
  #tellSessions(type: string, node: string): void {
    for (const connection of this.#router?.connections ?? []) {
      if (connection.peer.transport === "node") continue;
      const sessionIds = this.#gateway.visible(connection, node);
      for (let at = 0; at < sessionIds.length; at += IDS_AN_EVENT) {
        const data = { node, sessionIds: sessionIds.slice(at, at + IDS_AN_EVENT) };
        connection.send(JSON.stringify({ type, data }));
      }
    }
  }

  /** A server event of another node. */
  #news(text: string): void {
    const { node, instance, type, data } = tryParseRecord(text) ?? {};
    if (instance === this.#parts.instance || typeof node !== "string" || typeof type !== "string") return;
    if (!isRecord(data)) return;
    const { sessionId } = data;
    if (typeof sessionId === "string") {
      const owner = this.#parts.local.has(sessionId) ? this.#parts.node : this.claims.ownerOf(sessionId);
      if (owner !== undefined && owner !== node) {
        const { log } = this.#parts;
        return log.warn("a node has spoken of a session that is not its own; it was not heard", {
          node,
          sessionId,
          type,
        });
      }
      if (type === "session_created") this.claims.note(sessionId, node);
      if (type === "session_deleted") this.claims.forget(sessionId, node);
    }
    const gateway = this.#gateway;
    this.#router?.relay(
      type,
      data,
      (connection) => gateway.hears(connection, node) || gateway.holdsBack(connection, node, type, data),
    );
  }
}

/** A node that owns sessions, and was not heard since this one was started. */
function unheardNode(node: string): NodeInfo {
  return {
    node,
    version: "",
    protocolVersion: "",
    pi: "",
    state: "gone",
    sessions: { live: 0, parked: 0, limit: 0 },
    memoryBytes: 0,
    machineBytes: 0,
    load: 0,
  };
}
