// The router thread's book of sessions: which exist, on which host each runs, and which answers are still to
// come. Passes commands on and events back; encodes nothing and knows no connection but by number.
import type { Command, CommandOf, CommandSpec } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { isPermit, type Permit } from "../../governor/governor.ts";
import { DISPOSE_MS } from "../../governor/limits.ts";
import { fileInUse, noSession } from "../../protocol/failures.ts";
import type { Attachment, Demand, FromHost, ToHost } from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import { type Attached, Attaching } from "./session_queries.ts";
import { Away } from "./parked_sessions.ts";
import { Dispatch } from "./command_dispatcher.ts";
import { Entry } from "./session_entry.ts";
import { EventLog, EventLogs } from "./replay_buffer.ts";
import { FileClaims } from "./file_claims.ts";
import { type Disposal, HostAsks } from "../workers/worker_requests.ts";
import { HostLoss } from "./worker_recovery.ts";
import { HostWatch } from "../workers/supervisor.ts";
import { Hosts } from "../workers/worker_pool.ts";
import { Inspections } from "./inspections.ts";
import type { Leases } from "../state/file_leases.ts";
import type { Ledger } from "../journal/command_journal.ts";
import type { ManagerEvents, ManagerParts } from "./session_context.ts";
import { Passage } from "./passage.ts";
import { type Asker, PendingCommands } from "../workers/pending_commands.ts";
import type { Pulse } from "../workers/heartbeat.ts";
import { Registry } from "./session_persistence.ts";
import { Retirement } from "../workers/worker_retirement.ts";
import { SessionBook } from "./session_registry.ts";
import type { Store } from "../state/session_store.ts";

export type { Attached } from "./session_queries.ts";
export type { ManagerEvents, ManagerParts } from "./session_context.ts";
export type { Asker } from "../workers/pending_commands.ts";

const STOPPED = failure("cancelled", "The server was shut down before the command had finished");
const NO_EVENTS = new EventLog();

/** Milliseconds that a session's own host gets to report its state, before its last report has to do. */
const STATE_MS = 2_000;

/** The book of sessions. */
export class Manager {
  readonly #parts: ManagerParts;
  readonly #sessions: SessionBook;
  readonly #pending: PendingCommands;
  readonly #attaching: Attaching;
  readonly #asks: HostAsks;
  readonly #away: Away;
  readonly #dispatch: Dispatch;
  readonly #passage: Passage;
  readonly #inspections: Inspections;
  readonly registry: Registry;
  readonly #claims = new FileClaims({
    hosts: () => this.#hosts.all,
    send: (host, message) => this.#send(host, message),
    has: (sessionId) => this.has(sessionId),
  });
  readonly #hosts: Hosts;
  readonly #watch: HostWatch;
  readonly #loss: HostLoss;
  readonly #retirement: Retirement;
  readonly #logs: EventLogs;
  #events: ManagerEvents | undefined;
  #ref = 0;
  #unattended = false;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
    const { clock, config, start, governor } = parts;
    this.#logs = new EventLogs(governor.limits.eventLogBytes, governor.limits.eventLogTotalBytes);
    this.#hosts = new Hosts({
      clock,
      config,
      isolation: parts.isolation ?? "shared",
      start,
      message: (host, message) => this.#receive(host, message),
      exit: (host, reason) => this.#loss.died(host, reason),
      started: (host) => this.#introduce(host),
    });
    this.#sessions = new SessionBook({
      hosts: this.#hosts,
      logs: this.#logs,
      claims: this.#claims,
      governor,
    });
    this.#watch = new HostWatch({
      clock,
      governor,
      memory: parts.memory,
      hosts: () => this.#hosts.all,
      ping: (host, ref) => this.#send(host, { kind: "ping", ref }),
      replace: (host, reason) => this.#loss.replace(host, reason),
    });
    const number = (): number => ++this.#ref;
    const send = (host: number, message: ToHost): boolean => this.#hosts.send(host, message);
    this.#pending = new PendingCommands(clock, number, (host) => {
      this.#hosts.keepSpare();
      this.#retirement.check(host);
    });
    this.registry = new Registry({ clock, uuid: parts.uuid, governor });
    this.#passage = new Passage(parts.ledger, this.#pending);
    this.#inspections = new Inspections(this.#pending, send);
    this.#attaching = new Attaching(clock, number, send);
    const hosts = (): readonly number[] => this.#hosts.used;
    this.#asks = new HostAsks({ clock, number, hosts, send, sessions: (host) => this.#hosts.sessions(host) });
    const shared = {
      book: this.#sessions,
      pending: this.#pending,
      ledger: parts.ledger,
      send,
      forget: (entry: Entry) => this.#forget(entry),
      demand: (sessionId: string) => this.#demand(sessionId),
      tell: (type: string, data: Record<string, unknown>) => this.#events?.server(type, data),
    };
    const { uuid } = parts;
    const left = (host: number): void => this.#retirement.check(host);
    this.#away = new Away({ ...shared, clock, governor, uuid, number, left, registry: this.registry });
    this.#retirement = new Retirement({
      log: parts.log,
      hosts: this.#hosts,
      watch: this.#watch,
      pending: this.#pending,
      attaching: this.#attaching,
      asks: this.#asks,
      withinMs: DISPOSE_MS + 1_000,
    });
    this.#loss = new HostLoss({
      log: parts.log,
      hosts: this.#hosts,
      watch: this.#watch,
      pending: this.#pending,
      attaching: this.#attaching,
      asks: this.#asks,
      away: this.#away,
    });
    this.#dispatch = new Dispatch({
      ...shared,
      passage: this.#passage,
      remove: (entry) => this.#delete(entry),
      changed: () => this.#away.changed(),
    });
  }

  /** Takes on what an earlier server has left; before the hosts are started. */
  restore(store: Store, records: readonly SessionRecord[]): void {
    for (const entry of this.registry.restore(store, records)) {
      this.#sessions.entries.set(entry.sessionId, entry);
      this.#claims.restored(entry.sessionId, entry.file, entry.record?.info.status === "live");
    }
  }

  /** Keeps other servers out of the session files that are driven here. */
  guard(leases: Leases): void {
    this.#claims.guard(leases);
  }

  /** Starts the hosts. Until then commands would have nowhere to go. */
  open(events: ManagerEvents): void {
    this.#events = events;
    this.#hosts.open(this.#parts.hosts);
    this.#watch.start();
    this.#away.start();
  }

  /** Ids of all sessions that a host runs or builds. */
  get sessionIds(): readonly string[] {
    return this.#sessions.awake;
  }

  /** The state of all sessions that no host runs, as clients see it. */
  get parked(): readonly Attachment[] {
    return this.#away.attachments;
  }

  /** Whether this thread and the hosts keep up. */
  get pulse(): Pulse {
    return this.#watch.pulse;
  }

  /** How many sessions may live at a time. */
  get places(): number {
    return this.#parts.governor.limits.sessions;
  }

  /** Numbers of all hosts, the spare and those that are about to end among them. */
  get hosts(): readonly number[] {
    return this.#hosts.all;
  }

  /** Numbers of the hosts that `attachAll` asks. */
  get asked(): readonly number[] {
    if (!this.#hosts.isolated) return this.#hosts.all;
    return [...new Set(this.#sessions.running().map(({ host }) => host))];
  }

  /** The session that has that host for itself. */
  sessionOf(host: number): string | undefined {
    return this.#hosts.isolated ? this.#sessions.running(host)[0]?.sessionId : undefined;
  }

  /** What is owed for commands that must not be lost or done twice. */
  get ledger(): Ledger {
    return this.#parts.ledger;
  }

  has(sessionId: string): boolean {
    return this.#sessions.get(sessionId) !== undefined;
  }

  /** Reserves an id and a place, and has the session built. Returns the id. */
  create(command: CommandOf<"create_session"> | CommandOf<"load_session">, asker: Asker): string {
    const sessionId = command.sessionId ?? this.#parts.uuid();
    if (this.has(sessionId)) {
      const sentence = `There is a session "${sessionId}" already; choose another id, or leave it out`;
      asker.answer({ ok: false, failure: failure("session_exists", sentence) });
      return sessionId;
    }
    const inMemory = command.type === "create_session" && command.inMemory === true;
    const entry = new Entry(sessionId, this.#parts.clock.monotonic(), inMemory);
    this.#sessions.entries.set(sessionId, entry);
    this.#away.take((got) => {
      if (!isPermit(got)) {
        this.#forget(entry);
        return asker.answer({ ok: false, failure: got });
      }
      entry.place = got;
      this.#dispatch.build(entry, { ...command, sessionId }, asker);
    });
    return sessionId;
  }

  /** Loads a session file under the id given, or else under the file's own; `named` is told which. */
  load(command: CommandOf<"load_session">, asker: Asker, named: (sessionId: string) => void): void {
    if (command.sessionId !== undefined) return named(this.create(command, asker));
    this.#inspections.ask(this.#hosts.idlest(), command, asker, (id, file) => {
      const owner = this.#claims.owner(file);
      if (owner === undefined) return named(this.create({ ...command, sessionId: id }, asker));
      asker.answer({ ok: false, failure: fileInUse(owner) });
    });
  }

  /** Has a host answer a command that is about no live session. */
  ask(command: Command, asker: Asker): void {
    const host = this.#hosts.isolated ? this.#hosts.idlest() : 0;
    const ref = this.#pending.expectSoon(host, asker, command.type);
    this.#send(host, { kind: "command", ref, connection: asker.connection, command });
  }

  /** Passes a session's command on to its host; a parked session is brought back for it, or answers itself. */
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
    if (command.type !== "get_state") entry.usedAt = this.#parts.clock.monotonic();
    if (entry.awake) this.#dispatch.pass(entry, command, asker, permit);
    else if (!this.#away.answers(entry, command, asker)) {
      this.#away.whenAwake(entry, (failed) => {
        if (failed === undefined) return this.#dispatch.pass(entry, command, asker, permit);
        permit?.release();
        asker.answer({ ok: false, failure: failed });
      });
    }
    return undefined;
  }

  /** The events of a session that are kept, and where its numbering stands; nothing of one that is parked. */
  log(sessionId: string): { readonly epoch: string; readonly log: EventLog } | undefined {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined || !entry.awake) return undefined;
    return { epoch: entry.epoch, log: this.#logs.of(sessionId) ?? NO_EVENTS };
  }

  /** Asks for the state of one session at a point of the order; a parked one is brought back. */
  attach(sessionId: string, snapshot: boolean, done: Attached): void {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return done([], 0);
    const ask = (): void => {
      entry.open++;
      entry.usedAt = this.#parts.clock.monotonic();
      this.#passage.after(sessionId, () => {
        this.#attaching.ask(entry.host, [sessionId], snapshot ? "all" : [], (sessions, host) => {
          done(sessions, host);
          entry.open--;
          this.#away.changed();
        });
      });
    };
    if (entry.awake) return ask();
    this.#away.whenAwake(entry, (failed) => failed === undefined ? ask() : done(failed, 0));
  }

  /**
   * Asks the hosts in `asked` for the state of their sessions. A session's own host that hangs or dies fails nothing
   * for the others: its last report is the answer.
   */
  attachAll(snapshots: "all" | readonly string[], done: Attached): void {
    const isolated = this.#hosts.isolated;
    const orLast: Attached = (sessions, host) => {
      done("code" in sessions && isolated ? this.#away.lastKnown(host) : sessions, host);
    };
    for (const host of this.asked) {
      this.#attaching.ask(host, undefined, snapshots, orLast, isolated ? STATE_MS : undefined);
    }
  }

  /** Tells the host who wants which form of a session's events. */
  setDemand(sessionId: string, demand: Demand): void {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return;
    const watched = this.#events?.watched(sessionId) ?? false;
    // Whoever leaves may come back with a cursor.
    if (entry.watched && !watched) entry.usedAt = this.#parts.clock.monotonic();
    entry.watched = watched;
    this.#passage.after(sessionId, () => {
      if (entry.awake) this.#send(entry.host, { kind: "demand", sessionId, demand });
    });
  }

  /** Nobody is left who could answer a dialog: open ones are cancelled, later ones not shown. */
  readonly unattended = (): void => {
    this.#unattended = true;
    this.#hosts.sendAll({ kind: "unattended" });
  };

  /** Resolves when nothing runs, in all sessions or in those. */
  whenIdle(sessionIds?: readonly string[]): Promise<void> {
    const own = (host: number) => sessionIds?.filter((id) => this.#sessions.get(id)?.host === host);
    return this.#passage.behindAll(() => this.#asks.whenIdle(own));
  }

  /** Counts the busy sessions, and with `stop` has them stopped. A host that hangs counts as none. */
  busy(stop: boolean, withinMs: number): Promise<number> {
    return this.#asks.busy(stop, withinMs);
  }

  /** Disposes all sessions; each host bounds that by itself, and `withinMs` bounds the hosts. */
  async dispose(withinMs: number): Promise<Disposal> {
    this.#loss.stop();
    this.#hosts.stop();
    this.#watch.stop();
    this.#away.stop(STOPPED);
    const disposal = await this.#asks.dispose(withinMs);
    this.#hosts.terminate();
    await this.registry.close(this.#sessions.entries.values());
    await this.#claims.close();
    // A host that hung has left someone without an answer.
    this.#pending.answerAll({ ok: false, failure: STOPPED, lost: true });
    return disposal;
  }

  #demand(sessionId: string): Demand {
    return this.#events?.demand(sessionId) ?? { full: false, subscribers: 0 };
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
        if (entry !== undefined) entry.usedAt = this.#parts.clock.monotonic();
        // The last words of a deleted session, whose id may be taken again, belong into nobody's log.
        if (epoch !== "") this.#logs.append(sessionId, events);
        return this.#events?.events(sessionId, epoch, events, host);
      }
      case "accepted":
        return this.#pending.accepted(message.ref);
      case "message":
        return this.ledger.told(message.ref, message.state);
      case "reply":
        return this.#pending.answer(message.ref, message.reply);
      case "attached":
        return this.#attaching.answered(message.ref, message.sessions);
      case "inspected":
        return this.#inspections.answered(message);
      case "claim":
        return this.#claims.asked(host, message);
      case "file":
        this.#sessions.drives(message.sessionId, message.file);
        return this.has(message.sessionId) ? this.#claims.move(message.sessionId, message.file) : undefined;
      case "trust":
        return this.#parts.trust?.set(message, () => this.#hosts.sendAll(message));
      case "spent":
        return this.#parts.governor.counters.spend(message.spending);
      case "pong":
        return this.#watch.pong(host, message);
      case "idle":
      case "counted":
      case "disposed":
        return this.#asks.answered(message);
      case "record":
        return void this.#record(host, message);
      case "parked":
        return this.#away.parked(message.ref, message.record);
      case "log":
        return this.#parts.log[message.level](message.message, { host, ...message.fields });
      case "up":
      case "taken":
      case "ready":
      case "broken":
        if (message.kind === "ready") this.#watch.started(host);
        return this.#parts.log.debug(`host is ${message.kind}`, { host });
    }
  }

  async #record(host: number, { record, ref }: Extract<FromHost, { kind: "record" }>): Promise<void> {
    const entry = this.#sessions.get(record.info.sessionId);
    let error: string | undefined;
    if (entry !== undefined && entry.host === host && entry.place !== undefined) {
      entry.record = record;
      entry.inMemory = record.inMemory;
      // The session's own numbers are known before it is announced.
      if (entry.state === "building") entry.epoch = record.info.epoch;
      error = await this.registry.keep(entry);
    }
    if (ref !== undefined) {
      this.#send(host, { kind: "recorded", ref, ...(error === undefined ? {} : { error }) });
    }
  }

  #delete(entry: Entry): void {
    if (this.#sessions.holds(entry)) this.ledger.deleted(entry.sessionId);
    this.#forget(entry);
  }

  #forget(entry: Entry): void {
    if (!this.#sessions.forget(entry)) return;
    entry.removed = this.registry.forget(entry);
    this.#away.changed();
  }

  /** Tells a host that has started what the others know. */
  #introduce(host: number): void {
    this.#claims.introduce(host);
    if (this.#unattended) this.#send(host, { kind: "unattended" });
  }

  #send(host: number, message: ToHost): void {
    this.#hosts.send(host, message);
  }
}
