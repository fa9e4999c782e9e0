// One session as an actor: takes commands, runs them in order with their timeouts, stamps and encodes
// events, and keeps whoever waits for a run. Knows the agent port and the edge, no connection and no pi.
import { errorMessage, errorStack } from "../../base/error_message.ts";
import { type Command, type CommandSpec, specOf } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type { Interrupted, SessionInfo } from "../../protocol/schema/responses.ts";
import { toJson } from "../../base/text.ts";
import { SESSION_START_MS } from "../../governor/limits.ts";
import { MessageTracker } from "./message_tracker.ts";
import type { AgentPort } from "./agent_port.ts";
import type { SubscriberDemand } from "../../ipc/messages.ts";
import { Dialogs } from "./dialogs.ts";
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
import type { Handled, Handler as CommandHandler, Job } from "./session_context.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import { SnapshotState } from "./events/snapshot.ts";
import type { SessionFiles } from "./files/session_file_access.ts";

export type { Handled, Job } from "./session_context.ts";
/** Carries out one kind of command. */
export type Handler = parts.Handler<Session>;
/** What is to be done about a command that takes too long. */
export type OnTimeout = parts.OnTimeout<Session>;
/** What a session needs of its host. */
export type SessionParts = parts.SessionParts<Session>;

/** Events after which what is kept of a session may be another. */
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
  /** Who waits for the current run to settle. */
  readonly waiters: RunWaiters;
  readonly #timers: Timers;
  readonly #timeouts: PausableTimers;
  /** What extensions ask of people. */
  readonly dialogs: Dialogs;
  readonly #recorder: EventEncoder;
  readonly #dates = new Dates();
  /** What its runs may spend, and whether they are silent. */
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
    this.#recorder = new EventEncoder(parts.sessionId);
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
    this.watch = new RunGuards(parts, (event) => this.emit(event), () => this.#abortRun());
    const { restoredFrom: left } = parts;
    this.#createdAt = left === undefined ? parts.clock.now() : Date.parse(left.info.createdAt);
    this.#lastActivity = left === undefined ? this.#createdAt : Date.parse(left.info.lastActivityAt);
    this.#version = left?.info.sessionVersion ?? 0;
    // Parking keeps the epoch, so its numbers go on.
    this.#seq = left?.info.epoch === parts.epoch ? left.info.seq : 0;
  }

  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Whether pi's runtime is there. */
  get live(): boolean {
    return this.#state === "live";
  }

  /** Nothing runs, waits or is being built. */
  get idle(): boolean {
    if (this.#state === "building") return false;
    return this.#unanswered.size === 0 && this.#tracked === 0 && !(this.#agent?.busy() ?? false);
  }

  /** The agent; only handlers of a live session get to ask. */
  get agent(): AgentPort {
    if (this.#agent === undefined) throw new Error(`Session ${this.sessionId} has no agent`);
    return this.#agent;
  }

  /** pi's runtime is built. */
  built(agent: AgentPort): void {
    this.#agent = agent;
    this.#snapshot = new SnapshotState(() => agent.messages());
  }

  /** The session exists: lets in what waited for the build, and starts the extensions. */
  open(): void {
    this.#state = "live";
    // In front of the first events, so that a client that subscribes right behind the creation sees them.
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

  /** Calls `fn` once the session is live or has failed to become so; at once when that is clear. */
  whenBuilt(fn: () => void): void {
    if (this.#state === "building") this.#untilBuilt.push(fn);
    else fn();
  }

  /** Where files are, for commands that name some. */
  get place(): SessionFiles {
    return this.#parts.place;
  }

  setDemand(demand: SubscriberDemand): void {
    this.#demand = demand;
  }

  /** Takes a command; it is answered exactly once. */
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
    };
  }

  /** What is kept of the session while it is parked. */
  record(): SessionRecord {
    const budget = this.watch.budget.kept;
    // What was interrupted is the server thread's to keep.
    const { interrupted: _interrupted, ...info } = this.info();
    return {
      info,
      kept: this.agent.kept(),
      inMemory: info.sessionFile === undefined,
      ...(budget === undefined ? {} : { budget }),
    };
  }

  /** Nothing runs, nobody is asked anything, and the session could be built again as it is. */
  get parkable(): boolean {
    return this.live && this.idle && this.dialogs.pending.length === 0 && this.agent.restorable();
  }

  /**
   * The whole state after the last event; what is returned encodes it.
   *
   * @param most bytes that its messages may have
   */
  snapshot(most: number): () => string {
    const state = { ...this.#snapshot?.read(most), ...this.#unreported() };
    return () => {
      try {
        return toJson(state);
      } catch (error) {
        // A message holds something that cannot be encoded; the event of that message says so too.
        this.#internalError("snapshot", error);
        return JSON.stringify({ unencodable: true });
      }
    };
  }

  /** A client has seen what was interrupted, and lets go of it. */
  dismissInterrupted(): void {
    this.#interrupted = [];
  }

  /** Messages have changed without an event: what a client reads anew must show it. */
  rewritten(): void {
    this.#snapshot?.reread();
  }

  /** Stamps, encodes and sends an event, in the forms that someone wants. Never throws. */
  emit(event: SessionEvent): void {
    if (this.#state === "closed") return;
    this.#seq++;
    this.#lastActivity = this.#parts.clock.now();
    this.#snapshot?.fold(event);
    this.#parts.event(this.sessionId, this.#recorder.encode(this.#seq, event, this.#demand.full));
    this.#messages.follow(event);
    if (KEPT_AFTER.has(event.type) && this.live) void this.#parts.keep(this);
    this.watch.follow(event);
    if (event.type !== "agent_settled") return;
    this.waiters.settle(this.agent.lastRun());
    this.#parts.changed();
  }

  /** Keeps the session from counting as idle until that is over; it never rejects. */
  track(work: Promise<void>): void {
    this.#tracked++;
    void work.then(() => {
      this.#tracked--;
      this.#parts.changed();
    });
  }

  /** The server stops: so do the run and the bash, which end by themselves, with their events and answers. */
  stop(): void {
    if (!this.live) return;
    this.#messages.keepQueued();
    this.#abortRun();
    this.agent.abortBash();
  }

  /**
   * Ends the session at once: whoever waits is answered with `why`. What runs is stopped by disposing the
   * agent, which is returned.
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
      // A deletion is what closes the session, and answers itself.
      if (job.command.type !== "delete_session") this.#answer(job, { ok: false, failure: why });
    }
    for (const fn of this.#untilBuilt.splice(0)) fn();
    return this.#agent;
  }

  /** Ends the session on a client's word. */
  remove(): void {
    this.#parts.removed(this);
  }

  /** Has the run stopped. */
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
    // Looking is no activity.
    if (spec.mutates) this.#lastActivity = this.#parts.clock.now();
    const slow = isSlow(job.command);
    const run = (): Promise<void> | undefined => this.#run(job, spec);
    if (spec.lane === "mailbox") this.#mailbox.push({ connection: job.connection, slow, run });
    else if (spec.lane === "after") this.#mailbox.pushAfter({ connection: job.connection, slow, run });
    else void run();
  }

  /** Runs one command; what it returns resolves when it no longer stands in the way of the next. */
  #run(job: Job, spec: CommandSpec): Promise<void> | undefined {
    if (!this.#unanswered.has(job.ref)) return undefined;
    const stale = versionConflict(job.command, this.#version);
    if (stale !== undefined) {
      this.#answer(job, { ok: false, failure: stale });
      return undefined;
    }
    job.begun = true;
    const defect = (error: unknown): Failure => this.#internalError(job.command.type, error);
    const handled = callHandler(this.#parts.handlers, this, job.command, defect);
    if (handled instanceof Promise) return this.#await(job, spec, handled);
    return this.#conclude(job, spec, handled);
  }

  async #await(job: Job, spec: CommandSpec, handled: Promise<Handled>): Promise<void> {
    const timeoutMs = timeoutOf(job.command, spec);
    const timely = await this.#timeouts.within(timeoutMs, handled);
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

  /** Answers; what it returns resolves when the answer is out, where that has to wait for the disk. */
  #conclude(job: Job, spec: CommandSpec, handled: Handled): Promise<void> | undefined {
    if (!handled.ok) return void this.#answer(job, handled);
    // Answered meanwhile: the session is gone, and nothing may start any more.
    if (!this.#unanswered.has(job.ref)) return undefined;
    if (spec.mutates) this.#version++;
    if (handled.message !== undefined) this.#messages.accept(job.ref, handled.message);
    const kept = spec.mutates && this.live ? this.#parts.keep(this) : undefined;
    // A prompt runs by now: its answer comes before its events.
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

/** @param defect tells what was thrown, and makes a failure of it */
export function callHandler<S>(
  handlers: ReadonlyMap<string, CommandHandler<S>>,
  session: S,
  command: Command,
  defect: (error: unknown) => Failure,
): Handled | Promise<Handled> {
  const handler = handlers.get(command.type);
  if (handler === undefined) {
    return { ok: false, failure: failure("unknown_command", `${command.type} is not for a session`) };
  }
  const failed = (error: unknown): Handled => ({ ok: false, failure: defect(error) });
  try {
    const handled = handler.run(session, command);
    return handled instanceof Promise ? handled.catch(failed) : handled;
  } catch (error) {
    return failed(error);
  }
}
