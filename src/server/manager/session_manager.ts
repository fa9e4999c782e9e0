// Does: routes each command to the session's worker, and each message of a worker to the service that owns it.
// Used by: the router. Uses: the services of this folder, which share one context.
// Invariant: it reads no pi event, and knows a connection by its number alone.
import { defined } from "../../base/json.ts";
import { isPermit, type Permit } from "../../governor/governor.ts";
import { joinHandlers } from "../../ipc/handlers.ts";
import type {
  FromWorker,
  FromWorkerHandlers,
  SessionState,
  SnapshotForm,
  SubscriberDemand,
} from "../../ipc/messages.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { fileInUse, noSession } from "../../protocol/failures.ts";
import type { Command, CommandOf, CommandSpec } from "../../protocol/schema/commands.ts";
import type { CommandJournal } from "../journal/command_journal.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import { WorkerHealth } from "../health/worker_health.ts";
import type { Store } from "../state/session_store.ts";
import type { ListSort } from "../../protocol/schema/list_fields.ts";
import type { SessionInfo } from "../../protocol/schema/responses.ts";
import type { Metrics } from "../../protocol/schema/monitoring_commands.ts";
import type { Heartbeat } from "../workers/heartbeat.ts";
import { Supervisor } from "../workers/supervisor.ts";
import { type Disposal, WorkerRequests } from "../workers/worker_requests.ts";
import { Retirement } from "../workers/worker_retirement.ts";
import { CommandDispatcher } from "./command_dispatcher.ts";
import { type AskCatalogue, ParkedSessions } from "./parking/parked_sessions.ts";
import type { FileClaims } from "./file_claims.ts";
import { ReplayBuffer } from "./replay_buffer.ts";
import {
  createContext,
  type SessionContext,
  type SessionManagerParts,
  type SessionSink,
} from "./session_context.ts";
import { SessionEntry } from "./session_entry.ts";
import type { SessionPersistence } from "./session_persistence.ts";
import { type OnStates, SessionQueries } from "./session_queries.ts";
import { SessionOrder } from "./session_order.ts";
import { WorkerRecovery } from "./worker_recovery.ts";

/** What the server thread knows of a session that was announced. */
export interface KnownSession {
  readonly info: SessionInfo;
  readonly status: "live" | "parked";
  /** Canonical path of its file. */
  readonly file: string | undefined;
}

export type { ReplyTo } from "../journal/reply_to.ts";

const STOPPED = failure("cancelled", "The server was shut down before the command had finished");
const NO_EVENTS = new ReplayBuffer();

/** Milliseconds that a session's own worker gets to report its state, before its last report has to do. */
const STATE_MS = 2_000;

/** The sessions of one server. */
export class SessionManager {
  readonly #parts: SessionManagerParts;
  readonly #context: SessionContext;
  readonly #queries: SessionQueries;
  readonly #requests: WorkerRequests;
  readonly #parked: ParkedSessions;
  readonly #dispatcher: CommandDispatcher;
  readonly #supervisor: Supervisor;
  readonly #recovery: WorkerRecovery;
  readonly #order: SessionOrder;
  /** What is wrong with workers, their sessions and providers. */
  readonly health: WorkerHealth;
  #dialogsDisabled = false;
  /** Called when a session has probably written to its file. */
  onWritten: (file: string) => void = () => {};

  /** Asks the catalogue for what the file of a parked session holds. Set it once, before the first command. */
  set askCatalogue(ask: AskCatalogue) {
    this.#parked.ask = ask;
  }

  constructor(parts: SessionManagerParts) {
    const { clock, governor, memory, log, lease } = parts;
    const context = createContext(parts);
    const { workers, commands, registry } = context;
    const { hostSilentMs } = governor.limits;
    this.#parts = parts;
    this.#context = context;
    this.#order = new SessionOrder(context.registry);
    this.#queries = new SessionQueries(context);
    this.#requests = new WorkerRequests(clock, workers);
    this.#parked = new ParkedSessions(context);
    this.#dispatcher = new CommandDispatcher(context, this.#parked);
    this.#supervisor = new Supervisor({ clock, governor, workers, memory, lease });
    this.#recovery = new WorkerRecovery(
      context,
      this.#supervisor,
      this.#parked,
      this.#queries,
      this.#requests,
    );
    const retirement = new Retirement(log, workers, commands, this.#requests);

    this.health = new WorkerHealth({
      clock,
      log,
      hostSilentMs,
      workers,
      heartbeat: this.heartbeat,
      registry,
    });
    workers.handlers = this.#handlers();
    this.#recovery.onLost = (worker, reason) => this.health.onLost(worker, reason);
    workers.onExit = (worker, reason) => this.#recovery.onExit(worker, reason);
    workers.onStarted = (worker) => this.#onWorkerStarted(worker);
    commands.onAnswered = (worker) => {
      workers.keepSpare();
      retirement.check(worker);
    };
    this.#parked.onLeft = (worker) => retirement.check(worker);
    this.#supervisor.onFailure = (worker, reason) => this.#recovery.replace(worker, reason);
    retirement.onRemoved = (worker) => {
      this.#supervisor.removed(worker);
      this.health.forget(worker);
      this.#queries.onWorkerLost(worker, []);
    };
  }

  /** The service that owns each kind of message. A kind without a handler does not compile. */
  #handlers(): FromWorkerHandlers {
    const { log, trust, governor, clock } = this.#parts;
    const { registry, replay, workers, commands, files, journal } = this.#context;
    const note = ({ kind }: FromWorker, worker: number): void => log.debug(`worker is ${kind}`, { worker });
    return joinHandlers(
      commands.handlers,
      files.handlers,
      this.#queries.handlers,
      this.#requests.handlers,
      this.#parked.handlers,
      this.#supervisor.handlers,
      this.health.handlers,
      {
        events: ({ sessionId, events }, worker) => {
          const entry = registry.get(sessionId);
          const epoch = entry?.epoch ?? "";
          if (entry !== undefined) entry.usedAt = clock.monotonic();
          // Events of a deleted session are not stored: a new session may already use the id.
          if (epoch !== "") replay.append(sessionId, events);
          governor.counters.events += events.length;
          this.#context.sink.onEvents({ sessionId, epoch, records: events }, worker);
        },
        session_started: ({ sessionId, epoch }) => {
          const entry = registry.get(sessionId);
          if (entry !== undefined) entry.epoch = epoch;
        },
        save_record: (message, worker) => void this.#saveRecord(worker, message),
        message_progress: ({ ref, state }) => journal.onMessageProgress(ref, state),
        usage: ({ usage }) => governor.counters.spend(usage),
        trust_folder: (message) => trust?.set(message, () => workers.sendAll(message)),
        log: ({ level, message, fields }, worker) => log[level](message, { worker, ...fields }),
        online: note,
        batch_ack: note,
        fatal: note,
        load_begun: (message, worker) => {
          this.#supervisor.onLoadBegun(worker);
          note(message, worker);
        },
        load_ended: (message, worker) => {
          this.#supervisor.onLoadEnded(worker);
          workers.onLoaded(worker);
          this.health.onLoaded(worker);
          note(message, worker);
        },
      } satisfies Partial<FromWorkerHandlers>,
    );
  }

  /** Takes over the sessions of an earlier server; before the workers are started. */
  restore(store: Store, records: readonly SessionRecord[]): void {
    const { persistence, registry, files } = this.#context;
    for (const entry of persistence.restore(store, records)) {
      registry.add(entry);
      files.restored(entry.sessionId, entry.file, entry.record?.info.status === "live");
    }
  }

  /** Starts the workers, and connects the router. Until then no command may come. */
  start(sink: SessionSink): void {
    this.#context.sink = sink;
    if (this.#parts.gateway !== true) this.#context.workers.startAll(this.#parts.workers);
    this.#supervisor.start();
    this.#parked.start();
  }

  /** Ids of all sessions that a worker runs or builds. */
  get sessionIds(): readonly string[] {
    return this.#context.registry.runningIds;
  }

  /** The states of all sessions that no worker runs. */
  get parked(): readonly SessionState[] {
    return this.#parked.states;
  }

  /** Ids of all sessions that were announced, in that order. The list never changes. */
  sessionOrder(sort: ListSort): readonly string[] {
    return this.#order.list(sort);
  }

  /** A session by its last record. Undefined until it was announced, and once it is gone. */
  known(sessionId: string): KnownSession | undefined {
    const entry = this.#context.registry.get(sessionId);
    if (entry?.record === undefined) return undefined;
    const live = entry.isRunning || entry.state === "parking";
    return { info: entry.record.info, status: live ? "live" : "parked", file: entry.file };
  }

  /**
   * Calls `done` with JSON of the SessionInfo of those sessions that are still there. A worker that does not answer in
   * time delays them, and its last report counts.
   */
  infosOf(sessionIds: readonly string[], done: (infos: ReadonlyMap<string, string>) => void): void {
    this.#queries.infos(sessionIds, STATE_MS, (entry) => this.#parked.lastInfo(entry), done);
  }

  /** Ends whatever runs, because another node may have the sessions from now on. They are parked. */
  endAll(reason: string): void {
    for (const worker of this.#context.workers.used) this.#recovery.replace(worker, reason);
  }

  /** Whether the record of a session is still the copy of a dead node's. */
  isCopy(sessionId: string): boolean {
    return this.#context.registry.get(sessionId)?.record?.copy === true;
  }

  /** The epoch of a session. */
  epochOf(sessionId: string): string | undefined {
    return this.#context.registry.get(sessionId)?.epoch;
  }

  /** Another node has the session from now on: drops all that is kept of it here, but not its file. */
  forget(sessionId: string): void {
    const entry = this.#context.registry.get(sessionId);
    if (entry !== undefined) this.#context.lifecycle.delete(entry);
  }

  /** Which session drives which file. */
  get files(): FileClaims {
    return this.#context.files;
  }

  /** Whether this thread and the workers keep up. */
  get heartbeat(): Heartbeat {
    return this.#supervisor.heartbeat;
  }

  /** Memory of the process and of its threads. */
  get memoryBytes(): Metrics["memoryBytes"] {
    return this.#supervisor.memoryBytes();
  }

  /** How many sessions may live at a time. */
  get maxSessions(): number {
    return this.#parts.governor.limits.sessions;
  }

  /** Numbers of all workers, with the spare and those that are about to end. */
  get workers(): readonly number[] {
    return this.#context.workers.all;
  }

  /** Numbers of the workers that `statesOfAll` asks: a worker without a session may still load pi, and knows nothing. */
  get asked(): readonly number[] {
    const { workers, registry } = this.#context;
    if (workers.isolated) {
      const own = new Set(registry.running().map(({ worker }) => worker));
      return [...own].filter((worker) => workers.isLoaded(worker));
    }
    const used = registry.workersInUse;
    return workers.all.filter((worker) => used.has(worker));
  }

  /** The journal of commands that must not be lost or done twice. */
  get journal(): CommandJournal {
    return this.#parts.journal;
  }

  /** The records of sessions on the disk. */
  get persistence(): SessionPersistence {
    return this.#context.persistence;
  }

  has(sessionId: string): boolean {
    return this.#context.registry.has(sessionId);
  }

  /** Reserves an id and a live slot, and has the session built. Returns the id. */
  createSession(command: CommandOf<"create_session"> | CommandOf<"load_session">, replyTo: ReplyTo): string {
    const sessionId = command.sessionId ?? this.#parts.uuid();
    if (this.#parts.gateway === true) {
      const sentence = "This node runs no sessions (--workers none); leave node out, or name another one";
      replyTo.answer({ ok: false, failure: failure("node_unavailable", sentence) });
      return sessionId;
    }
    if (this.has(sessionId)) {
      const sentence = `There is a session "${sessionId}" already; choose another id, or leave it out`;
      replyTo.answer({ ok: false, failure: failure("session_exists", sentence) });
      return sessionId;
    }
    const inMemory = command.type === "create_session" && command.inMemory === true;
    const entry = new SessionEntry(sessionId, this.#parts.clock.monotonic(), inMemory);
    this.#context.registry.add(entry);
    const fail = (failed: Failure): void => {
      this.#context.lifecycle.remove(entry);
      replyTo.answer({ ok: false, failure: failed });
    };
    const build = (): void => {
      this.#parked.acquireSlot((got) => {
        if (!isPermit(got)) return fail(got);
        entry.liveSlot = got;
        this.#dispatcher.buildSession(entry, { ...command, sessionId }, replyTo);
      });
    };
    const { claims } = this.#parts;
    if (claims === undefined) build();
    else {void claims.claim(sessionId, command.sessionId === undefined).then((failed) =>
        failed === undefined ? build() : fail(failed)
      );}
    return sessionId;
  }

  /** Loads a session file under the given id, or under the file's own. Calls `named` with the id. */
  loadSession(
    command: CommandOf<"load_session">,
    replyTo: ReplyTo,
    named: (sessionId: string) => void,
  ): void {
    if (command.sessionId !== undefined || this.#parts.gateway === true) {
      return named(this.createSession(command, replyTo));
    }
    const { workers, files } = this.#context;
    this.#queries.header(workers.leastLoaded(), command, replyTo, (id, file) => {
      const owner = files.owner(file);
      if (owner === undefined) return named(this.createSession({ ...command, sessionId: id }, replyTo));
      replyTo.answer({ ok: false, failure: fileInUse(owner) });
    });
  }

  /** Has a worker answer a command that concerns no live session. */
  askAnyWorker(command: Command, replyTo: ReplyTo): void {
    const { workers, commands } = this.#context;
    const worker = workers.isolated ? workers.leastLoaded() : 0;
    const ref = commands.expectWithTimeout(worker, replyTo, command.type);
    workers.send(worker, { kind: "command", ref, connection: replyTo.connection, command });
  }

  /** Forwards a session's command to its worker. A parked session is resumed for it, or answered for. */
  forwardCommand(command: Command, spec: CommandSpec, replyTo: ReplyTo): Failure | undefined {
    const sessionId = command.sessionId ?? "";
    const entry = this.#context.registry.get(sessionId);
    let permit: Permit | undefined;
    if (spec.lane === "mailbox" && entry !== undefined) {
      const taken = this.#parts.governor.mailbox(sessionId);
      if (!isPermit(taken)) return taken;
      permit = taken;
    }
    if (entry === undefined) return noSession(sessionId);
    if (command.type !== "get_state") entry.usedAt = this.#parts.clock.monotonic();
    if (entry.isRunning) this.#dispatcher.forward(entry, command, replyTo, permit);
    else if (!this.#parked.tryAnswer(entry, command, replyTo)) {
      this.#parked.whenRunning(entry, (failed) => {
        if (failed === undefined) return this.#dispatcher.forward(entry, command, replyTo, permit);
        permit?.release();
        replyTo.answer({ ok: false, failure: failed });
      });
    }
    return undefined;
  }

  /** The replay buffer of a session and its epoch; undefined while the session is parked. */
  replayOf(sessionId: string): { readonly epoch: string; readonly log: ReplayBuffer } | undefined {
    const entry = this.#context.registry.get(sessionId);
    if (entry === undefined || !entry.isRunning) return undefined;
    return { epoch: entry.epoch, log: this.#context.replay.of(sessionId) ?? NO_EVENTS };
  }

  /** Asks for the state of one session, behind its earlier commands. A parked session is resumed. */
  stateOf(sessionId: string, snapshot: boolean, done: OnStates, form?: SnapshotForm): void {
    const entry = this.#context.registry.get(sessionId);
    if (entry === undefined) return done([], 0);
    const ask = (): void => {
      entry.inFlight++;
      entry.usedAt = this.#parts.clock.monotonic();
      this.#context.queue.run(sessionId, () => {
        const told: OnStates = (sessions, worker) => {
          done(sessions, worker);
          entry.inFlight--;
          this.#parked.reevaluate();
        };
        this.#queries.states(entry.worker, [sessionId], snapshot ? "all" : [], told, defined({ form }));
      });
    };
    if (entry.isRunning) return ask();
    this.#parked.whenRunning(entry, (failed) => failed === undefined ? ask() : done(failed, 0));
  }

  /**
   * Asks the workers in `asked` for the states of their sessions. A session's own worker that hangs or dies does not
   * disturb the others: its last report is the answer.
   */
  statesOfAll(snapshots: "all" | readonly string[], done: OnStates, form?: SnapshotForm): void {
    const { isolated } = this.#context.workers;
    const orLast: OnStates = (sessions, worker) => {
      done("code" in sessions && isolated ? this.#parked.lastKnown(worker) : sessions, worker);
    };
    for (const worker of this.asked) {
      const withinMs = isolated ? STATE_MS : undefined;
      this.#queries.states(worker, undefined, snapshots, orLast, defined({ form, withinMs }));
    }
  }

  /** Sends the worker which forms of a session's events are wanted. */
  setDemand(sessionId: string, demand: SubscriberDemand): void {
    const entry = this.#context.registry.get(sessionId);
    if (entry === undefined) return;
    const { sink, queue, workers } = this.#context;
    const watched = sink.isWatched(sessionId);
    // A client that leaves may come back with a cursor.
    if (entry.watched && !watched) entry.usedAt = this.#parts.clock.monotonic();
    entry.watched = watched;
    queue.run(sessionId, () => {
      if (entry.isRunning) workers.send(entry.worker, { kind: "subscribers", sessionId, demand });
    });
  }

  /** No client can answer dialogs any more: workers cancel open ones, and show no later ones. */
  readonly disableDialogs = (): void => {
    this.#dialogsDisabled = true;
    this.#context.workers.sendAll({ kind: "disable_dialogs" });
  };

  /** Resolves when nothing runs, in all sessions or in those. */
  whenIdle(sessionIds?: readonly string[]): Promise<void> {
    const { registry, queue } = this.#context;
    const own = (worker: number) => sessionIds?.filter((id) => registry.get(id)?.worker === worker);
    const ask = (): Promise<void> => this.#requests.whenIdle(own);
    return queue.isIdle ? ask() : queue.idle().then(ask);
  }

  /** Counts the busy sessions, and with `stop` stops them. A worker that hangs counts as 0. */
  countBusy(stop: boolean, withinMs: number): Promise<number> {
    return this.#requests.countBusy(stop, withinMs);
  }

  /** Disposes all sessions. Each worker bounds that itself, and `withinMs` bounds the workers. */
  async disposeAll(withinMs: number): Promise<Disposal> {
    const { workers, registry, files, commands } = this.#context;
    this.#recovery.expectExits();
    workers.stop();
    this.#supervisor.stop();
    this.#parked.stop(STOPPED);
    const disposal = await this.#requests.disposeAll(withinMs);
    workers.terminateAll();
    await this.persistence.close(registry.entries.values());
    await files.close();
    // A worker that hung has left commands without an answer.
    commands.answerAll({ ok: false, failure: STOPPED, lost: true });
    return disposal;
  }

  async #saveRecord(
    worker: number,
    { record, ref }: Extract<FromWorker, { kind: "save_record" }>,
  ): Promise<void> {
    const entry = this.#context.registry.get(record.info.sessionId);
    let error: string | undefined;
    if (entry !== undefined && entry.worker === worker && entry.liveSlot !== undefined) {
      entry.record = record;
      entry.inMemory = record.inMemory;
      // The session's own epoch is known before the session is announced.
      if (entry.state === "building") entry.epoch = record.info.epoch;
      if (entry.file !== undefined) this.onWritten(entry.file);
      error = await this.persistence.save(entry);
    }
    if (ref === undefined) return;
    this.#context.workers.send(worker, { kind: "record_saved", ref, ...defined({ error }) });
  }

  /** Sends a new worker what the others know. */
  #onWorkerStarted(worker: number): void {
    this.#context.files.syncTo(worker);
    if (this.#dialogsDisabled) this.#context.workers.send(worker, { kind: "disable_dialogs" });
  }
}
