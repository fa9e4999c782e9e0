// Does: takes the commands of all connections, refuses or forwards them, and fans events out to subscribers.
// Used by: server.ts and the transports. Uses: server_commands.ts and the manager.
// Invariant: refusals are checked in the order of docs/PROTOCOL.md#limits.
import { Codec, type Decoded, exceeds } from "../../protocol/codec.ts";
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { encodeServerEvent } from "../../protocol/events.ts";
import type { Greeting } from "../../protocol/schema/responses.ts";
import { toJson } from "../../base/text.ts";
import { type Access, ADMIN, sees } from "../auth/access.ts";
import { type Governor, isPermit, type Permit } from "../../governor/governor.ts";
import { isLimitName, type LimitName } from "../../governor/limits.ts";
import type { Reply } from "../../ipc/messages.ts";
import type { Log } from "../../base/log.ts";
import type { SessionManager } from "../manager/session_manager.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { TokenStore } from "../auth/token_store.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { forbidden } from "../auth/authorization.ts";
import { type Held, isBulk } from "./bulk_turns.ts";
import { Connection } from "./connection.ts";
import { Cursors } from "./cursors.ts";
import { TokenExpiry } from "./token_expiry.ts";
import { OWN_COMMANDS, type OwnContext } from "./server_commands.ts";
import { SubscriptionService } from "./subscription_service.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { PageCursors } from "../lists/page_cursors.ts";
import type { StoredSessions } from "../lists/stored_sessions.ts";
import { answerBytes } from "../lists/answer_bytes.ts";
import { SessionList } from "../lists/session_list.ts";
import { ServerMetrics } from "./server_metrics.ts";
import type { CloseFrame, Peer } from "./peer.ts";
import type { Here, Remote } from "../cluster/remote.ts";
import { encodeFailure, encodeSuccess, type ResponseHead } from "../../protocol/envelope.ts";

export interface RouterParts {
  readonly manager: SessionManager;
  readonly governor: Governor;
  readonly log: Log;
  readonly clock: Clock;
  readonly cursors: PageCursors;
  /** The commands on stored sessions. Absent: there are none. */
  readonly stored?: StoredSessions;
  /** The greeting of a connection. Called for each one, because endpoints come up one by one. */
  greeting(): Greeting;
  readonly schema: { readonly all: Record<string, unknown>; readonly hash: string };
  /** A sentence for each folder that sessions need and cannot use. */
  folderIssues?(): Promise<readonly string[]>;
  /** The other nodes of a cluster. Absent: the server stands alone. */
  readonly remote?: Remote | undefined;
  /** Minted tokens, when the state folder exists. Absent: none can be minted. */
  readonly tokens?: () => TokenStore | undefined;
}

/** Server events that the log reports. */
const SESSION_EVENTS: ReadonlySet<string> = new Set(["session_created", "session_deleted"]);

const NO_PERMIT: Permit = { release() {} };

const TOO_LARGE: CloseFrame = { code: 1009, reason: "The message is too large" };
const TOO_MANY_INVALID: CloseFrame = { code: 1008, reason: "Too many invalid messages" };

export class Router {
  readonly parts: RouterParts;
  readonly #subscriber: SubscriptionService;
  readonly #own: OwnContext;
  readonly #cursors: Cursors;
  readonly #expiry: TokenExpiry;
  readonly #codec: Codec;
  readonly #subscriptions = new Subscriptions();
  readonly #connections = new Set<Connection>();
  /** Called with the number of connections when it has changed. */
  onConnections: (count: number) => void = () => {};
  /** The metrics of the server. */
  readonly serverMetrics: ServerMetrics;
  /** Connections with commands that wait for room. */
  readonly #backlogs = new Set<Connection>();
  #refusing = false;
  #ids = 0;

  constructor(parts: RouterParts) {
    this.parts = parts;
    const { limits } = parts.governor;
    this.#codec = new Codec(limits, limits.sessions + limits.parkedSessions);
    this.#subscriber = new SubscriptionService(parts.manager, this.#subscriptions);
    const { manager, schema } = parts;
    this.serverMetrics = new ServerMetrics({ ...parts, connections: () => this.#connections });
    this.#own = {
      manager,
      schema,
      now: () => parts.clock.now(),
      greeting: () => parts.greeting(),
      subscriber: this.#subscriber,
      serverMetrics: this.serverMetrics,
      sessionList: new SessionList({
        manager,
        cursors: parts.cursors,
        monotonic: () => parts.clock.monotonic(),
        isArchived: (file) => parts.stored?.isArchived(file) ?? false,
      }),
      stored: parts.stored,
      answerBytes: answerBytes(parts.governor.limits.frameBytes),
      tokens: () => parts.tokens?.(),
      connections: () => this.connections,
      nodes: () => parts.remote?.nodes(),
      drain: (node) => parts.remote?.drain(node),
    };
    this.#expiry = new TokenExpiry(parts.clock, (connection, reason) => this.#disconnect(connection, reason));
    this.#cursors = new Cursors(parts.clock, () => this.#tellCursors());
  }

  /** Starts the workers and listens to them. */
  open(): void {
    this.parts.manager.start({
      // Bound, since a closure would be one more frame on the way of every event.
      onEvents: this.#subscriptions.publish.bind(this.#subscriptions),
      onServerEvent: (type, data) => {
        if (type === "session_created") this.parts.governor.counters.sessionsCreated++;
        if (SESSION_EVENTS.has(type)) this.parts.log.info(type.replace("_", " "), data);
        this.announce(type, data);
      },
      demandFor: (sessionId) => this.#subscriptions.demand(sessionId),
      isWatched: (sessionId) => this.#subscriptions.watched(sessionId),
    });
    this.#cursors.start();
  }

  /** The number of the next connection, or of a request that acts like one. */
  nextId(): number {
    return ++this.#ids;
  }

  /** A token was revoked. Ends its connections. */
  revoked(tokenId: string): void {
    for (const connection of this.connections) {
      if (connection.access.id === tokenId) this.#disconnect(connection, "The token was revoked");
    }
  }

  /** Clears its timers. */
  close(): void {
    this.#expiry.close();
    this.#cursors.stop();
  }

  /** Connections that are open now. */
  get connections(): readonly Connection[] {
    return [...this.#connections];
  }

  /** Accepts and greets a new peer with the rights of its token. */
  accept(peer: Peer, access: Access = ADMIN): Connection {
    const { governor, log, clock } = this.parts;
    const connection = new Connection({
      id: this.nextId(),
      peer,
      clock,
      limits: governor.limits,
      access,
      giveUp: (slow, reason) => {
        governor.counters.evicted++;
        log.warn("a connection was closed because its client reads too slowly", {
          connection: slow.id,
          reason,
        });
        slow.peer.close(1013, "The client reads too slowly; connect again and subscribe with your cursor");
        this.closed(slow);
      },
    });
    this.#connections.add(connection);
    governor.counters.connectionsOpened++;
    log.debug("a client has connected", { connection: connection.id, token: access.id, role: access.role });
    connection.send(toJson(this.parts.greeting()));
    this.#expiry.watch(connection);
    this.onConnections(this.#connections.size);
    return connection;
  }

  /** The peer is gone. Its runs go on. */
  closed(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.parts.log.debug("a client is gone", { connection: connection.id });
    this.serverMetrics.absorb(connection);
    connection.closed();
    this.parts.remote?.closed(connection);
    this.#expiry.forget(connection);
    this.#backlogs.delete(connection);
    this.parts.governor.connectionGone(connection.id);
    this.#subscriptions.drop(connection);
    this.#subscriber.demandChanged();
    this.onConnections(this.#connections.size);
  }

  /** Takes one message. Returns a close frame when the socket must close; on stdio the stream goes on. */
  receive(connection: Connection, text: string): CloseFrame | undefined {
    this.parts.governor.counters.bytesIn += text.length;
    if (exceeds(text, this.parts.governor.limits.frameBytes)) {
      this.tooLarge(connection);
      return TOO_LARGE;
    }
    const decoded = this.#codec.decode(text);
    if (!decoded.ok) return this.#refuse(connection, decoded.failure, decoded);
    this.#take(connection, decoded, text);
    return undefined;
  }

  /** A message exceeded the size of a frame. */
  tooLarge(connection: Connection): void {
    const most = this.parts.governor.limits.frameBytes;
    const sentence = `The message has more than ${most} bytes; send less, or raise --max-frame-bytes`;
    this.#refuse(connection, failure("frame_too_large", sentence, { data: { limit: "frameBytes" } }));
  }

  /** A message was not valid UTF-8. */
  malformed(connection: Connection): void {
    this.#refuse(connection, failure("invalid_json", "The message is not valid UTF-8"));
  }

  /** Refuses new commands from now on, except those that read or stop something. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Sends a server event to every connection, of other nodes too. */
  announce(type: string, data: Record<string, unknown>): void {
    this.#tellAll(type, data, this.connections);
    this.parts.remote?.announced(type, data);
  }

  /** Sends a server event of another node to the clients of this one, but for those that hear that node themselves. */
  relay(type: string, data: Record<string, unknown>, hears: (connection: Connection) => boolean): void {
    const own = this.connections.filter((one) => one.peer.transport !== "node" && !hears(one));
    if (type === "catalogue_changed") this.#tellCatalogue(data, own);
    else this.#tellAll(type, data, own);
  }

  #tellAll(type: string, data: Record<string, unknown>, connections: readonly Connection[]): void {
    const text = encodeServerEvent(type, data);
    const { sessionId } = data;
    for (const connection of connections) {
      if (typeof sessionId !== "string" || sees(connection.access, sessionId)) connection.send(text);
    }
    // A parked session returns with another epoch, but its subscribers stay.
    const gone = type === "session_deleted" || type === "session_crashed";
    if (gone && typeof sessionId === "string") this.#subscriptions.dropSession(sessionId);
  }

  /** Sends news of the stored sessions to those that subscribe to all sessions, and may see all of them. */
  announceCatalogue(data: Record<string, unknown>): void {
    this.#tellCatalogue(data, this.connections);
    this.parts.remote?.announced("catalogue_changed", data);
  }

  #tellCatalogue(data: Record<string, unknown>, connections: readonly Connection[]): void {
    const text = encodeServerEvent("catalogue_changed", data);
    for (const connection of connections) {
      const { access } = connection;
      if (access.sessions === undefined && this.#subscriptions.has(connection, "*")) connection.send(text);
    }
  }

  /** Sends their cursors to subscribers with a filter. */
  #tellCursors(): void {
    const { manager } = this.parts;
    for (const { connection, sessionIds } of this.#subscriptions.filtered(manager.sessionIds)) {
      for (const sessionId of sessionIds) {
        const kept = manager.replayOf(sessionId);
        if (kept === undefined || connection.lags(sessionId)) continue;
        const { epoch, log } = kept;
        const text = this.#cursors.next(connection, sessionId, epoch, log.lastSeq);
        if (text !== undefined) connection.send(text);
      }
    }
  }

  /** Answers an invalid command. Too many in a minute end a socket. */
  #refuse(
    connection: Connection,
    failed: Failure,
    about: { readonly id?: string; readonly command: string } = { command: "unknown" },
  ): CloseFrame | undefined {
    const { governor, clock } = this.parts;
    const tooMany = governor.invalid(connection.id, clock.monotonic());
    const { id, command } = about;
    const head: ResponseHead = { ...(id === undefined ? {} : { id }), command };
    this.#count(tooMany ?? failed);
    connection.send(encodeFailure(head, tooMany ?? failed));
    return tooMany === undefined ? undefined : TOO_MANY_INVALID;
  }

  /** @param isHere this server answers it, whatever other nodes there are */
  #take(
    connection: Connection,
    decoded: Extract<Decoded, { ok: true }>,
    text: string,
    isHere = this.parts.remote === undefined,
  ): void {
    connection.hasSentCommand = true;
    const { manager, remote } = this.parts;
    const { command, spec } = decoded;
    const refused = forbidden(connection.access, command, spec);
    if (refused !== undefined) return this.#respond(connection, command, refused);
    if (!isHere && (!this.#refusing || spec.duringShutdown)) {
      const here = (): void => this.#take(connection, decoded, text, true);
      if (remote?.take({ connection, command, spec, text }, here) === true) return;
    }
    const keyed = manager.journal.keyed(connection.access.id, command, spec);
    const known = keyed === undefined ? undefined : manager.journal.find(keyed, spec);
    if (known?.kind === "answer") return this.#reply(connection, command, known.reply);
    const limited = known?.kind === "running" ? undefined : this.#rate(connection, command, spec);
    if (limited !== undefined) return this.#respond(connection, command, limited);
    const held = { command, spec, bytes: text.length, keyed };
    if (!(connection.holding && !spec.exempt) && this.#admit(connection, held) === "taken") return;
    connection.defer(held);
    this.#backlogs.add(connection);
  }

  /** Counts a command once, however long it waits for room. */
  #rate(connection: Connection, command: Command, spec: CommandSpec): Failure | undefined {
    const { governor, manager, clock } = this.parts;
    if (spec.exempt || (this.#refusing && !spec.duringShutdown) || !connection.counts()) return undefined;
    const { sessionId, type } = command;
    const ofNone = sessionId === undefined || sessionId === "*" || type === "create_session" ||
      type === "load_session";
    const about = ofNone ? undefined : manager.has(sessionId) ? sessionId : connection.id;
    return governor.command(about, clock.monotonic());
  }

  /** Runs or refuses a command. Returns "full" when there is no room and the peer waits. */
  #admit(connection: Connection, held: Held, kept?: Permit): "taken" | "full" {
    const { governor, manager } = this.parts;
    const { command, spec, keyed } = held;
    const found = keyed === undefined ? undefined : manager.journal.find(keyed, spec);
    if (found?.kind === "answer") {
      this.#reply(connection, command, found.reply);
      return "taken";
    }
    if (this.#refusing && !spec.duringShutdown && found?.kind !== "running") {
      const sentence = "The server is shutting down; connect again once it is back";
      this.#respond(connection, command, failure("shutting_down", sentence));
      return "taken";
    }
    const permit = kept ?? (spec.exempt ? NO_PERMIT : governor.inFlight(connection.id));
    if (!isPermit(permit)) {
      if (connection.peer.blocksWhenFull) return "full";
      this.#respond(connection, command, permit);
      return "taken";
    }
    connection.asked();
    if (kept === undefined && !spec.exempt && connection.bulk.mustWait(held)) {
      connection.bulk.wait({ held, permit });
      return "taken";
    }
    const bulk = isBulk(command, spec);
    if (bulk) connection.bulk.started();
    const replyTo = this.#replyTo(connection, command, permit, bulk);
    if (found?.kind === "running") {
      found.join((reply) => replyTo.answer(reply));
      return "taken";
    }
    const asking = found === undefined ? replyTo : manager.journal.reserve(found.command, replyTo);
    const refused = this.#dispatch(connection, command, spec, asking);
    if (refused === undefined) return "taken";
    manager.journal.release(asking);
    permit.release();
    connection.answered();
    if (bulk) this.#bulkEnded(connection);
    if (refused.code === "overloaded" && connection.peer.blocksWhenFull) return "full";
    this.#respond(connection, command, refused);
    return "taken";
  }

  /** @param isHere only this server's own part is asked for */
  #dispatch(
    connection: Connection,
    command: Command,
    spec: CommandSpec,
    replyTo: ReplyTo,
    isHere = false,
  ): Failure | undefined {
    const { remote } = this.parts;
    if (!isHere && remote !== undefined) {
      const here: Here = (to, instead) => void this.#dispatch(connection, instead ?? command, spec, to, true);
      if (remote.spread(connection, command, replyTo, here)) return undefined;
    }
    const own = OWN_COMMANDS.get(command.type);
    if (own !== undefined) {
      own(this.#own, connection, command, replyTo);
      return undefined;
    }
    if (command.type === "get_available_models" && command.sessionId === undefined) {
      this.parts.manager.askAnyWorker(command, replyTo);
      return undefined;
    }
    const refused = this.parts.manager.forwardCommand(command, spec, replyTo);
    if (refused === undefined && command.sessionId !== undefined) {
      connection.usedSessions.add(command.sessionId);
    }
    return refused;
  }

  /** Turns the one reply into the one response, and makes room. */
  #replyTo(connection: Connection, command: Command, permit: Permit, bulk: boolean): ReplyTo {
    const sent = bulk ? (): void => this.#bulkEnded(connection) : undefined;
    let open = true;
    return {
      connection: connection.id,
      onReleased: () => {
        permit.release();
        this.#makeRoom(connection);
      },
      answer: (reply) => {
        if (!open) return;
        open = false;
        permit.release();
        this.#reply(connection, command, reply, sent);
        connection.answered();
        this.#makeRoom(connection);
      },
    };
  }

  /** A large answer was passed to the socket. Waiting commands start in a turn of their own. */
  #bulkEnded(connection: Connection): void {
    connection.bulk.ended();
    if (!connection.bulk.waits) return;
    queueMicrotask(() => {
      while (connection.open) {
        const next = connection.bulk.next();
        if (next === undefined) return;
        // It keeps its place among the commands in flight, and was counted at its arrival.
        const taken = this.#admit(connection, next.held, next.permit);
        if (taken === "full") {
          connection.defer(next.held);
          this.#backlogs.add(connection);
        }
        connection.answered();
      }
    });
  }

  /** Another waiting connection may need the room in a mailbox, so all of them try again. */
  #makeRoom(answered: Connection): void {
    if (this.#backlogs.size === 0) return;
    for (const connection of new Set([answered, ...this.#backlogs])) {
      connection.retry((held) => this.#admit(connection, held));
      if (!connection.holding) this.#backlogs.delete(connection);
    }
  }

  /** Ends a connection whose token has ended. Its runs go on. */
  #disconnect(connection: Connection, reason: string): void {
    this.end(connection, 1008, reason);
  }

  /** Ends a connection. Its runs go on. */
  end(connection: Connection, code: number, reason: string): void {
    connection.peer.close(code, reason);
    this.closed(connection);
  }

  #respond(connection: Connection, command: Command, failed: Failure): void {
    this.#reply(connection, command, { ok: false, failure: failed });
  }

  /** @param sent called after the response was passed to the socket */
  #reply(connection: Connection, command: Command, reply: Reply, sent?: () => void): void {
    const head: ResponseHead = {
      ...(command.id === undefined ? {} : { id: command.id }),
      command: command.type,
      ...(command.sessionId === undefined || command.sessionId === "*"
        ? {}
        : { sessionId: command.sessionId }),
      ...(reply.sessionVersion === undefined ? {} : { sessionVersion: reply.sessionVersion }),
      ...(reply.replayed === undefined ? {} : { replayed: reply.replayed }),
    };
    this.#count(reply.ok ? undefined : reply.failure);
    const text = reply.ok ? encodeSuccess(head, reply.dataText) : encodeFailure(head, reply.failure);
    connection.send(text, sent);
  }

  #count(failed: Failure | undefined): void {
    const { counters } = this.parts.governor;
    counters.answered(failed?.code ?? "ok");
    const limit = limitOf(failed);
    if (limit !== undefined) counters.refused(limit);
  }
}

/** The limit of a refusal. */
function limitOf(failed: Failure | undefined): LimitName | undefined {
  const { data } = failed ?? {};
  const name: unknown = typeof data === "object" && data !== null ? Reflect.get(data, "limit") : undefined;
  return isLimitName(name) ? name : undefined;
}
