// Does: finds the moment at which a run has settled: nothing runs, and nothing will start by itself.
// Used by: live_session.ts. pi 0.73.1 has no such event (docs/PI.md#runs). Knows pi only through `Run`.
import type { SessionEvent } from "../../protocol/events.ts";
import type { Usage } from "../../protocol/schema/responses.ts";
import type { RunResult } from "../session/agent_port.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import { isRecord } from "../../base/json.ts";
import { textOf } from "../session/files/session_files.ts";

/** Milliseconds to wait for a `continue()` that pi has scheduled. pi ignores its errors. */
const CONTINUE_MS = 1_000;

/** The agent, as the tracker sees it. */
export interface Run {
  isStreaming(): boolean;
  isCompacting(): boolean;
  hasQueued(): boolean;
  /** Resolves when the agent loop has finished the current run. */
  idle(): Promise<void>;
  /** Starts a run over the queued messages. */
  resume(): Promise<void>;
  stop(): void;
  settled(result: RunResult): void;
}

interface Tally {
  text: string | null;
  stopReason: string | null;
  errorMessage: string | undefined;
  usage: Usage | null;
  notice: string | undefined;
}

const EMPTY: RunResult = { text: null, stopReason: null, usage: null, aborted: false };

/** What a user should know of an answer that has ended well and shows nothing. */
function noticeOf(message: Record<string, unknown>): string | undefined {
  const { content, stopReason } = message;
  if (stopReason !== "stop" || !Array.isArray(content)) return undefined;
  const shows = (block: unknown): boolean =>
    isRecord(block) &&
    (block["type"] === "toolCall" || (block["type"] === "text" && /\S/.test(String(block["text"]))));
  if (content.some(shows)) return undefined;
  const thought = content.some((block) => isRecord(block) && block["type"] === "thinking");
  return thought ? "The model sent thoughts and no answer" : "The model sent an empty answer";
}

function number(from: Record<string, unknown>, name: string): number {
  const value = from[name];
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function addUsage(sum: Usage | null, usage: unknown): Usage | null {
  if (!isRecord(usage)) return sum;
  const cost = isRecord(usage["cost"]) ? usage["cost"] : {};
  const plus = (name: "input" | "output" | "cacheRead" | "cacheWrite" | "totalTokens"): number =>
    (sum?.[name] ?? 0) + number(usage, name);
  const plusCost = (name: "input" | "output" | "cacheRead" | "cacheWrite" | "total"): number =>
    (sum?.cost[name] ?? 0) + number(cost, name);
  return {
    input: plus("input"),
    output: plus("output"),
    cacheRead: plus("cacheRead"),
    cacheWrite: plus("cacheWrite"),
    totalTokens: plus("totalTokens"),
    cost: {
      input: plusCost("input"),
      output: plusCost("output"),
      cacheRead: plusCost("cacheRead"),
      cacheWrite: plusCost("cacheWrite"),
      total: plusCost("total"),
    },
  };
}

/** Follows one session's events. */
export class RunTracker {
  readonly #run: Run;
  readonly #clock: Clock;
  #open = false;
  #starting = false;
  #running = false;
  #retrying = false;
  #compacting = false;
  #aborting = false;
  #checkDue: Timer | undefined;
  #continueDue: Timer | undefined;
  #tally: Tally = { text: null, stopReason: null, errorMessage: undefined, usage: null, notice: undefined };
  #last: RunResult = EMPTY;
  #waiting: (() => void)[] = [];

  constructor(run: Run, clock: Clock) {
    this.#run = run;
    this.#clock = clock;
  }

  /** True from acceptance until settled. */
  get busy(): boolean {
    return this.#open || this.#starting;
  }

  /** Whether a run was aborted and has not settled. */
  get aborting(): boolean {
    return this.#aborting;
  }

  /** Resolves when no run is open. */
  whenSettled(): Promise<void> {
    if (!this.busy) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The result of the run that settled last. */
  get last(): RunResult {
    return this.#last;
  }

  /** pi has accepted a prompt that starts a run. `agent_start` will follow. */
  accepted(): void {
    this.#starting = true;
  }

  /** A prompt call has returned or thrown. */
  returned(failed: boolean): void {
    if (failed) {
      this.#starting = false;
      this.unprepared();
    }
    this.check();
  }

  /** Stops the run, or the run that is about to start. */
  abort(preparing: boolean): void {
    if (!this.busy && !preparing) return;
    // pi's scheduled continue cannot be cancelled. It will start, and #onStart stops it.
    this.#aborting = true;
    this.check();
  }

  /** A prompt was prepared and started no run. */
  unprepared(): void {
    if (!this.busy) this.#aborting = false;
  }

  /** Takes every event, after the subscribers. */
  onEvent(event: SessionEvent): void {
    switch (event.type) {
      case "agent_start":
        return this.#onStart();
      case "message_end":
        return this.#onMessage(event["message"]);
      case "agent_end":
        this.#running = false;
        this.#onEnd(event["messages"]);
        return this.check();
      case "auto_retry_start":
        this.#retrying = true;
        return;
      case "auto_retry_end":
        this.#retrying = false;
        return this.check();
      case "compaction_start":
        this.#compacting = true;
        // A manual compaction detaches the listeners first, so the run's own agent_end never arrives.
        if (event["reason"] === "manual") this.#running = false;
        return;
      case "compaction_end":
        return this.#onCompacted(event);
    }
  }

  /** Settles after the current turn of the event loop, unless something still runs. */
  check(): void {
    if (!this.#open || this.#checkDue !== undefined) return;
    this.#checkDue = this.#clock.after(0, () => {
      this.#checkDue = undefined;
      this.#decide();
    });
  }

  /** Stops all timers. */
  dispose(): void {
    this.#open = false;
    this.#starting = false;
    this.#checkDue?.clear();
    this.#clearContinue();
    this.#release();
  }

  #onStart(): void {
    if (!this.#open) {
      this.#tally = { text: null, stopReason: null, errorMessage: undefined, usage: null, notice: undefined };
    }
    this.#open = true;
    this.#starting = false;
    this.#running = true;
    this.#retrying = false;
    this.#clearContinue();
    if (this.#aborting) this.#run.stop();
  }

  #onMessage(message: unknown): void {
    if (!isRecord(message) || message["role"] !== "assistant" || !this.busy) return;
    this.#remember(message);
    this.#tally.usage = addUsage(this.#tally.usage, message["usage"]);
  }

  /** A stream function that throws produces only agent_end, with the failed message inside. */
  #onEnd(messages: unknown): void {
    const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
    if (isRecord(last) && last["role"] === "assistant") this.#remember(last);
  }

  #remember(message: Record<string, unknown>): void {
    this.#tally.text = textOf(message);
    this.#tally.notice = noticeOf(message);
    const { stopReason, errorMessage } = message;
    this.#tally.stopReason = typeof stopReason === "string" ? stopReason : null;
    this.#tally.errorMessage = typeof errorMessage === "string" ? errorMessage : undefined;
  }

  #onCompacted(event: SessionEvent): void {
    this.#compacting = false;
    const goesOn = event["willRetry"] === true || this.#run.hasQueued();
    if (event["result"] && event["reason"] !== "manual" && goesOn) {
      this.#clearContinue();
      this.#continueDue = this.#clock.after(CONTINUE_MS, () => {
        this.#continueDue = undefined;
        this.check();
      });
    }
    this.check();
  }

  #clearContinue(): void {
    this.#continueDue?.clear();
    this.#continueDue = undefined;
  }

  #decide(): void {
    if (!this.#open || this.#running || this.#retrying || this.#compacting) return;
    if (this.#continueDue !== undefined || this.#run.isCompacting()) return;
    if (this.#run.isStreaming()) {
      // The agent loop still works after agent_end, and ends without an event.
      void this.#run.idle().then(() => this.check());
      return;
    }
    const { stopReason } = this.#tally;
    const failed = stopReason === "error" || stopReason === "aborted";
    if (this.#run.hasQueued() && !failed && !this.#aborting) {
      this.#running = true;
      void this.#run.resume().then(() => this.check(), () => {
        this.#running = false;
        if (this.#open) this.#finish();
      });
      return;
    }
    this.#finish();
  }

  #finish(): void {
    const { text, stopReason, errorMessage, usage, notice } = this.#tally;
    const aborted = this.#aborting || stopReason === "aborted";
    this.#open = false;
    this.#aborting = false;
    this.#last = {
      text,
      stopReason: aborted ? "aborted" : stopReason,
      usage,
      aborted,
      ...(errorMessage === undefined ? {} : { errorMessage }),
      ...(notice === undefined || aborted ? {} : { notice }),
    };
    this.#run.settled(this.#last);
    this.#release();
  }

  #release(): void {
    for (const fn of this.#waiting.splice(0)) fn();
  }
}
