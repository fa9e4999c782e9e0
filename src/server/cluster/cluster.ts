// Does: makes this server a node of a cluster: joins its parts, and answers what the router asks of the other nodes.
// Used by: server.ts, which loads it only with `--cluster`.
// Invariant: without NATS this node goes on with its own sessions, for its own clients.
import { deadline } from "../../base/async/deadline.ts";
import { errorMessage } from "../../base/error_message.ts";
import { tryParseRecord } from "../../base/json.ts";
import type { Config } from "../../config/config.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import type { NodeInfo } from "../../protocol/schema/monitoring_commands.ts";
import { encodeFailure, encodeSuccess } from "../../protocol/envelope.ts";
import type { Failure } from "../../protocol/errors.ts";
import { PROTOCOL_VERSION, SERVER_VERSION } from "../../protocol/version.ts";
import type { Timer } from "../../runtime/runtime.ts";
import type { Governor } from "../../governor/governor.ts";
import { answerBytes } from "../lists/answer_bytes.ts";
import { PageCursors } from "../lists/page_cursors.ts";
import type { Access } from "../auth/access.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { Connection } from "../router/connection.ts";
import type { Asked, Here, LastAnswers, Remote, RemoteReader } from "./remote.ts";
import type { Router } from "../router/router.ts";
import type { TokenStore } from "../auth/token_store.ts";
import { Claims, ephemeralState, LEASE_LOST, type LocalSessions } from "./claims.ts";
import { ClusterError } from "./bus.ts";
import { FanOut } from "./gateway/fan_out.ts";
import { Gateway, noNode } from "./gateway/gateway.ts";
import { byRoom } from "./gateway/placement.ts";
import { MergedList } from "./gateway/merged_list.ts";
import { NodeNews } from "./gateway/node_news.ts";
import { SessionReader } from "./gateway/session_reader.ts";
import { aliveSubject, join, type Joined, type JoinParts, nodeKey, prefixOf } from "./join.ts";
import { freeLost } from "./lost_sessions.ts";
import { type Member, Members } from "./members.ts";
import { SilentNodes } from "./silent_nodes.ts";
import { type ClusterView, issuesOf, nodesOf } from "./cluster_view.ts";
import { SessionNews } from "./session_news.ts";
import type { Heir } from "./shared/heir.ts";
import type { NodeLease } from "./shared/node_lease.ts";
import { SharedSessions } from "./shared/shared_sessions.ts";
import { TokenSync } from "./token_sync.ts";
import { Channels } from "./wire/channels.ts";
import { NodeTransport } from "./wire/node_transport.ts";

export interface ClusterParts extends JoinParts {
  readonly config: Config;
  readonly governor: Governor;
  /** The version of pi. */
  readonly pi: string;
  readonly local: LocalSessions;
  /** Path of the state folder. */
  readonly folder: string;
  /** What this node does with its sessions when another one may take them over. */
  readonly sessions: { endAll(reason: string): void; forget(sessionId: string): void };
  readonly heir: Heir;
  /** Ends this server: running turns end, sessions are parked. */
  drain(reason: string): void;
}

/** Milliseconds that a start waits for the words of the other nodes. A node that starts as well has none yet. */
const MEET_MS = 1_500;

/** Milliseconds that marks of removed entries stay, and between two looks at them. */
const TIDY_MS = 3_600_000;

/** The first characters of the keys of registrations. */
const NODE_KEYS = nodeKey("");

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
  readonly #news: NodeNews;
  readonly #fanOut: FanOut;
  readonly #shared: SharedSessions;
  readonly #sessionNews: SessionNews;
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
  #tidying: Timer | undefined;

  private constructor(parts: ClusterParts, joined: Joined) {
    this.#parts = parts;
    this.#joined = joined;
    const { bus } = joined;
    const { runtime, log, node, state, instance, cluster, local, config } = parts;
    const prefix = prefixOf(cluster.name);
    this.#machineBytes = runtime.memoryBounds().machineBytes;
    const self = { node, state: config.ephemeral ? ephemeralState(state) : state };
    this.claims = new Claims({
      ...{ bus, log, self, local },
      mayOwn: () => this.lease?.valid ?? true,
      moved: (sessionId, from, to) => {
        this.#gateway.moved(sessionId, from);
        this.#sessionNews.moved(sessionId, to);
      },
    });
    this.#shared = new SharedSessions({
      ...{ runtime, bus, log, node, instance, state, claims: this.claims },
      ...{ folder: parts.folder, heir: parts.heir, sessions: parts.sessions },
      shared: cluster.shared === true && !config.gateway,
      rank: (nodes) => this.#rank(nodes),
      tell: (type) => this.#sessionNews.tell(type, node),
    });
    this.#sessionNews = new SessionNews({
      clock: runtime,
      connections: () => this.#router?.connections ?? [],
      visible: (connection, from) => this.#gateway.visible(connection, from),
    });
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
      onHeard: ({ node }) => this.#gateway.heard(node),
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
      remember: async (key, first) => this.#heirOf(await bus.remember(key, first)),
      recall: async (key) => {
        const kept = await bus.recall(key);
        return kept === undefined ? undefined : this.#heirOf(kept);
      },
      sha256: (text) => runtime.sha256(text),
      endClient: (connection, code, reason) => this.#router?.end(connection, code, reason),
    });
    this.#news = new NodeNews({
      ...{ log, instance, claims: this.claims, gateway: this.#gateway },
      ownerOf: (sessionId) => this.#ownerOf(sessionId),
      relay: (type, data, skips) => this.#router?.relay(type, data, skips),
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

  /** This node's lease of its sessions. Undefined while no other node may take them over. */
  get lease(): NodeLease | undefined {
    return this.#shared.lease;
  }

  /** Why no command may begin now. */
  mayBegin(): Failure | undefined {
    return this.lease?.valid === false ? LEASE_LOST : undefined;
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
        this.#shared.changed(key, value);
        if (key === nodeKey(node)) this.#checkName(value);
        else if (key.startsWith(NODE_KEYS)) this.#registered.set(key.slice(NODE_KEYS.length), value);
      },
      synced: (keys) => {
        synced = keys;
        if (checked) void this.#synced(keys);
      },
    });
    await this.#shared.begin();
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
    bus.subscribe(
      `${prefixOf(cluster.name)}.news`,
      (data) => this.#news.take(new TextDecoder().decode(data)),
    );
    bus.subscribe(`${prefixOf(cluster.name)}.drain.${instance}`, () => this.#drainSelf());
    bus.onConnection = (connected) => {
      this.#members.connection(connected);
      if (connected) {
        log.info("NATS is back");
        this.#channels.askAll();
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
    this.#shared.start();
    this.#tidy();
  }

  /** Leaves. */
  async close(): Promise<void> {
    this.#members.stop();
    this.#silent.close();
    this.#sessionNews.close();
    this.#tidying?.clear();
    await this.#shared.close();
    if (this.#parts.config.ephemeral) await this.claims.releaseAll();
    await this.#joined.bus.close();
  }

  take(asked: Asked, here: () => void): boolean {
    const { connection, command, spec } = asked;
    const { id, type, sessionId } = command;
    const refused = this.mayBegin();
    // Other clients' commands come over virtual connections, and end here too.
    const own = sessionId !== undefined && this.#parts.local.has(sessionId);
    if (type === "delete_session" && command.lost === true && !own) {
      void this.#deleteLost(asked, command.sessionId, here);
      return true;
    }
    if (refused === undefined || !own || spec.target !== "session" && type !== "subscribe") {
      return this.#gateway.take(asked, here);
    }
    connection.send(
      encodeFailure({ command: type, sessionId, ...(id === undefined ? {} : { id }) }, refused),
    );
    return true;
  }

  /** Deletes a session that is gone with its node. */
  async #deleteLost(asked: Asked, sessionId: string, here: () => void): Promise<void> {
    const { connection, command: { id, type } } = asked;
    connection.asked();
    const done = await freeLost(sessionId, {
      bus: this.#joined.bus,
      claims: this.claims,
      alive: (node) => this.#isHere(node),
      subject: (node) => {
        const { instance } = tryParseRecord(this.#registered.get(node)) ?? {};
        return typeof instance === "string" ? aliveSubject(this.#parts.cluster.name, instance) : undefined;
      },
    });
    connection.answered();
    if (done === "there") {
      if (!this.#gateway.take(asked, here)) here();
      return;
    }
    const head = { command: type, sessionId, ...(id === undefined ? {} : { id }) };
    if (done !== "freed") return connection.send(encodeFailure(head, done));
    this.#parts.log.warn("the id of a lost session is free again", { sessionId });
    connection.send(encodeSuccess(head, JSON.stringify({ deleted: true })));
    this.#router?.announce("session_deleted", { sessionId });
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
    return nodesOf(this.#view());
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
    return issuesOf(this.#view());
  }

  #view(): ClusterView {
    return {
      self: this.#self(),
      members: this.#members,
      claims: this.claims,
      connected: this.#joined.bus.connected,
      displaced: this.#displaced,
      leased: this.lease?.valid !== false,
    };
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
      state: this.#draining || this.mayBegin() !== undefined ? "draining" : "running",
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

  /** Drops the marks of removed entries. One node does it for all. */
  #tidy(): void {
    const { runtime, log, node } = this.#parts;
    this.#tidying = runtime.after(TIDY_MS, () => this.#tidy());
    const { bus } = this.#joined;
    if (!bus.connected || this.#members.alive.some(({ info }) => info.node < node)) return;
    void bus.dropMarks(runtime.now() - TIDY_MS).catch((error) => {
      log.debug("the marks of removed entries stay in the bucket", { reason: errorMessage(error) });
    });
  }

  #drainSelf(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#members.announce();
    this.#parts.drain("the node is drained");
  }

  /** The server refuses new work. Returns what its clients wait for. */
  refusing(): LastAnswers {
    this.#draining = true;
    this.#members.announce();
    return this.#gateway;
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
    if (this.#toldGone.delete(node)) this.#sessionNews.tell("sessions_available", node);
    this.#gateway.back(node);
  }

  #gone({ info, instance }: Member, left: boolean): void {
    const { node } = info;
    this.#parts.log.warn(left ? "a node has left the cluster" : "a node does not answer any more", { node });
    this.#toldGone.add(node);
    this.#sessionNews.tell("sessions_unavailable", node);
    if (left) this.#channels.left(instance);
    else void this.#silent.silent(node, instance);
  }

  #isHere(node: string): boolean {
    return node === this.#parts.node || this.#members.get(node) !== undefined;
  }

  /** The answers under a dead node's keys are where its sessions are. */
  #heirOf(node: string): string {
    return this.#shared.heirOf(node, (one) => this.#isHere(one));
  }

  /** How many of those nodes have more room than this one. */
  #rank(nodes: readonly string[]): number {
    const known = this.#members.alive.map(({ info }) => info).filter(({ node }) => nodes.includes(node));
    const order = byRoom([...known, { ...this.#self(), self: true }], () => 0);
    return Math.max(0, order.findIndex(({ node }) => node === this.#parts.node));
  }

  #ownerOf(sessionId: string): string | undefined {
    return this.#parts.local.has(sessionId) ? this.#parts.node : this.claims.ownerOf(sessionId);
  }
}
