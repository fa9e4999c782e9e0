// Does: leads the clients of this node to the sessions of the others, and chooses the node of a new session.
// Used by: the router, through remote.ts. Uses: node_link.ts for each client and node, and fan_out.ts for lists.
// Invariant: commands of one client for one session keep their order, also while its owner is looked up.
import type { Log } from "../../../base/log.ts";
import { isRecord, tryParseRecord } from "../../../base/json.ts";
import { encodeFailure } from "../../../protocol/envelope.ts";
import { type Failure, failure } from "../../../protocol/errors.ts";
import { encodeServerEvent } from "../../../protocol/events.ts";
import type { Command } from "../../../protocol/schema/commands.ts";
import type { NodeInfo } from "../../../protocol/schema/monitoring_commands.ts";
import { sees } from "../../auth/access.ts";
import type { Connection } from "../../router/connection.ts";
import type { Asked, LastAnswers } from "../remote.ts";
import type { Claims } from "../claims.ts";
import type { Members } from "../members.ts";
import type { Channels } from "../wire/channels.ts";
import { Lookups } from "./lookups.ts";
import { ENDING, NodeLink } from "./node_link.ts";
import { byRoom, takesSessions } from "./placement.ts";

export interface GatewayParts {
  readonly node: string;
  readonly ownIds: string;
  readonly log: Log;
  readonly claims: Claims;
  readonly members: Pick<Members, "alive" | "gone" | "get">;
  readonly channels: Pick<Channels, "open">;
  /** Whether NATS is reachable. */
  connected(): boolean;
  /** What this node says of itself. */
  self(): NodeInfo;
  /** Whether a session lives on this node. */
  has(sessionId: string): boolean;
  /** Stores which node got the command with that key. Returns the node that got it first. */
  remember(key: string, node: string): Promise<string>;
  /** The node that remember has stored. */
  recall(key: string): Promise<string | undefined>;
  sha256(text: string): string;
  /** Ends a client of this node. */
  endClient(connection: Connection, code: number, reason: string): void;
}

type Creating = Extract<Command, { type: "create_session" | "load_session" }>;

/** Commands of the server that name one session. */
const OF_SESSION: ReadonlySet<string> = new Set([
  "subscribe",
  "unsubscribe",
  "list_pending_ui",
  "get_available_models",
]);

/** Commands on a file of one node. */
const OF_FILE: ReadonlySet<string> = new Set([
  "archive_session",
  "unarchive_session",
  "rename_stored_session",
  "delete_stored_session",
]);

/** Failures of a node that has no such file. */
const NO_FILE: readonly string[] = ["path_not_found", "path_forbidden"];

/** The ways of this node's clients to the other nodes. */
export class Gateway implements LastAnswers {
  readonly #parts: GatewayParts;
  readonly #links = new Map<Connection, Map<string, NodeLink>>();
  readonly #lookups = new Lookups(() => this.#checkSettled());
  /** Sessions that were sent to a node since its last word. */
  readonly #placed = new Map<string, number>();
  /** Called once no command waits for another node. */
  #settled: (() => void)[] = [];

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** Takes a command that another node has to answer. False: this node answers it. */
  take(asked: Asked, here: () => void): boolean {
    const { connection, command, spec } = asked;
    if (connection.peer.transport === "node") return false;
    const { type } = command;
    if (type === "create_session" || type === "load_session") return this.#create(asked, command, here);
    if (OF_FILE.has(type)) return this.#file(asked, here);
    const { sessionId } = command;
    const named = sessionId !== undefined && sessionId !== "*";
    if (named && (spec.target === "session" || OF_SESSION.has(type))) {
      return this.#ofSession(asked, sessionId, here);
    }
    if (type === "get_available_models" && this.#parts.self().gateway === true) {
      return this.#toFirst(asked, this.#others());
    }
    return false;
  }

  /** The way of a client to a node. */
  link(connection: Connection, node: string): NodeLink {
    const links = this.#links.get(connection) ?? new Map<string, NodeLink>();
    this.#links.set(connection, links);
    const known = links.get(node);
    if (known !== undefined) return known;
    const { channels, members, claims, log, ownIds } = this.#parts;
    const link = new NodeLink({
      connection,
      node,
      ownIds,
      // Without NATS a command would be lost on its way, and its outcome unknown.
      lives: () => members.get(node) !== undefined && this.#parts.connected(),
      open: (events) => {
        const member = members.get(node);
        if (member === undefined || !this.#parts.connected()) return undefined;
        const { access, peer } = connection;
        return channels.open(member.instance, {
          node: this.#parts.node,
          access,
          waits: peer.blocksWhenFull,
          isOneRequest: peer.isOneRequest === true,
        }, events);
      },
      ownerOf: (sessionId) => this.#parts.has(sessionId) ? this.#parts.node : claims.ownerOf(sessionId),
      foreign: (sessionId) => {
        log.warn("a node has sent an event of a session that is not its own; it was dropped", {
          node,
          sessionId,
        });
      },
      endClient: (code, reason) => this.#parts.endClient(connection, code, reason),
      answered: (command, sessionId, success, text) =>
        this.#answered(node, command, sessionId, success, text),
      settled: () => this.#checkSettled(),
    });
    links.set(node, link);
    return link;
  }

  /** Whether server events of that node reach the client over its own way to it. */
  hears(connection: Connection, node: string): boolean {
    return this.#links.get(connection)?.get(node)?.greeted ?? false;
  }

  /** Whether a server event that came past that way has to wait for what comes over it. */
  holdsBack(connection: Connection, node: string, type: string, data: Record<string, unknown>): boolean {
    const { sessionId } = data;
    if (type !== "session_resumed" || typeof sessionId !== "string") return false;
    const link = this.#links.get(connection)?.get(node);
    if (link === undefined || !sees(connection.access, sessionId)) return false;
    return link.places.holdsBack(sessionId, encodeServerEvent(type, data));
  }

  /** A client of this node is gone. */
  closed(connection: Connection): void {
    const links = this.#links.get(connection);
    this.#links.delete(connection);
    for (const link of links?.values() ?? []) link.close();
  }

  /** Resolves when no command of this node's clients waits for another node. */
  whenAnswered(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled.push(resolve);
      this.#checkSettled();
    });
  }

  #checkSettled(): void {
    if (this.#settled.length === 0 || this.#lookups.waits) return;
    if (this.#allLinks.some(({ waits }) => waits)) return;
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  get #allLinks(): NodeLink[] {
    return [...this.#links.values()].flatMap((links) => [...links.values()]);
  }

  /** This node ends: each command that waits for another node, or for the bucket, gets its answer now. */
  farewell(): void {
    for (const asked of this.#lookups.takeAll()) this.#refuse(asked, ENDING);
    for (const link of this.#allLinks) link.farewell();
  }

  /** A node lives again. */
  back(node: string): void {
    for (const links of [...this.#links.values()]) links.get(node)?.back();
  }

  /** A session lives on another node from now on. What clients had subscribed to there has ended. */
  moved(sessionId: string, from: string): void {
    for (const links of this.#links.values()) links.get(from)?.places.forget(sessionId);
  }

  /** A node's word has come, so it counts its new sessions itself. */
  heard(node: string): void {
    this.#placed.delete(node);
  }

  /** The other node that owns a session. Undefined: none does, or this one. */
  async elsewhere(sessionId: string): Promise<string | undefined> {
    const { node, claims } = this.#parts;
    const owner = this.#ownerOf(sessionId) ?? await claims.confirm(sessionId);
    return owner === node ? undefined : owner;
  }

  /** Names of the other nodes that live. */
  get nodes(): readonly string[] {
    return this.#parts.members.alive.map(({ info }) => info.node);
  }

  #ofSession(asked: Asked, sessionId: string, here: () => void): boolean {
    const { claims, node, has } = this.#parts;
    if (this.#lookups.follow(sessionId, asked, () => this.#route(asked, sessionId, here))) return true;
    const owner = has(sessionId) ? node : claims.ownerOf(sessionId);
    const key = this.#keyOf(asked);
    // After a deletion nothing else tells which node keeps the answer under that key.
    const deletes = key !== undefined && asked.command.type === "delete_session";
    if (owner !== undefined && deletes) {
      const stored = this.#parts.remember(key, owner).catch(() => owner);
      this.#lookups.hold(sessionId, stored, asked, () => this.#route(asked, sessionId, here));
      return true;
    }
    if (owner === node) return false;
    if (owner !== undefined) this.#forward(asked, owner);
    else {
      let kept: string | undefined;
      const found = claims.confirm(sessionId).then(async (known) => {
        if (known === undefined && key !== undefined) {
          kept = await this.#parts.recall(key).catch(() => undefined);
        }
      });
      this.#lookups.hold(sessionId, found, asked, () => this.#route(asked, sessionId, here, kept));
    }
    return true;
  }

  /** @param kept the node that has the answer to a repetition, when no node owns the session */
  #route(asked: Asked, sessionId: string, here: () => void, kept?: string): void {
    const { has, claims, node, members } = this.#parts;
    const owner = has(sessionId) ? node : claims.ownerOf(sessionId) ?? kept;
    if (owner === undefined || owner === node) here();
    else if (members.get(owner) === undefined && owner === kept) here();
    else this.#forward(asked, owner);
  }

  /** What the bucket calls a command's idempotency key. Undefined for a command without one. */
  #keyOf({ connection, command, spec }: Asked): string | undefined {
    const { idempotencyKey } = command;
    if (idempotencyKey === undefined || !spec.keyed) return undefined;
    const { sha256 } = this.#parts;
    return sha256(`${connection.access.id} ${idempotencyKey}`).replaceAll(/[^A-Za-z0-9]/g, "_");
  }

  #forward({ connection, command, spec, text }: Asked, node: string): void {
    if (connection.open) this.link(connection, node).command(text, command, spec);
  }

  /** Sends a new session to its node. */
  #create(asked: Asked, command: Creating, here: () => void): boolean {
    const { sessionId, idempotencyKey } = command;
    const now = (): void => this.#createNow(asked, command, here);
    if (sessionId !== undefined && this.#lookups.follow(sessionId, asked, now)) return true;
    const known = sessionId === undefined ? undefined : this.#ownerOf(sessionId);
    if (idempotencyKey === undefined || known !== undefined) {
      return this.#place(asked, command, known, here);
    }
    // A repetition belongs to the node that got the first one, whichever node it arrives at.
    if (sessionId !== undefined) {
      this.#lookups.hold(sessionId, this.#parts.claims.confirm(sessionId), asked, now);
    } else this.#createKeyed(asked, command, here);
    return true;
  }

  #createNow(asked: Asked, command: Creating, here: () => void): void {
    const known = command.sessionId === undefined ? undefined : this.#ownerOf(command.sessionId);
    if (!this.#place(asked, command, known, here)) here();
  }

  #createKeyed(asked: Asked, command: Creating, here: () => void): void {
    const { remember, node, members } = this.#parts;
    const chosen = this.#choices(command)[0];
    // Those that come while the bucket answers go on from there.
    if (chosen !== undefined) this.#count(chosen.node);
    const key = this.#keyOf(asked);
    let to: string | undefined;
    const find = async (): Promise<void> => {
      if (key === undefined) return;
      // The node that the command names may have an heir, and that has the answer to a repetition.
      to = chosen === undefined ? await this.#keeperOf(key) : await remember(key, chosen.node);
    };
    this.#lookups.hold(Symbol(), find(), asked, () => {
      if (!asked.connection.open) return;
      if (to === undefined || to === chosen?.node) {
        if (!this.#place(asked, command, undefined, here, chosen)) here();
      } else if (to === node) here();
      else if (members.get(to) === undefined) this.#refuse(asked, goneNode(to));
      else this.#forward(asked, to);
    });
  }

  /** The living node that keeps the answer under a key. */
  async #keeperOf(key: string): Promise<string | undefined> {
    const kept = await this.#parts.recall(key).catch(() => undefined);
    return kept !== undefined && this.#lives(kept) ? kept : undefined;
  }

  #lives(node: string): boolean {
    return node === this.#parts.node || this.#parts.members.get(node) !== undefined;
  }

  #ownerOf(sessionId: string): string | undefined {
    const { has, node, claims } = this.#parts;
    return has(sessionId) ? node : claims.ownerOf(sessionId);
  }

  /** A session goes to that node. */
  #count(node: string): void {
    this.#placed.set(node, (this.#placed.get(node) ?? 0) + 1);
  }

  /**
   * @param owner the node that owns the id already, which then decides what that means
   * @param chosen the node under whose name the key is stored. It is counted already
   */
  #place(
    asked: Asked,
    command: Creating,
    owner: string | undefined,
    here: () => void,
    chosen?: NodeInfo,
  ): boolean {
    const { node, members, claims } = this.#parts;
    const wanted = command.node;
    const lost = wanted !== undefined && !this.#lives(wanted);
    // The heir of a node that is gone answers repetitions, and refuses the others.
    if (owner !== undefined && (wanted === undefined || lost && this.#lives(owner))) {
      if (owner === node) return false;
      this.#forward(asked, owner);
      return true;
    }
    if (lost) {
      const was = members.gone.some(({ info }) => info.node === wanted);
      this.#refuse(asked, was ? goneNode(wanted) : noNode(wanted));
      return true;
    }
    const choices = this.#choices(command);
    const first = chosen ?? choices[0];
    if (first === undefined) {
      this.#refuse(asked, failure("node_unavailable", NO_ROOM, { retryAfterMs: 1_000 }));
      return true;
    }
    if (command.type === "load_session" && wanted === undefined && choices.length > 1) {
      this.#toFirst(asked, choices, here);
      return true;
    }
    if (chosen === undefined) this.#count(first.node);
    if (first.node === node) return false;
    // Later commands of this client follow the session there, before the bucket reports it.
    if (command.sessionId !== undefined) claims.note(command.sessionId, first.node);
    this.#forward(asked, first.node);
    return true;
  }

  /** The nodes for a new session, best first. A node that was named is taken as it is, and answers for itself. */
  #choices(command: Creating): readonly NodeInfo[] {
    // A file is looked for in the same order at each node.
    const stays = command.type === "create_session" ? { self: true as const } : {};
    const self = { ...this.#parts.self(), ...stays };
    if (command.node !== undefined) {
      const all = [self, ...this.#parts.members.alive.map(({ info }) => info)];
      return all.filter(({ node }) => node === command.node);
    }
    return byRoom([self, ...this.#reachable()], (node) => this.#placed.get(node) ?? 0);
  }

  /** The other nodes that can be asked now. After a loss of NATS they count as alive for some seconds more. */
  #reachable(): readonly NodeInfo[] {
    const { connected, members } = this.#parts;
    return connected() ? members.alive.map(({ info }) => info) : [];
  }

  #others(): readonly NodeInfo[] {
    return byRoom(this.#reachable(), () => 0);
  }

  /** A command on a file: the named node's, or of the first node that has the file. */
  #file(asked: Asked, here: () => void): boolean {
    const { node, members, self } = this.#parts;
    const wanted = (asked.command as { node?: string }).node;
    if (wanted === node) return false;
    if (wanted !== undefined) {
      if (members.get(wanted) === undefined) this.#refuse(asked, noNode(wanted));
      else this.#forward(asked, wanted);
      return true;
    }
    const others = this.#others();
    if (others.length === 0) return false;
    this.#toFirst(asked, takesSessions(self()) ? [self(), ...others] : others, here);
    return true;
  }

  /** Asks one node after the other until one has the file. */
  #toFirst(asked: Asked, nodes: readonly NodeInfo[], here: () => void = () => {}): boolean {
    const [next, ...rest] = nodes;
    if (next === undefined) {
      this.#refuse(asked, failure("node_unavailable", NO_ROOM, { retryAfterMs: 1_000 }));
      return true;
    }
    // The last one answers, whatever it says.
    if (rest.length === 0) {
      if (next.node === this.#parts.node) here();
      else this.#forward(asked, next.node);
      return true;
    }
    if (next.node === this.#parts.node) {
      // This node's own answer goes to the client, so it comes last.
      return this.#toFirst(asked, [...rest, next], here);
    }
    const { connection, command } = asked;
    const { id: _id, ...fields } = command as Record<string, unknown> & Command;
    connection.asked();
    this.link(connection, next.node).ask({ ...fields, type: command.type }, (answer) => {
      connection.answered();
      const code = typeof answer === "string" ? tryParseRecord(answer)?.["code"] : answer.code;
      const elsewhere = typeof answer !== "string" || NO_FILE.includes(String(code));
      if (elsewhere) return void this.#toFirst(asked, rest, here);
      this.#answered(next.node, command, command.sessionId, code === undefined, answer);
      connection.send(withId(answer, command.id));
    });
    return true;
  }

  /** Learns where a new session lives, before the bucket reports it. */
  #answered(
    node: string,
    { type }: Pick<Command, "type">,
    sessionId: string | undefined,
    success: boolean,
    text: string,
  ): void {
    const { claims } = this.#parts;
    if (type === "delete_session" && success && sessionId !== undefined) {
      return claims.forget(sessionId, node);
    }
    if (type !== "create_session" && type !== "load_session") return;
    if (!success) return sessionId === undefined ? undefined : claims.unnote(sessionId);
    const { data } = tryParseRecord(text) ?? {};
    const made = isRecord(data) ? data["sessionId"] : undefined;
    if (typeof made === "string") claims.note(made, node);
  }

  #refuse({ connection, command }: Asked, failed: Failure): void {
    const { id, type, sessionId } = command;
    connection.send(encodeFailure({
      command: type,
      ...(id === undefined ? {} : { id }),
      ...(sessionId === undefined || sessionId === "*" ? {} : { sessionId }),
    }, failed));
  }

  /** The sessions of a node that a client may see. */
  visible(connection: Connection, node: string): readonly string[] {
    return this.#parts.claims.sessionsOf(node).filter((sessionId) => sees(connection.access, sessionId));
  }
}

const NO_ROOM = "No node of the cluster takes sessions now; start one, or try again";

/** The node cannot be reached. */
export function goneNode(node: string): Failure {
  const sentence = `Node ${node} cannot be reached now; name another one, or try again once it is back`;
  return failure("node_unavailable", sentence, { retryAfterMs: 1_000, data: { node } });
}

/** There is no node of that name. */
export function noNode(node: string): Failure {
  return failure("node_not_found", `The cluster has no node "${node}"; list_nodes shows what there is`);
}

/** The answer to this node's own command as that to the client's. */
function withId(answer: string, id: string | undefined): string {
  const rest = answer.replace(/^\{"id":"[^"]*",/, "{");
  return id === undefined ? rest : `{"id":${JSON.stringify(id)},${rest.slice(1)}`;
}
