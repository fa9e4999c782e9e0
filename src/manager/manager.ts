// The router thread's book of sessions: which exist, on which host each runs, and which answers are still to
// come. Passes commands on and events back; encodes nothing and knows no connection but by number.
import { type Command, type CommandOf, type CommandSpec, specOf } from "../protocol/commands.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import { isPermit, type Permit } from "../governor/governor.ts";
import { noSession } from "../host/failures.ts";
import type { Attachment, Demand, FromHost, Reply, ToHost } from "../host/edge.ts";
import { ClaimsBook } from "./claims_book.ts";
import { EventLog, EventLogs } from "./event_log.ts";
import { Hosts } from "./hosts.ts";
import type { Ledger } from "./ledger.ts";
import type { Attached, ManagerEvents, ManagerParts } from "./manager_parts.ts";
import { Passage } from "./passage.ts";
import { type Asker, PendingCommands } from "./pending_commands.ts";
import { Pulse } from "./pulse.ts";
import { Replies } from "./replies.ts";

export type { Attached, ManagerEvents, ManagerParts } from "./manager_parts.ts";
export type { Asker } from "./pending_commands.ts";

interface Entry {
  readonly host: number;
  /** Known once the session is built. */
  epoch: string;
  readonly permit: Permit;
  /** Whether it has a file to come back from. */
  readonly durable: boolean;
  state: "building" | "live";
}

interface Disposal {
  readonly disposed: number;
  readonly failed: number;
}

const NO_EVENTS = new EventLog();

/** The book of sessions. */
export class Manager {
  readonly #parts: ManagerParts;
  readonly #sessions = new Map<string, Entry>();
  readonly #pending: PendingCommands;
  readonly #attaching: Replies<readonly Attachment[] | Failure>;
  readonly #waits: Replies<void>;
  readonly #counts: Replies<number>;
  readonly #disposals: Replies<Disposal>;
  readonly #inspections = new Map<number, (id: string, file: string) => void>();
  readonly #claims = new ClaimsBook((file, sessionId) => {
    for (const host of this.#hosts.all) {
      this.#send(host, { kind: "live_file", file, ...(sessionId === undefined ? {} : { sessionId }) });
    }
  });
  readonly #hosts: Hosts;
  /** Whether this thread and the hosts keep up. */
  readonly pulse: Pulse;
  readonly #logs: EventLogs;
  readonly #passage: Passage;
  #events: ManagerEvents | undefined;
  #closing = false;
  #ref = 0;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
    const { clock, config, start, governor } = parts;
    this.#logs = new EventLogs(governor.limits.eventLogBytes, governor.limits.eventLogTotalBytes);
    this.#hosts = new Hosts({
      clock,
      config,
      start,
      message: (host, message) => this.#receive(host, message),
      exit: (host, reason) => this.#crashed(host, reason),
    });
    this.pulse = new Pulse({
      clock,
      hosts: () => this.#hosts.all,
      ping: (host, ref) => this.#send(host, { kind: "ping", ref }),
    });
    this.#pending = new PendingCommands(clock, () => ++this.#ref);
    this.#passage = new Passage(parts.ledger, this.#pending);
    this.#attaching = new Replies(parts.clock);
    this.#waits = new Replies(parts.clock);
    this.#counts = new Replies(parts.clock);
    this.#disposals = new Replies(parts.clock);
  }

  /** Starts the hosts. Until then commands would have nowhere to go. */
  open(events: ManagerEvents): void {
    this.#events = events;
    this.#hosts.open(this.#parts.hosts);
    this.pulse.start();
  }

  /** Ids of all sessions, those being built included. */
  get sessionIds(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  /** How many hosts there are. */
  get hosts(): number {
    return this.#hosts.all.length;
  }

  /** What is owed for commands that must not be lost or done twice. */
  get ledger(): Ledger {
    return this.#parts.ledger;
  }

  has(sessionId: string): boolean {
    return this.#sessions.has(sessionId);
  }

  /** Reserves an id and a place, and has the session built. Returns the id. */
  create(command: CommandOf<"create_session"> | CommandOf<"load_session">, asker: Asker): string {
    const sessionId = command.sessionId ?? this.#parts.uuid();
    if (this.#sessions.has(sessionId)) {
      const sentence = `There is a session "${sessionId}" already; choose another id, or leave it out`;
      asker.answer({ ok: false, failure: failure("session_exists", sentence) });
      return sessionId;
    }
    const permit = this.#parts.governor.session();
    if (!isPermit(permit)) {
      asker.answer({ ok: false, failure: permit });
      return sessionId;
    }
    const host = this.#hosts.idlest;
    const durable = command.type === "load_session" || command.inMemory !== true;
    const entry: Entry = { host, permit, durable, state: "building", epoch: "" };
    this.#sessions.set(sessionId, entry);
    this.#hosts.count(host, 1);
    const settled = (reply: Reply): void => {
      if (this.#sessions.get(sessionId) !== entry) return;
      if (!reply.ok) return this.#forget(sessionId);
      entry.state = "live";
      this.#events?.server("session_created", { sessionId });
    };
    const ref = this.#pending.expect({ host, asker, permit: undefined, settled });
    this.#passage.pass({ ref, sessionId, command, asker, durable: false }, () => {
      const demand = this.#events?.demand(sessionId) ?? { full: false, subscribers: 0 };
      const interrupted = this.ledger.interrupted(sessionId);
      this.#send(host, { kind: "create", ref, demand, command: { ...command, sessionId }, interrupted });
    });
    return sessionId;
  }

  /** Loads a session file under the id given, or else under the file's own; `named` is told which. */
  load(command: CommandOf<"load_session">, asker: Asker, named: (sessionId: string) => void): void {
    if (command.sessionId !== undefined) return named(this.create(command, asker));
    const host = this.#hosts.idlest;
    const ref = this.#pending.expectSoon(host, asker, command.type, () => this.#inspections.delete(ref));
    this.#inspections.set(ref, (id, file) => {
      const owner = this.#claims.owner(file);
      if (owner === undefined) return named(this.create({ ...command, sessionId: id }, asker));
      const sentence = `Session "${owner}" drives that file already; use that one`;
      const inUse = failure("session_in_use", sentence, { data: { sessionId: owner } });
      asker.answer({ ok: false, failure: inUse });
    });
    this.#send(host, { kind: "inspect", ref, sessionPath: command.sessionPath });
  }

  /** Has a host answer a command that is about no live session. */
  ask(command: Command, asker: Asker): void {
    const ref = this.#pending.expectSoon(0, asker, command.type);
    this.#send(0, { kind: "command", ref, connection: asker.connection, command });
  }

  /** Passes a session's command on to its host. */
  command(command: Command, spec: CommandSpec, asker: Asker): Failure | undefined {
    const sessionId = command.sessionId ?? "";
    const entry = this.#sessions.get(sessionId);
    let permit: Permit | undefined;
    if (spec.lane === "mailbox" && entry !== undefined) {
      const taken = this.#parts.governor.mailbox(sessionId);
      if (!isPermit(taken)) return taken;
      permit = taken;
    }
    if (entry === undefined) return noSession(sessionId);
    const deletes = command.type === "delete_session";
    // A live session is gone for everyone the moment its deletion is passed on, and its id is free again;
    // unless the host may still refuse.
    const certain = deletes && !("ifSessionVersion" in command);
    if (certain && entry.state === "live") this.#delete(sessionId);
    const settled = (reply: Reply): void => {
      this.ledger.answered(ref, reply);
      if (!deletes || !reply.ok) return;
      if (this.#sessions.get(sessionId) === entry) this.#delete(sessionId);
      this.#events?.server("session_deleted", { sessionId });
    };
    const { host, durable } = entry;
    const told = this.ledger.letsGo(command, asker);
    const ref = this.#pending.expect({ host, asker: told, permit, settled });
    this.#passage.pass({ ref, sessionId, command, asker, durable }, () => {
      this.#send(host, { kind: "command", ref, connection: asker.connection, command });
    });
    return undefined;
  }

  /** The events of a session that are kept, and where its numbering stands. */
  log(sessionId: string): { readonly epoch: string; readonly log: EventLog } | undefined {
    const entry = this.#sessions.get(sessionId);
    return entry === undefined
      ? undefined
      : { epoch: entry.epoch, log: this.#logs.of(sessionId) ?? NO_EVENTS };
  }

  /** Asks for the state of one session at a point of the order. */
  attach(sessionId: string, snapshot: boolean, done: Attached): void {
    this.#passage.after(sessionId, () => {
      const entry = this.#sessions.get(sessionId);
      if (entry === undefined) return done([], 0);
      this.#attach(entry.host, [sessionId], snapshot ? "all" : [], done);
    });
  }

  /** Asks every host for the state of all its sessions; `done` is called for each host. */
  attachAll(snapshots: "all" | readonly string[], done: Attached): void {
    for (const host of this.#hosts.all) this.#attach(host, undefined, snapshots, done);
  }

  /** Tells the host who wants which form of a session's events. */
  setDemand(sessionId: string, demand: Demand): void {
    this.#passage.after(sessionId, () => {
      const entry = this.#sessions.get(sessionId);
      if (entry !== undefined) this.#send(entry.host, { kind: "demand", sessionId, demand });
    });
  }

  /** Resolves when nothing runs, in all sessions or in those. */
  async whenIdle(sessionIds?: readonly string[]): Promise<void> {
    await this.#everyHost<void>((host, resolve) => {
      const ref = ++this.#ref;
      const own = sessionIds?.filter((id) => this.#on(host, id));
      this.#waits.expect(ref, host, resolve);
      this.#send(host, { kind: "when_idle", ref, ...(own === undefined ? {} : { sessionIds: own }) });
    });
  }

  /** Counts the busy sessions, and with `stop` has them stopped. A host that hangs counts as none. */
  async busy(stop: boolean, withinMs: number): Promise<number> {
    const counts = await this.#everyHost<number>((host, resolve) => {
      const ref = ++this.#ref;
      this.#counts.expect(ref, host, resolve, { ms: withinMs, value: 0 });
      this.#send(host, { kind: "busy", ref, stop });
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Disposes all sessions; each host bounds that by itself, and `withinMs` bounds the hosts. */
  async dispose(withinMs: number): Promise<Disposal> {
    this.#closing = true;
    this.pulse.stop();
    const counts = await this.#everyHost<Disposal>((host, resolve) => {
      const ref = ++this.#ref;
      const value = { disposed: 0, failed: this.#hosts.sessions(host) };
      this.#disposals.expect(ref, host, resolve, { ms: withinMs, value });
      this.#send(host, { kind: "dispose_all", ref });
    });
    this.#hosts.terminate();
    // A host that hung has left someone without an answer.
    const stopped = failure("cancelled", "The server was shut down before the command had finished");
    for (const ref of this.#pending.refs()) {
      this.#pending.answer(ref, { ok: false, failure: stopped, lost: true });
    }
    return counts.reduce((sum, one) => ({
      disposed: sum.disposed + one.disposed,
      failed: sum.failed + one.failed,
    }), { disposed: 0, failed: 0 });
  }

  #everyHost<T>(ask: (host: number, resolve: (value: T) => void) => void): Promise<T[]> {
    return Promise.all(
      this.#hosts.all.map((host) => new Promise<T>((resolve) => ask(host, resolve))),
    );
  }

  #on(host: number, sessionId: string): boolean {
    return this.#sessions.get(sessionId)?.host === host;
  }

  #attach(
    host: number,
    sessionIds: readonly string[] | undefined,
    snapshots: "all" | readonly string[],
    done: Attached,
  ): void {
    const ref = ++this.#ref;
    const { timeoutMs } = specOf(sessionIds === undefined ? "list_sessions" : "create_session");
    const value = failure("timeout", `A session's host has not answered within ${timeoutMs} ms`);
    this.#attaching.expect(ref, host, (sessions) => done(sessions, host), { ms: timeoutMs, value });
    this.#send(host, { kind: "attach", ref, snapshots, ...(sessionIds === undefined ? {} : { sessionIds }) });
  }

  #receive(host: number, message: FromHost): void {
    switch (message.kind) {
      case "born": {
        const entry = this.#sessions.get(message.sessionId);
        if (entry !== undefined) entry.epoch = message.epoch;
        return;
      }
      case "events": {
        const { sessionId, events } = message;
        const entry = this.#sessions.get(sessionId);
        const epoch = entry?.epoch ?? "";
        // The last words of a deleted session, whose id may be taken again, belong into nobody's log.
        if (epoch !== "") { for (const record of events) this.#logs.append(sessionId, record); }
        return this.#events?.events(sessionId, epoch, events, host);
      }
      case "accepted":
        return this.#pending.accepted(message.ref);
      case "message":
        return this.ledger.told(message.ref, message.state);
      case "reply":
        return this.#pending.answer(message.ref, message.reply);
      case "attached":
        return this.#attaching.settle(message.ref, message.sessions);
      case "inspected":
        return this.#inspected(message);
      case "claim": {
        // A session that was deleted meanwhile gets its answer, but no file.
        const { file, sessionId } = message;
        const owner = this.has(sessionId) ? this.#claims.claim(file, sessionId) : this.#claims.owner(file);
        const { ref } = message;
        return this.#send(host, { kind: "claimed", ref, ...(owner === undefined ? {} : { owner }) });
      }
      case "file":
        return this.has(message.sessionId) ? this.#claims.move(message.sessionId, message.file) : undefined;
      case "trust":
        return this.#parts.trust?.set(message, () => this.#hosts.sendAll(message));
      case "pong":
        return this.pulse.pong(host, message.ref, message.at);
      case "idle":
        return this.#waits.settle(message.ref, undefined);
      case "counted":
        return this.#counts.settle(message.ref, message.busy);
      case "disposed":
        return this.#disposals.settle(message.ref, message);
      case "log":
        return this.#parts.log[message.level](message.message, { host, ...message.fields });
      case "up":
      case "taken":
      case "ready":
      case "broken":
        return this.#parts.log.debug(`host is ${message.kind}`, { host });
    }
  }

  #inspected({ ref, id, file }: Extract<FromHost, { kind: "inspected" }>): void {
    const go = this.#inspections.get(ref);
    this.#inspections.delete(ref);
    if (this.#pending.drop(ref)) go?.(id, file);
  }

  /** A host died: a new one takes its place, what ran there is answered, its sessions are gone. */
  #crashed(host: number, reason: string): void {
    if (this.#closing) return;
    this.#parts.log.error(`a host died: ${reason}`, { host });
    const lostSessions = [...this.#sessions].filter(([, entry]) => entry.host === host);
    const lostCommands = this.#pending.refs(host);
    for (const [sessionId] of lostSessions) {
      this.ledger.crashed(sessionId);
      this.#forget(sessionId);
    }
    // Whoever hears of it may send the next command at once; that is for the new host.
    this.#hosts.restart(host);
    this.pulse.replaced(host);
    for (const [file, sessionId] of this.#claims.all) {
      this.#send(host, { kind: "live_file", file, sessionId });
    }
    const lost = failure("internal", "What runs this session has died; the server's log says why");
    for (const ref of lostCommands) this.#pending.answer(ref, { ok: false, failure: lost, lost: true });
    this.#attaching.lost(host, lost);
    this.#waits.lost(host, undefined);
    this.#counts.lost(host, 0);
    for (const [sessionId, { state }] of lostSessions) {
      // One that was still being built has never been announced.
      if (state === "live") this.#events?.server("session_crashed", { sessionId });
    }
  }

  #delete(sessionId: string): void {
    this.ledger.deleted(sessionId);
    this.#forget(sessionId);
  }

  #forget(sessionId: string): void {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return;
    this.#sessions.delete(sessionId);
    this.#hosts.count(entry.host, -1);
    this.#claims.move(sessionId, undefined);
    this.#logs.drop(sessionId);
    this.#parts.governor.sessionGone(sessionId);
    entry.permit.release();
  }

  #send(host: number, message: ToHost): void {
    this.#hosts.send(host, message);
  }
}
