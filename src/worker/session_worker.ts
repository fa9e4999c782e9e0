// Does: runs the sessions of one worker: builds them, passes them their commands, parks and disposes them.
// Used by: worker.ts in a thread of its own, and in_process_worker.ts. Uses: the session builder and pi's factory.
// Invariant: it answers pings before pi is loaded, and knows a connection by its number alone.
import { errorMessage, errorStack } from "../base/error_message.ts";
import type { CommandOf } from "../protocol/schema/commands.ts";
import { SESSION_ID_PATTERN } from "../protocol/schema/command_spec.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import { toJson } from "../base/text.ts";
import { DISPOSE_MS } from "../governor/limits.ts";
import { deadline } from "../base/async/deadline.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AgentFactory, AgentHooks, AgentPort } from "./session/agent_port.ts";
import { statesReply } from "./session/session_state.ts";
import { SessionBuilder } from "./session_builder.ts";
import { FileClaims } from "./file_claims.ts";
import { joinHandlers, workerHandlerOf } from "../ipc/handlers.ts";
import type { FromWorker, Reply, ToWorker, ToWorkerHandlers, WorkerConfig } from "../ipc/messages.ts";
import { noSession, type Outcome, unreadable } from "../protocol/failures.ts";
import { switchFile } from "./session/handlers/history.ts";
import { HANDLERS } from "./session/handlers/mod.ts";
import { type MakeMessage, SendQueue } from "../ipc/send_queue.ts";
import { ExtensionErrorLog } from "./extension_error_log.ts";
import { ModelReports } from "./model_reports.ts";
import { ProviderReports } from "./provider_reports.ts";
import { RecordPublisher } from "./record_publisher.ts";
import { Session, type SessionParts } from "./session/session.ts";
import { usageOf } from "./session/guards/usage.ts";
import { TrustedFolders } from "./trusted_folders.ts";
import { WholeDeltas } from "./session/events/whole_text.ts";
import { chooseEngine } from "./pi/engines/choice.ts";
import type { SessionFiles } from "./session/files/session_file_access.ts";
import { WriteLease } from "./write_lease.ts";

type MessageOf<K extends ToWorker["kind"]> = Extract<ToWorker, { kind: K }>;
type LogLevel = "debug" | "info" | "warn" | "error";

/** Loads the factory of agents; a worker does this once, after it has started. */
export type LoadFactory = (
  runtime: Runtime,
  config: WorkerConfig,
  trusted: TrustedFolders,
) => Promise<AgentFactory>;

/** Loads pi. The dynamic import keeps pi out of the server thread and behind the greeting. */
export const loadPi: LoadFactory = async (runtime, config, trusted) => {
  chooseEngine(config.engine);
  const { createFactory } = await import("./pi/factory.ts");
  return createFactory(runtime, {
    resources: config.resources,
    demo: config.demo,
    outputDir: config.outputDir,
    trusts: (folder) => trusted.has(folder),
  });
};

const USABLE_ID = new RegExp(SESSION_ID_PATTERN);
const NO_PI = failure("internal", "pi is not loaded");
const STOPPED = failure("cancelled", "The server was shut down before the command had finished");

/** The start of a session. */
type SessionStart = Pick<SessionParts, "sessionId" | "demand" | "epoch" | "restoredFrom" | "interrupted">;
type Build = (builder: SessionBuilder, hooks: AgentHooks) => Promise<Outcome<AgentPort>>;

/** One worker. */
export class SessionWorker {
  readonly #runtime: Runtime;
  readonly #load: LoadFactory;
  readonly #sendQueue: SendQueue;
  readonly #sessions = new Map<string, Session>();
  readonly #disposals = new Set<Promise<boolean>>();
  readonly #idleWaits = new Map<number, readonly string[] | undefined>();
  /** The file of each session, as pi names it. */
  readonly #files = new Map<string, string>();
  readonly #claims = new FileClaims((message) => this.#send(message));
  readonly #trusted = new TrustedFolders((message) => this.#send(message));
  readonly #providers = new ProviderReports((message) => this.#send(message));
  readonly #models = new ModelReports((message) => this.#send(message));
  readonly #extensionErrors = new ExtensionErrorLog((message, fields) => this.#log("warn", message, fields));
  readonly #records = new RecordPublisher((message) => this.#send(message));
  /** Messages that came before pi was loaded. */
  #queuedUntilLoaded: ToWorker[] | undefined = [];
  #builder: SessionBuilder | undefined;
  #factory: AgentFactory | undefined;
  /** No client can answer dialogs any more: none are shown. */
  #dialogsDisabled = false;
  #sessionDefaults: Pick<WorkerConfig, "pendingUi" | "budget" | "turnStallMs" | "node"> = { pendingUi: 1 };
  #loadFailure: Failure | undefined;
  readonly #lease: WriteLease;

  /**
   * @param post takes the messages for the server thread, batch by batch, with a size in bytes
   * @param window bytes that may be posted before `addCredit` frees some
   */
  constructor(
    runtime: Runtime,
    load: LoadFactory,
    post: (batch: readonly FromWorker[], bytes: number) => void,
    window = Infinity,
  ) {
    this.#runtime = runtime;
    this.#lease = new WriteLease(runtime);
    this.#load = load;
    this.#sendQueue = new SendQueue(runtime, post, window);
  }

  /** The handler of each kind of message. A kind without a handler does not compile. */
  readonly #handlers: ToWorkerHandlers = joinHandlers(
    this.#claims.handlers,
    this.#records.handlers,
    {
      start: ({ config }) => void this.#start(config),
      ping: ({ ref, writesUntil }) => {
        if (writesUntil !== undefined) this.#lease.extend(writesUntil);
        this.#pong(ref);
      },
      command: ({ ref, connection, command }) => {
        if (command.type === "get_available_models" && command.sessionId === undefined) {
          return void this.#listModels(ref);
        }
        const sessionId = command.sessionId ?? "";
        const session = this.#sessions.get(sessionId);
        if (session !== undefined) session.submit({ ref, connection, command });
        else this.#refuse(ref, noSession(sessionId));
      },
      create_session: (message) => void this.#create(message),
      resume_session: (message) => void this.#resume(message),
      park_session: (message) => void this.#park(message),
      read_header: (message) => void this.#readHeader(message),
      trust_folder: ({ folder, trusted }) => this.#trusted.setTrusted(folder, trusted),
      subscribers: ({ sessionId, demand }) => this.#sessions.get(sessionId)?.setDemand(demand),
      get_states: (message) => this.#sendStates(message),
      count_busy: (message) => this.#countBusy(message),
      await_idle: ({ ref, sessionIds }) => {
        this.#idleWaits.set(ref, sessionIds);
        this.#checkIdle();
      },
      disable_dialogs: () => {
        this.#dialogsDisabled = true;
        for (const session of this.#sessions.values()) session.dialogs.cancel("cancelled");
      },
      shutdown: ({ ref }) => void this.#disposeAll(ref),
    } satisfies Partial<ToWorkerHandlers>,
  );

  /** Takes a message of the server thread. */
  receive(message: ToWorker): void {
    const { kind } = message;
    if (this.#queuedUntilLoaded !== undefined && kind !== "start" && kind !== "ping") {
      this.#queuedUntilLoaded.push(message);
    } else workerHandlerOf(this.#handlers, kind)(message);
  }

  /** A batch of messages is handled; goes out with the answers that were given at once. */
  acknowledgeBatch(): void {
    this.#send({ kind: "batch_ack" });
  }

  /** The server thread has handled that many bytes of the posted ones. */
  addCredit(bytes: number): void {
    this.#sendQueue.addCredit(bytes);
  }

  #pong(ref: number): void {
    const [at, bytes] = [this.#runtime.now(), this.#runtime.memory().ownBytes];
    this.#send({ kind: "pong", ref, at, bytes, ...this.#lease.time });
  }

  async #start(config: WorkerConfig): Promise<void> {
    if (config.processTag !== undefined) {
      this.#runtime.tagWorkerProcesses(config.processTag, config.serverTag);
    }
    if (config.shared === true) this.#lease.share();
    this.#trusted.start(config);
    const { pendingUi, budget, turnStallMs, node } = config;
    this.#sessionDefaults = {
      pendingUi,
      ...(budget === undefined ? {} : { budget }),
      ...(turnStallMs === undefined ? {} : { turnStallMs }),
      ...(node === undefined ? {} : { node }),
    };
    this.#send({ kind: "load_begun" });
    this.#sendQueue.flush();
    try {
      const factory = await this.#load(this.#runtime, config, this.#trusted);
      this.#factory = factory;
      this.#builder = new SessionBuilder({
        runtime: this.#runtime,
        config,
        factory,
        claims: this.#claims,
        trusted: this.#trusted,
        log: (message, fields) => this.#log("error", message, fields),
        onLateAgent: (agent) => void this.#dispose(agent),
      });
      this.#send({ kind: "load_ended" });
      this.#models.report(factory);
      this.#models.watch(factory);
    } catch (error) {
      this.#loadFailure = failure("internal", `pi could not be loaded: ${errorMessage(error)}`);
      this.#log("error", this.#loadFailure.message, { stack: errorStack(error) });
      this.#send({ kind: "load_ended" });
      this.#models.failed(this.#loadFailure.message);
    }
    const early = this.#queuedUntilLoaded ?? [];
    this.#queuedUntilLoaded = undefined;
    for (const message of early) this.receive(message);
  }

  #sendStates({ ref, sessionIds, snapshots, form }: MessageOf<"get_states">): void {
    const answer = (): void => {
      const wanted = sessionIds?.map((id) => this.#sessions.get(id)) ?? [...this.#sessions.values()];
      const answered = (): void => this.#send(statesReply(ref, wanted, snapshots, form));
      if (form?.refs !== true) return answered();
      void Promise.all(wanted.map((one) => one?.live === true ? one.prepared(form) : undefined)).then(
        answered,
      );
    };
    const [only] = sessionIds ?? [];
    const session = only === undefined ? undefined : this.#sessions.get(only);
    if (session === undefined) answer();
    else session.whenBuilt(answer);
  }

  #create({ ref, demand, command, interrupted }: MessageOf<"create_session">): Promise<void> {
    const { sessionId } = command;
    this.#models.again(this.#factory);
    if (sessionId === undefined) {
      this.#refuse(ref, failure("internal", "A session cannot be built without an id"));
      return Promise.resolve();
    }
    const before = interrupted === undefined ? {} : { interrupted };
    const begin = { sessionId, demand, epoch: this.#runtime.uuid(), ...before };
    const load = command.type === "load_session" ? command : undefined;
    return this.#build(ref, begin, (builder, hooks) => builder.build(command, hooks), load);
  }

  #resume({ ref, demand, epoch, record, interrupted }: MessageOf<"resume_session">): Promise<void> {
    const begin = { sessionId: record.info.sessionId, demand, epoch, restoredFrom: record, interrupted };
    return this.#build(ref, begin, (builder, hooks) => builder.resume(record, hooks));
  }

  /** @param load the command, when its session may do without pi */
  async #build(
    ref: number,
    begin: SessionStart,
    build: Build,
    load?: CommandOf<"load_session">,
  ): Promise<void> {
    const builder = this.#builder;
    if (builder === undefined) return this.#refuse(ref, this.#loadFailure ?? NO_PI);
    const { sessionId } = begin;
    const session = this.#newSession(begin, builder);
    this.#sessions.set(sessionId, session);
    const granted = this.#lease.granted();
    if (granted !== undefined) await granted;
    const outcome = await build(builder, this.#hooks(session, builder));
    if (outcome.ok && !session.closed) session.built(outcome.value);
    if (load !== undefined && !outcome.ok && outcome.failure.code === "session_file_too_large") {
      return await this.#leaveUnloaded(ref, session, builder, load, begin.epoch, outcome.failure);
    }
    // A session is acknowledged once a crash would not lose it.
    const unkept = outcome.ok && !session.closed ? await this.#records.publishNow(session) : undefined;
    if (session.closed) {
      if (outcome.ok) void this.#dispose(outcome.value);
      this.#refuse(ref, STOPPED);
    } else if (!outcome.ok || unkept !== undefined) {
      this.#sessions.delete(sessionId);
      this.#files.delete(sessionId);
      if (outcome.ok) void this.#dispose(outcome.value);
      this.#refuse(ref, outcome.ok ? unkept ?? NO_PI : outcome.failure);
      session.close(noSession(sessionId));
    } else {
      const sessionInfo = session.info();
      this.#send({ kind: "session_started", sessionId, epoch: sessionInfo.epoch });
      const dataText = toJson({ sessionId, sessionInfo });
      this.#reply(ref, { ok: true, dataText, sessionVersion: sessionInfo.sessionVersion });
      session.open();
    }
    this.#checkIdle();
  }

  /** The file is too large for pi: the session begins as a parked one, whose entries are read from the file. */
  async #leaveUnloaded(
    ref: number,
    session: Session,
    builder: SessionBuilder,
    command: CommandOf<"load_session">,
    epoch: string,
    why: Failure,
  ): Promise<void> {
    const { sessionId } = session;
    const made = await builder.unloaded(command, epoch, why).catch(unreadable);
    const unkept = made.ok && !session.closed
      ? await this.#records.publishNow({ sessionId, record: () => made.value })
      : undefined;
    this.#records.forget(sessionId);
    if (!session.closed) this.#sessions.delete(sessionId);
    if (session.closed) this.#refuse(ref, STOPPED);
    else if (!made.ok) this.#refuse(ref, made.failure);
    else if (unkept !== undefined) this.#refuse(ref, unkept);
    else {
      this.#send({ kind: "session_started", sessionId, epoch });
      const dataText = toJson({ sessionId, sessionInfo: made.value.info });
      this.#reply(ref, { ok: true, dataText, sessionVersion: 0 });
    }
    session.close(why);
    this.#checkIdle();
  }

  async #park({ ref, sessionId }: MessageOf<"park_session">): Promise<void> {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || !session.parkable) return this.#send({ kind: "park_result", ref });
    const record = session.record();
    this.#sessions.delete(sessionId);
    this.#files.delete(sessionId);
    const agent = session.close(STOPPED);
    // Another session may have the file only once the extensions of this one have ended.
    if (agent !== undefined) await this.#dispose(agent);
    this.#send({ kind: "park_result", ref, record });
  }

  #newSession(begin: SessionStart, builder: SessionBuilder): Session {
    const place: SessionFiles = {
      ...builder.place,
      claim: (id, file) => this.#claims.claim(id, file),
      giveBack: (id) => void this.#reportFile(id, this.#files.get(id), builder),
      liveSession: (file) => this.#claims.liveSession(file),
    };
    return new Session({
      ...begin,
      handlers: HANDLERS,
      clock: this.#runtime,
      content: this.#runtime.content,
      uuid: () => this.#runtime.uuid(),
      ...this.#sessionDefaults,
      place,
      message: (to, state) => this.#send({ kind: "message_progress", ref: to, state }),
      keep: (which) => this.#records.publish(which),
      reply: (to, reply) => this.#reply(to, reply),
      accepted: (to) => this.#send({ kind: "command_released", ref: to }),
      flush: () => this.#sendQueue.flush(),
      // Bound, since a closure would be one more frame on the way of every event.
      event: this.#sendQueue.sendEvent.bind(this.#sendQueue),
      log: (level, message, fields) => this.#log(level, message, fields),
      silence: (id, silence) =>
        this.#send({ kind: "silence_report", sessionId: id, ...(silence === undefined ? {} : { silence }) }),
      changed: () => this.#checkIdle(),
      removed: (which) => this.#forget(which),
    });
  }

  #hooks(session: Session, builder: SessionBuilder): AgentHooks {
    const whole = new WholeDeltas(session.emit.bind(session));
    return {
      emit: (event) => {
        whole.pass(event);
        this.#extensionErrors.follow(session.sessionId, event);
        this.#providers.follow(session.sessionId, event);
        const usage = usageOf(event);
        if (usage === undefined) return;
        if (!session.closed) session.watch.budget.spend(usage);
        this.#send({ kind: "usage", sessionId: session.sessionId, usage });
      },
      ask: (question) => this.#dialogsDisabled ? Promise.resolve(undefined) : session.dialogs.ask(question),
      replacing: () => session.dialogs.cancel("session"),
      rewritten: () => session.rewritten(),
      switchFile: (path, ready, change) => switchFile(session, path, { ready, change }),
      fileChanged: (path) => {
        if (session.closed) return;
        if (path !== undefined) this.#files.set(session.sessionId, path);
        else this.#files.delete(session.sessionId);
        void this.#reportFile(session.sessionId, path, builder);
      },
    };
  }

  async #reportFile(sessionId: string, path: string | undefined, builder: SessionBuilder): Promise<void> {
    this.#claims.setFile(sessionId, path === undefined ? undefined : await builder.canonical(path));
  }

  async #readHeader({ ref, sessionPath }: MessageOf<"read_header">): Promise<void> {
    const found = await this.#builder?.identify(sessionPath).catch(unreadable);
    if (found?.ok) {
      const { path, header } = found.value;
      // The file's id becomes the session's, unless no client could name it.
      const id = USABLE_ID.test(header.id) ? header.id : this.#runtime.uuid();
      this.#send({ kind: "header", ref, id, file: path });
    } else this.#refuse(ref, found?.failure ?? this.#loadFailure ?? NO_PI);
  }

  async #listModels(ref: number): Promise<void> {
    const models = await this.#factory?.models?.();
    if (models === undefined) this.#refuse(ref, this.#loadFailure ?? NO_PI);
    else this.#reply(ref, { ok: true, dataText: toJson({ models }) });
  }

  #forget(session: Session): void {
    this.#sessions.delete(session.sessionId);
    this.#files.delete(session.sessionId);
    this.#records.forget(session.sessionId);
    const agent = session.close(
      failure("cancelled", "The session was deleted before the command had finished"),
    );
    if (agent !== undefined) void this.#dispose(agent);
    this.#checkIdle();
  }

  #countBusy({ ref, stop }: MessageOf<"count_busy">): void {
    const busy = [...this.#sessions.values()].filter((session) => !session.idle);
    for (const session of stop ? busy : []) session.stop();
    this.#send({ kind: "busy_count", ref, busy: busy.length });
  }

  async #disposeAll(ref: number): Promise<void> {
    const sessions = [...this.#sessions.values()];
    for (const session of sessions) if (session.live) this.#records.publishFinal(session);
    const agents = sessions.map((session) => session.close(STOPPED));
    this.#sessions.clear();
    const results = await Promise.all(
      agents.map((agent) => agent === undefined ? true : this.#dispose(agent)),
    );
    // Extensions of deleted sessions may still run their shutdown handlers.
    await Promise.all(this.#disposals);
    const disposed = results.filter((ok) => ok).length;
    const failed = results.length - disposed;
    const saving = this.#factory?.logins?.saved(this.#runtime);
    if (saving !== undefined) {
      this.#log("info", "waiting for a provider's new login to reach the disk");
      this.#send({ kind: "shutdown_done", ref, disposed, failed, saving: true });
      await saving;
    }
    this.#send({ kind: "shutdown_done", ref, disposed, failed });
  }

  #dispose(agent: AgentPort): Promise<boolean> {
    const disposal = this.#disposeSoon(agent).finally(() => this.#disposals.delete(disposal));
    this.#disposals.add(disposal);
    return disposal;
  }

  /** Disposes an agent, within a bound: its extensions may never return. */
  #disposeSoon(agent: AgentPort): Promise<boolean> {
    const gone = agent.dispose().then(() => true, (error) => {
      this.#log("warn", "disposing a session failed", { error: errorMessage(error) });
      return false;
    });
    return deadline(this.#runtime, DISPOSE_MS, gone, false);
  }

  #checkIdle(): void {
    for (const [ref, sessionIds] of [...this.#idleWaits]) {
      const sessions = sessionIds?.map((id) => this.#sessions.get(id)) ?? [...this.#sessions.values()];
      if (!sessions.every((session) => session === undefined || session.idle)) continue;
      this.#idleWaits.delete(ref);
      this.#send({ kind: "idle", ref });
    }
  }

  #reply(ref: number, reply: Reply | (() => Reply)): void {
    if (typeof reply === "function") this.#send(() => ({ kind: "reply", ref, reply: reply() }));
    else this.#send({ kind: "reply", ref, reply });
  }

  #refuse(ref: number, failed: Failure): void {
    this.#reply(ref, { ok: false, failure: failed, unstarted: true });
  }

  #log(level: LogLevel, message: string, fields: Record<string, unknown> = {}): void {
    this.#send({ kind: "log", level, message, fields });
  }

  #send(message: FromWorker | MakeMessage): void {
    this.#sendQueue.send(message);
  }
}
