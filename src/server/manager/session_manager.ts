// The router thread's book of sessions: which exist, on which host each runs, and which answers are still to
// come. Passes commands on and events back; encodes nothing and knows no connection but by number.
import type { Command, CommandOf, CommandSpec } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { isPermit, type Permit } from "../../governor/governor.ts";
import { DISPOSE_MS } from "../../governor/limits.ts";
import { fileInUse, noSession } from "../../protocol/failures.ts";
import type { FromWorker, SessionState, SubscriberDemand, ToWorker } from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import { HeaderQueries, type OnStates, StateQueries } from "./session_queries.ts";
import { ParkedSessions } from "./parked_sessions.ts";
import { CommandDispatcher, OrderedForwarding } from "./command_dispatcher.ts";
import { SessionEntry } from "./session_entry.ts";
import { ReplayBuffer, ReplayBuffers } from "./replay_buffer.ts";
import { FileClaims } from "./file_claims.ts";
import { type Disposal, WorkerRequests } from "../workers/worker_requests.ts";
import { WorkerRecovery } from "./worker_recovery.ts";
import { Supervisor } from "../workers/supervisor.ts";
import { WorkerPool } from "../workers/worker_pool.ts";
import type { CommandJournal } from "../journal/command_journal.ts";
import type { SessionManagerParts, SessionSink } from "./session_context.ts";
import { PendingCommands } from "../workers/pending_commands.ts";
import type { Heartbeat } from "../workers/heartbeat.ts";
import { ProviderHealth } from "../health/provider_health.ts";
import { SessionPersistence } from "./session_persistence.ts";
import { Retirement } from "../workers/worker_retirement.ts";
import { SessionRegistry } from "./session_registry.ts";
import type { Store } from "../state/session_store.ts";
import type { ReplyTo } from "../journal/reply_to.ts";

export type { OnStates as Attached } from "./session_queries.ts";
export type { SessionManagerParts as ManagerParts, SessionSink as ManagerEvents } from "./session_context.ts";
const STOPPED = failure("cancelled", "The server was shut down before the command had finished");
const NO_EVENTS = new ReplayBuffer();

/** Milliseconds that a session's own host gets to report its state, before its last report has to do. */
const STATE_MS = 2_000;

/** The book of sessions. */
export class SessionManager {
  readonly #parts: SessionManagerParts;
  readonly #sessions: SessionRegistry;
  readonly #pending: PendingCommands;
  readonly #attaching: StateQueries;
  readonly #asks: WorkerRequests;
  readonly #away: ParkedSessions;
  readonly #dispatch: CommandDispatcher;
  readonly #passage: OrderedForwarding;
  readonly #inspections: HeaderQueries;
  readonly persistence: SessionPersistence;
  readonly #claims: FileClaims;
  /** Which providers fail, and what the models of pi lack. */
  readonly providers: ProviderHealth;
  readonly #hosts: WorkerPool;
  readonly #watch: Supervisor;
  readonly #loss: WorkerRecovery;
  readonly #retirement: Retirement;
  readonly #logs: ReplayBuffers;
  #events: SessionSink | undefined;
  #ref = 0;
  #unattended = false;

  constructor(parts: SessionManagerParts) {
    this.#parts = parts;
    this.#claims = new FileClaims({
      leases: parts.leases,
      hosts: () => this.#hosts.all,
      send: (host, message) => this.#send(host, message),
      has: (sessionId) => this.has(sessionId),
    });
    const { clock, config, start, governor } = parts;
    this.#logs = new ReplayBuffers(governor.limits.eventLogBytes, governor.limits.eventLogTotalBytes);
    this.#hosts = new WorkerPool({
      clock,
      config,
      isolation: parts.isolation ?? "shared",
      start,
      onMessage: (host, message) => this.#receive(host, message),
      onExit: (host, reason) => this.#loss.onExit(host, reason),
      started: (host) => this.#introduce(host),
    });
    this.#sessions = new SessionRegistry({
      hosts: this.#hosts,
      logs: this.#logs,
      claims: this.#claims,
      governor,
    });
    this.#watch = new Supervisor({
      clock,
      governor,
      memory: parts.memory,
      hosts: () => this.#hosts.all,
      ping: (host, ref) => this.#send(host, { kind: "ping", ref }),
      replace: (host, reason) => this.#loss.replace(host, reason),
    });
    const number = (): number => ++this.#ref;
    const send = (host: number, message: ToWorker): boolean => this.#hosts.send(host, message);
    this.#pending = new PendingCommands(clock, number, (host) => {
      this.#hosts.keepSpare();
      this.#retirement.check(host);
    });
    this.providers = new ProviderHealth(parts.log);
    this.persistence = new SessionPersistence({ clock, uuid: parts.uuid, governor });
    this.#passage = new OrderedForwarding(parts.journal, this.#pending);
    this.#inspections = new HeaderQueries(this.#pending, send);
    this.#attaching = new StateQueries(clock, number, send);
    const hosts = (): readonly number[] => this.#hosts.used;
    this.#asks = new WorkerRequests({
      clock,
      nextRef: number,
      hosts,
      send,
      sessions: (host) => this.#hosts.sessions(host),
    });
    const shared = {
      book: this.#sessions,
      pending: this.#pending,
      ledger: parts.journal,
      send,
      forget: (entry: SessionEntry) => this.#forget(entry),
      demand: (sessionId: string) => this.#demand(sessionId),
      tell: (type: string, data: Record<string, unknown>) => this.#events?.onServerEvent(type, data),
    };
    const { uuid } = parts;
    const left = (host: number): void => this.#retirement.check(host);
    this.#away = new ParkedSessions({
      ...shared,
      clock,
      governor,
      uuid,
      number,
      left,
      registry: this.persistence,
    });
    this.#retirement = new Retirement({
      log: parts.log,
      hosts: this.#hosts,
      watch: this.#watch,
      pending: this.#pending,
      attaching: this.#attaching,
      asks: this.#asks,
      withinMs: DISPOSE_MS + 1_000,
    });
    this.#loss = new WorkerRecovery({
      log: parts.log,
      hosts: this.#hosts,
      watch: this.#watch,
      pending: this.#pending,
      attaching: this.#attaching,
      asks: this.#asks,
      away: this.#away,
    });
    this.#dispatch = new CommandDispatcher({
      ...shared,
      passage: this.#passage,
      remove: (entry) => this.#delete(entry),
      changed: () => this.#away.reevaluate(),
    });
  }

  /** Takes on what an earlier server has left; before the hosts are started. */
  restore(store: Store, records: readonly SessionRecord[]): void {
    for (const entry of this.persistence.restore(store, records)) {
      this.#sessions.entries.set(entry.sessionId, entry);
      this.#claims.restored(entry.sessionId, entry.file, entry.record?.info.status === "live");
    }
  }

  /** Starts the hosts. Until then commands would have nowhere to go. */
  start(events: SessionSink): void {
    this.#events = events;
    this.#hosts.startAll(this.#parts.workers);
    this.#watch.start();
    this.#away.start();
  }

  /** Ids of all sessions that a host runs or builds. */
  get sessionIds(): readonly string[] {
    return this.#sessions.runningIds;
  }

  /** The state of all sessions that no host runs, as clients see it. */
  get parked(): readonly SessionState[] {
    return this.#away.states;
  }

  /** Whether this thread and the hosts keep up. */
  get heartbeat(): Heartbeat {
    return this.#watch.heartbeat;
  }

  /** How many sessions may live at a time. */
  get maxSessions(): number {
    return this.#parts.governor.limits.sessions;
  }

  /** Numbers of all hosts, the spare and those that are about to end among them. */
  get workers(): readonly number[] {
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
  get journal(): CommandJournal {
    return this.#parts.journal;
  }

  has(sessionId: string): boolean {
    return this.#sessions.get(sessionId) !== undefined;
  }

  /** Reserves an id and a place, and has the session built. Returns the id. */
  createSession(command: CommandOf<"create_session"> | CommandOf<"load_session">, asker: ReplyTo): string {
    const sessionId = command.sessionId ?? this.#parts.uuid();
    if (this.has(sessionId)) {
      const sentence = `There is a session "${sessionId}" already; choose another id, or leave it out`;
      asker.answer({ ok: false, failure: failure("session_exists", sentence) });
      return sessionId;
    }
    const inMemory = command.type === "create_session" && command.inMemory === true;
    const entry = new SessionEntry(sessionId, this.#parts.clock.monotonic(), inMemory);
    this.#sessions.entries.set(sessionId, entry);
    this.#away.acquireSlot((got) => {
      if (!isPermit(got)) {
        this.#forget(entry);
        return asker.answer({ ok: false, failure: got });
      }
      entry.liveSlot = got;
      this.#dispatch.buildSession(entry, { ...command, sessionId }, asker);
    });
    return sessionId;
  }

  /** Loads a session file under the id given, or else under the file's own; `named` is told which. */
  loadSession(command: CommandOf<"load_session">, asker: ReplyTo, named: (sessionId: string) => void): void {
    if (command.sessionId !== undefined) return named(this.createSession(command, asker));
    this.#inspections.query(this.#hosts.leastLoaded(), command, asker, (id, file) => {
      const owner = this.#claims.owner(file);
      if (owner === undefined) return named(this.createSession({ ...command, sessionId: id }, asker));
      asker.answer({ ok: false, failure: fileInUse(owner) });
    });
  }

  /** Has a host answer a command that is about no live session. */
  askAnyWorker(command: Command, asker: ReplyTo): void {
    const host = this.#hosts.isolated ? this.#hosts.leastLoaded() : 0;
    const ref = this.#pending.expectWithTimeout(host, asker, command.type);
    this.#send(host, { kind: "command", ref, connection: asker.connection, command });
  }

  /** Passes a session's command on to its host; a parked session is brought back for it, or answers itself. */
  forwardCommand(command: Command, spec: CommandSpec, asker: ReplyTo): Failure | undefined {
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
    if (entry.isRunning) this.#dispatch.forward(entry, command, asker, permit);
    else if (!this.#away.tryAnswer(entry, command, asker)) {
      this.#away.whenRunning(entry, (failed) => {
        if (failed === undefined) return this.#dispatch.forward(entry, command, asker, permit);
        permit?.release();
        asker.answer({ ok: false, failure: failed });
      });
    }
    return undefined;
  }

  /** The events of a session that are kept, and where its numbering stands; nothing of one that is parked. */
  replayOf(sessionId: string): { readonly epoch: string; readonly log: ReplayBuffer } | undefined {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined || !entry.isRunning) return undefined;
    return { epoch: entry.epoch, log: this.#logs.of(sessionId) ?? NO_EVENTS };
  }

  /** Asks for the state of one session at a point of the order; a parked one is brought back. */
  stateOf(sessionId: string, snapshot: boolean, done: OnStates): void {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return done([], 0);
    const ask = (): void => {
      entry.inFlight++;
      entry.usedAt = this.#parts.clock.monotonic();
      this.#passage.afterQueued(sessionId, () => {
        this.#attaching.query(entry.host, [sessionId], snapshot ? "all" : [], (sessions, host) => {
          done(sessions, host);
          entry.inFlight--;
          this.#away.reevaluate();
        });
      });
    };
    if (entry.isRunning) return ask();
    this.#away.whenRunning(entry, (failed) => failed === undefined ? ask() : done(failed, 0));
  }

  /**
   * Asks the hosts in `asked` for the state of their sessions. A session's own host that hangs or dies fails nothing
   * for the others: its last report is the answer.
   */
  statesOfAll(snapshots: "all" | readonly string[], done: OnStates): void {
    const isolated = this.#hosts.isolated;
    const orLast: OnStates = (sessions, host) => {
      done("code" in sessions && isolated ? this.#away.lastKnown(host) : sessions, host);
    };
    for (const host of this.asked) {
      this.#attaching.query(host, undefined, snapshots, orLast, isolated ? STATE_MS : undefined);
    }
  }

  /** Tells the host who wants which form of a session's events. */
  setDemand(sessionId: string, demand: SubscriberDemand): void {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return;
    const watched = this.#events?.isWatched(sessionId) ?? false;
    // Whoever leaves may come back with a cursor.
    if (entry.watched && !watched) entry.usedAt = this.#parts.clock.monotonic();
    entry.watched = watched;
    this.#passage.afterQueued(sessionId, () => {
      if (entry.isRunning) this.#send(entry.host, { kind: "subscribers", sessionId, demand });
    });
  }

  /** Nobody is left who could answer a dialog: open ones are cancelled, later ones not shown. */
  readonly disableDialogs = (): void => {
    this.#unattended = true;
    this.#hosts.sendAll({ kind: "disable_dialogs" });
  };

  /** Resolves when nothing runs, in all sessions or in those. */
  whenIdle(sessionIds?: readonly string[]): Promise<void> {
    const own = (host: number) => sessionIds?.filter((id) => this.#sessions.get(id)?.host === host);
    return this.#passage.afterAllQueued(() => this.#asks.whenIdle(own));
  }

  /** Counts the busy sessions, and with `stop` has them stopped. A host that hangs counts as none. */
  countBusy(stop: boolean, withinMs: number): Promise<number> {
    return this.#asks.countBusy(stop, withinMs);
  }

  /** Disposes all sessions; each host bounds that by itself, and `withinMs` bounds the hosts. */
  async disposeAll(withinMs: number): Promise<Disposal> {
    this.#loss.expectExits();
    this.#hosts.stop();
    this.#watch.stop();
    this.#away.stop(STOPPED);
    const disposal = await this.#asks.disposeAll(withinMs);
    this.#hosts.terminateAll();
    await this.persistence.close(this.#sessions.entries.values());
    await this.#claims.close();
    // A host that hung has left someone without an answer.
    this.#pending.answerAll({ ok: false, failure: STOPPED, lost: true });
    return disposal;
  }

  #demand(sessionId: string): SubscriberDemand {
    return this.#events?.demandFor(sessionId) ?? { full: false, subscribers: 0 };
  }

  #receive(host: number, message: FromWorker): void {
    switch (message.kind) {
      case "session_started": {
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
        return this.#events?.onEvents(sessionId, epoch, events, host);
      }
      case "command_released":
        return this.#pending.onReleased(message.ref);
      case "message_progress":
        return this.journal.onMessageProgress(message.ref, message.state);
      case "reply":
        return this.#pending.answer(message.ref, message.reply);
      case "states":
        return this.#attaching.onStates(message.ref, message.sessions);
      case "header":
        return this.#inspections.onHeader(message);
      case "claim_file":
        return this.#claims.onClaim(host, message);
      case "session_file":
        this.#sessions.setFile(message.sessionId, message.file);
        return this.has(message.sessionId)
          ? this.#claims.setFile(message.sessionId, message.file)
          : undefined;
      case "trust_folder":
        return this.#parts.trust?.set(message, () => this.#hosts.sendAll(message));
      case "usage":
        return this.#parts.governor.counters.spend(message.spending);
      case "pong":
        return this.#watch.onPong(host, message);
      case "idle":
      case "busy_count":
      case "shutdown_done":
        return this.#asks.onReply(message);
      case "save_record":
        return void this.#record(host, message);
      case "park_result":
        return this.#away.onParkResult(message.ref, message.record);
      case "provider_report":
        return this.providers.onAnswer(message);
      case "model_report":
        return this.providers.onModels(host, message);
      case "log":
        return this.#parts.log[message.level](message.message, { host, ...message.fields });
      case "online":
      case "batch_ack":
      case "pi_loaded":
      case "fatal":
        if (message.kind === "pi_loaded") this.#watch.onStarted(host);
        return this.#parts.log.debug(`host is ${message.kind}`, { host });
    }
  }

  async #record(host: number, { record, ref }: Extract<FromWorker, { kind: "save_record" }>): Promise<void> {
    const entry = this.#sessions.get(record.info.sessionId);
    let error: string | undefined;
    if (entry !== undefined && entry.host === host && entry.liveSlot !== undefined) {
      entry.record = record;
      entry.inMemory = record.inMemory;
      // The session's own numbers are known before it is announced.
      if (entry.state === "building") entry.epoch = record.info.epoch;
      error = await this.persistence.save(entry);
    }
    if (ref !== undefined) {
      this.#send(host, { kind: "record_saved", ref, ...(error === undefined ? {} : { error }) });
    }
  }

  #delete(entry: SessionEntry): void {
    if (this.#sessions.isCurrent(entry)) this.journal.onSessionDeleted(entry.sessionId);
    this.#forget(entry);
  }

  #forget(entry: SessionEntry): void {
    if (!this.#sessions.remove(entry)) return;
    entry.removed = this.persistence.remove(entry);
    this.#away.reevaluate();
  }

  /** Tells a host that has started what the others know. */
  #introduce(host: number): void {
    this.#claims.syncTo(host);
    if (this.#unattended) this.#send(host, { kind: "disable_dialogs" });
  }

  #send(host: number, message: ToWorker): void {
    this.#hosts.send(host, message);
  }
}

export type { ReplyTo } from "../journal/reply_to.ts";
