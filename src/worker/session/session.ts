// Does: is one session: runs its commands in order and in time, and numbers, encodes and sends its events.
// Used by: session_worker.ts, and by the handlers of commands. Uses: the agent port.
// Invariant: each command has exactly one answer. It knows no connection and no pi.
import { errorMessage, errorStack } from "../../base/error_message.ts";
import { type CommandSpec, specOf } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type { Interrupted, SessionInfo } from "../../protocol/schema/responses.ts";
import { defined } from "../../base/json.ts";
import { toJson } from "../../base/text.ts";
import { SESSION_START_MS } from "../../governor/limits.ts";
import { MessageTracker } from "./message_tracker.ts";
import type { AgentPort } from "./agent_port.ts";
import type { Silence, SnapshotForm, SubscriberDemand } from "../../ipc/messages.ts";
import { Dialogs } from "./dialogs.ts";
import { ContentRefs } from "./events/content_refs.ts";
import { newestOf } from "./events/bounded_json.ts";
import { Dates } from "./events/encode_cache.ts";
import { noSession, versionConflict } from "../../protocol/failures.ts";
import { Mailbox } from "./mailbox.ts";
import { PausableTimers, Timers } from "./guards/pausable_timers.ts";
import { isSlow, timeoutOf } from "./command_timing.ts";
import { EventEncoder } from "./events/event_encoder.ts";
import { type Answer, replyOf } from "./reply_text.ts";
import { RunWaiters } from "./run_waiters.ts";
import { RunGuards } from "./guards/run_guards.ts";
import type * as parts from "./session_context.ts";
import type { Handled, Job } from "./session_context.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import { SnapshotState } from "./events/snapshot.ts";
import type { SessionFiles } from "./files/session_file_access.ts";

export type { Handled, Job } from "./session_context.ts";
/** Carries out one kind of command. */
export type Handler = parts.Handler<Session>;
/** What to do with a command that takes too long. */
export type OnTimeout = parts.OnTimeout<Session>;
/** The worker, as a session needs it. */
export type SessionParts = parts.SessionParts<Session>;

/** Events after which the session record may have changed. */
const KEPT_AFTER: ReadonlySet<string> = new Set([
  "agent_settled",
  "compaction_end",
  "model_changed",
  "session_info_changed",
  "session_replaced",
  "thinking_level_changed",
]);

type State = "building" | "live" | "closed";

/** One session. */
export class Session {
  readonly sessionId: string;
  readonly #parts: SessionParts;
  readonly #mailbox = new Mailbox();
  readonly #unanswered = new Map<number, Job>();
  /** The waiters for the current run. */
  readonly waiters: RunWaiters;
  readonly #timers: Timers;
  readonly #timeouts: PausableTimers;
  /** The dialogs of the session's extensions. */
  readonly dialogs: Dialogs;
  /** References to large texts and images of the history. */
  readonly refs: ContentRefs;
  readonly #encoder: EventEncoder;
  readonly #dates = new Dates();
  /** The budget and the stall detector. */
  readonly watch: RunGuards;
  readonly #createdAt: number;
  #state: State = "building";
  #untilBuilt: (() => void)[] = [];
  #agent: AgentPort | undefined;
  #snapshot: SnapshotState | undefined;
  #demand: SubscriberDemand;
  readonly #messages: MessageTracker;
  #interrupted: readonly Interrupted[];
  #tracked = 0;
  #seq = 0;
  #version = 0;
  #lastActivity: number;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.sessionId = parts.sessionId;
    this.#demand = parts.demand;
    this.#messages = new MessageTracker((ref, state) => parts.message(ref, state));
    this.#interrupted = parts.interrupted ?? [];
    this.refs = new ContentRefs(parts.content, parts.clock);
    this.#encoder = new EventEncoder(parts.sessionId, this.refs);
    this.#timers = new Timers(parts.clock);
    this.waiters = new RunWaiters((ms, fn) => this.#timers.after(ms, fn));
    this.#timeouts = new PausableTimers(parts.clock);
    this.dialogs = new Dialogs({
      sessionId: parts.sessionId,
      clock: parts.clock,
      uuid: parts.uuid,
      most: parts.pendingUi,
      emit: (event) => this.emit(event),
      changed: (open) => {
        this.#timeouts[open > 0 ? "pause" : "resume"]();
        this.watch.dialogs(open);
      },
    });
    const { clock, budget, turnStallMs, restoredFrom } = parts;
    const report = (silence: Silence | undefined): void => parts.silence?.(parts.sessionId, silence);
    const guarded = defined({ clock, budget, turnStallMs, restoredFrom, report });
    this.watch = new RunGuards(guarded, (event) => this.emit(event), () => this.#abortRun());
    this.#createdAt = restoredFrom === undefined
      ? parts.clock.now()
      : Date.parse(restoredFrom.info.createdAt);
    this.#lastActivity = restoredFrom === undefined
      ? this.#createdAt
      : Date.parse(restoredFrom.info.lastActivityAt);
    this.#version = restoredFrom?.info.sessionVersion ?? 0;
    // Parking keeps the epoch, so the numbers go on.
    this.#seq = restoredFrom?.info.epoch === parts.epoch ? restoredFrom.info.seq : 0;
  }

  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Whether pi's runtime exists. */
  get live(): boolean {
    return this.#state === "live";
  }

  /** Whether nothing runs, waits or is being built. */
  get idle(): boolean {
    if (this.#state === "building") return false;
    return this.#unanswered.size === 0 && this.#tracked === 0 && !(this.#agent?.busy() ?? false);
  }

  /** The agent. Only handlers of a live session call this. */
  get agent(): AgentPort {
    if (this.#agent === undefined) throw new Error(`Session ${this.sessionId} has no agent`);
    return this.#agent;
  }

  /** pi's runtime has been built. */
  built(agent: AgentPort): void {
    this.#agent = agent;
    this.#snapshot = new SnapshotState(() => agent.messages());
  }

  /** The session exists: starts the waiting commands and the extensions. */
  open(): void {
    this.#state = "live";
    // Before the first events, so that a client that subscribes right after the creation sees them.
    for (const fn of this.#untilBuilt.splice(0)) fn();
    if (this.closed) return;
    const late = this.#timeouts.after(SESSION_START_MS, () => {
      this.#parts.log("warn", "session_start handlers take too long; the session goes on without them", {
        sessionId: this.sessionId,
      });
      this.#mailbox.open();
    });
    this.agent.start().catch((error) => this.#internalError("session_start", error)).then(() => {
      late.clear();
      this.#mailbox.open();
    });
  }

  /** Calls `fn` when the session is live or its build has failed, and at once when that is known. */
  whenBuilt(fn: () => void): void {
    if (this.#state === "building") this.#untilBuilt.push(fn);
    else fn();
  }

  /** The files, for commands that name some. */
  get place(): SessionFiles {
    return this.#parts.place;
  }

  setDemand(demand: SubscriberDemand): void {
    this.#demand = demand;
  }

  /** Takes a command. It gets exactly one reply. */
  submit(job: Job): void {
    this.#unanswered.set(job.ref, job);
    if (this.#state === "building") this.#untilBuilt.push(() => this.#route(job));
    else this.#route(job);
  }

  /** The state that clients see. */
  info(): SessionInfo {
    return {
      sessionId: this.sessionId,
      ...this.agent.info(),
      createdAt: this.#dates.of(this.#createdAt),
      lastActivityAt: this.#dates.of(this.#lastActivity),
      status: "live",
      subscribers: this.#demand.subscribers,
      sessionVersion: this.#version,
      epoch: this.#parts.epoch,
      seq: this.#seq,
      ...this.watch.budget.state,
      ...this.#unreported(),
      ...(this.#parts.node === undefined ? {} : { node: this.#parts.node }),
    };
  }

  /** The session record. */
  record(): SessionRecord {
    const budget = this.watch.budget.kept;
    // The server thread keeps the interrupted messages.
    const { interrupted: _interrupted, ...info } = this.info();
    return {
      info,
      kept: this.agent.kept(),
      inMemory: info.sessionFile === undefined,
      ...(budget === undefined ? {} : { budget }),
    };
  }

  /**
   * Whether the session can be parked: nothing runs, no dialog is open, and its file and record are complete.
   */
  get parkable(): boolean {
    return this.live && this.idle && this.dialogs.pending.length === 0 && this.agent.restorable();
  }

  /**
   * The whole state after the last event. The returned function encodes it.
   *
   * @param most bytes of its messages, or with `whole` of all of it
   */
  snapshot(most: number, { whole, refs }: Partial<SnapshotForm> = {}): () => string {
    const referring = refs === true ? this.refs : undefined;
    if (whole === true || refs === true) {
      const write = this.#snapshot?.bounded(most, referring, this.#unreported());
      return write ?? (() => "{}");
    }
    const state = { ...this.#snapshot?.read(most), ...this.#unreported() };
    return () => {
      try {
        return toJson(state);
      } catch (error) {
        // A message cannot be encoded. The event of that message has reported it.
        this.#internalError("snapshot", error);
        return JSON.stringify({ unencodable: true });
      }
    };
  }

  /** Hashes in turns what a snapshot with references will need. */
  prepared({ bytes }: SnapshotForm): Promise<void> {
    const all = this.#agent?.messages() ?? [];
    return this.refs.prepare(newestOf(all, 0, all.length, bytes, true));
  }

  /** A client has dismissed the interrupted messages. */
  dismissInterrupted(): void {
    this.#interrupted = [];
  }

  /** Messages have changed without an event, and the next snapshot must show it. */
  rewritten(): void {
    this.#snapshot?.reread();
  }

  /** Numbers, encodes and sends an event in the wanted forms. Never throws. */
  emit(event: SessionEvent): void {
    if (this.#state === "closed") return;
    this.#seq++;
    this.#lastActivity = this.#parts.clock.now();
    this.#snapshot?.fold(event);
    this.#parts.event(this.sessionId, this.#encoder.encode(this.#seq, event, this.#demand.full));
    this.#messages.follow(event);
    if (KEPT_AFTER.has(event.type) && this.live) void this.#parts.keep(this);
    this.watch.follow(event);
    if (event.type !== "agent_settled") return;
    this.waiters.settle(this.agent.lastRun());
    this.#parts.changed();
  }

  /** Keeps the session from counting as idle until the work of that name is over. The promise never rejects. */
  track(name: string, work: Promise<void>): void {
    this.#tracked++;
    const ended = this.watch.begin(name);
    void work.then(() => {
      this.#tracked--;
      ended();
      this.#parts.changed();
    });
  }

  /** The server stops. Stops the run and bash, which end with their own events and replies. */
  stop(): void {
    if (!this.live) return;
    this.#messages.keepQueued();
    this.#abortRun();
    this.agent.abortBash();
  }

  /**
   * Ends the session at once, with `why` as the reply to every waiting command. Disposing the returned agent stops
   * everything that runs.
   */
  close(why: Failure): AgentPort | undefined {
    if (this.#state === "closed") return undefined;
    this.dialogs.close();
    this.#timeouts.clear();
    this.watch.close();
    this.#state = "closed";
    this.#mailbox.close();
    this.#timers.clear();
    this.waiters.clear();
    for (const job of [...this.#unanswered.values()]) {
      // A deletion closes the session, and replies itself.
      if (job.command.type !== "delete_session") this.#answer(job, { ok: false, failure: why });
    }
    for (const fn of this.#untilBuilt.splice(0)) fn();
    return this.#agent;
  }

  /** Ends the session for a client. */
  remove(): void {
    this.#parts.removed(this);
  }

  /** Stops the run. */
  #abortRun(): void {
    this.waiters.withdraw(this.agent.abort());
    this.dialogs.cancel("cancelled");
  }

  #route(job: Job): void {
    if (!this.#unanswered.has(job.ref)) return;
    if (this.#state === "closed") {
      return this.#answer(job, { ok: false, failure: noSession(this.sessionId) });
    }
    const spec = specOf(job.command.type);
    // A read does not count as activity.
    if (spec.mutates) this.#lastActivity = this.#parts.clock.now();
    const slow = isSlow(job.command);
    const run = (): Promise<void> | undefined => this.#run(job, spec);
    if (spec.lane === "mailbox") this.#mailbox.push({ connection: job.connection, slow, run });
    else if (spec.lane === "after") this.#mailbox.pushAfter({ connection: job.connection, slow, run });
    else void run();
  }

  /** Runs one command. The promise resolves when the next one may start. */
  #run(job: Job, spec: CommandSpec): Promise<void> | undefined {
    if (!this.#unanswered.has(job.ref)) return undefined;
    const stale = versionConflict(job.command, this.#version);
    if (stale !== undefined) {
      this.#answer(job, { ok: false, failure: stale });
      return undefined;
    }
    job.begun = true;
    const { command } = job;
    const failed = (error: unknown): Handled => {
      return { ok: false, failure: this.#internalError(command.type, error) };
    };
    const handler = this.#parts.handlers.get(command.type);
    if (handler === undefined) {
      const unknown = failure("unknown_command", `${command.type} is not for a session`);
      return this.#conclude(job, spec, { ok: false, failure: unknown });
    }
    let handled: Handled | Promise<Handled>;
    try {
      handled = handler.run(this, command);
    } catch (error) {
      handled = failed(error);
    }
    if (handled instanceof Promise) return this.#await(job, spec, handled.catch(failed));
    return this.#conclude(job, spec, handled);
  }

  async #await(job: Job, spec: CommandSpec, handled: Promise<Handled>): Promise<void> {
    const timeoutMs = timeoutOf(job.command, spec);
    const ended = this.watch.begin(job.command.type);
    const timely = await this.#timeouts.within(timeoutMs, handled);
    ended();
    if (timely !== "late") return this.#conclude(job, spec, timely);
    const sentence = `${job.command.type} took longer than ${timeoutMs} ms`;
    this.#answer(job, { ok: false, failure: failure("timeout", sentence) });
    void handled.then((late) => {
      this.#parts.log("warn", "a timed-out command has ended", { command: job.command.type, ok: late.ok });
      if (!late.ok) this.#messages.refuse(job.ref);
      else if (late.message !== undefined) this.#messages.accept(job.ref, late.message);
    });
    await this.#stopLate(job, handled);
  }

  async #stopLate(job: Job, handled: Promise<Handled>): Promise<void> {
    const onTimeout = this.#parts.handlers.get(job.command.type)?.onTimeout;
    if (onTimeout === undefined) return;
    onTimeout.stop(this);
    await this.#timeouts.within(onTimeout.holdMs, handled);
  }

  /** Replies. The promise resolves when the reply is out; undefined unless that waits for the disk. */
  #conclude(job: Job, spec: CommandSpec, handled: Handled): Promise<void> | undefined {
    if (!handled.ok) return void this.#answer(job, handled);
    // The session is gone and has replied already. Nothing may start any more.
    if (!this.#unanswered.has(job.ref)) return undefined;
    if (spec.mutates) this.#version++;
    if (handled.message !== undefined) this.#messages.accept(job.ref, handled.message);
    const kept = spec.mutates && this.live ? this.#parts.keep(this) : undefined;
    // A prompt runs by now, and its reply comes before its events.
    if (kept === undefined || handled.pending !== undefined || handled.afterReply !== undefined) {
      return void this.#answerNow(job, handled);
    }
    return kept.then(() => this.#answerNow(job, handled));
  }

  #answerNow(job: Job, handled: Extract<Handled, { ok: true }>): void {
    if (handled.pending === undefined) this.#answer(job, handled);
    else this.#parts.accepted(job.ref);
    if (handled.afterReply !== undefined) {
      this.#parts.flush();
      handled.afterReply();
    }
    void handled.pending?.then((outcome) => this.#answer(job, outcome), (error) => {
      this.#answer(job, { ok: false, failure: this.#internalError(job.command.type, error) });
    });
  }

  #answer(job: Job, outcome: Answer): void {
    if (!this.#unanswered.delete(job.ref)) return;
    const unstarted = job.begun === true ? {} : { unstarted: true as const };
    const marks = { sessionVersion: this.#version, ...unstarted };
    this.#parts.reply(job.ref, replyOf(outcome, marks, (error) => this.#internalError("encode", error)));
    this.#parts.changed();
  }

  #unreported(): { interrupted?: Interrupted[] } {
    return this.#interrupted.length === 0 ? {} : { interrupted: [...this.#interrupted] };
  }

  #internalError(where: string, error: unknown): Failure {
    const message = errorMessage(error);
    const fields = { sessionId: this.sessionId, stack: errorStack(error) };
    this.#parts.log("error", `${where} failed: ${message}`, fields);
    return failure("internal", `${where} failed: ${message}`);
  }
}
