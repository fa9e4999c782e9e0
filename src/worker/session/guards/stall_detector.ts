// Does: reports a run that is silent for too long, and what it waits for: a person, a tool or the model.
// Used by: run_guards.ts. The server hears of silent commands too, for health_check.
// Invariant: it aborts nothing, because clients decide.
import type { Silence } from "../../../ipc/messages.ts";
import type { SessionEvent } from "../../../protocol/events.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";

export interface StallDetectorParts {
  readonly clock: Clock;
  /** Milliseconds of silence before each report. Absent: never. */
  readonly stallMs?: number | undefined;
  emit(event: SessionEvent): void;
  /** Reports a silence that no person explains; undefined once it is over. */
  report?: ((silence: Silence | undefined) => void) | undefined;
}

/** A command that is carried out. */
interface Work {
  readonly name: string;
  /** On the monotonic clock. */
  readonly since: number;
}

/** The detector of one session. */
export class StallDetector {
  readonly #parts: StallDetectorParts;
  /** Names of the running tool calls by id, oldest first. */
  readonly #tools = new Map<string, string>();
  /** Oldest first. */
  readonly #work = new Set<Work>();
  #dialogs = 0;
  #running = false;
  /** The time of the last event, on the monotonic clock. */
  #heardAt = 0;
  /** The multiple of the threshold in the last report. */
  #reported = 0;
  /** Whether the server knows of a silence. */
  #known = false;
  #timer: Timer | undefined;

  constructor(parts: StallDetectorParts) {
    this.#parts = parts;
  }

  /** Takes an event, after the subscribers. */
  follow(event: SessionEvent): void {
    if (event.type === "turn_stalled") return;
    const { toolCallId } = event;
    if (event.type === "agent_start") this.#running = true;
    else if (event.type === "agent_settled") this.#endRun();
    else if (event.type === "tool_execution_start" && typeof toolCallId === "string") {
      this.#tools.set(toolCallId, String(event["toolName"] ?? ""));
    } else if (event.type === "tool_execution_end" && typeof toolCallId === "string") {
      this.#tools.delete(toolCallId);
    }
    this.#heardAt = this.#parts.clock.monotonic();
    this.#forget();
    if (this.#running) this.#watch();
  }

  /** A command is carried out until the returned function is called. */
  begin(name: string): () => void {
    const work = { name, since: this.#parts.clock.monotonic() };
    this.#work.add(work);
    this.#watch();
    return () => {
      if (!this.#work.delete(work) || this.#running) return;
      this.#forget();
      if (this.#work.size === 0) this.#stop();
    };
  }

  /** Takes the number of open dialogs. */
  dialogs(open: number): void {
    this.#dialogs = open;
  }

  close(): void {
    this.#forget();
    this.#work.clear();
    this.#endRun();
  }

  #endRun(): void {
    this.#running = false;
    this.#tools.clear();
    if (this.#work.size === 0) this.#stop();
  }

  #forget(): void {
    this.#reported = 0;
    if (!this.#known) return;
    this.#known = false;
    this.#parts.report?.(undefined);
  }

  /** One timer for any number of events. It checks again when it is due. */
  #watch(): void {
    const { stallMs } = this.#parts;
    if (stallMs !== undefined) this.#timer ??= this.#arm(stallMs);
  }

  #stop(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #arm(stallMs: number, afterMs = stallMs): Timer {
    return this.#parts.clock.after(afterMs, () => this.#look(stallMs));
  }

  #look(stallMs: number): void {
    const now = this.#parts.clock.monotonic();
    const [oldest] = this.#work;
    const since = this.#running ? this.#heardAt : Math.max(this.#heardAt, oldest?.since ?? now);
    const silentMs = Math.round(now - since);
    // Reports once at each whole multiple of the threshold, even when a timer came a little early.
    this.#timer = this.#arm(stallMs, stallMs - silentMs % stallMs);
    const multiple = Math.floor(silentMs / stallMs);
    if (multiple <= this.#reported) return;
    this.#reported = multiple;
    if (this.#running) this.#emit(silentMs);
    // A person may take long to answer, and that is not a fault.
    if (this.#dialogs > 0) return;
    this.#known = true;
    this.#parts.report?.(this.#silence(silentMs, oldest));
  }

  #emit(silentMs: number): void {
    const { emit } = this.#parts;
    const [toolCallId] = this.#tools.keys();
    if (this.#dialogs > 0) emit({ type: "turn_stalled", phase: "ui", silentMs });
    else if (toolCallId !== undefined) emit({ type: "turn_stalled", phase: "tool", silentMs, toolCallId });
    else emit({ type: "turn_stalled", phase: "model", silentMs });
  }

  #silence(ms: number, oldest: Work | undefined): Silence {
    const [tool] = this.#tools.values();
    if (!this.#running && oldest !== undefined) return { of: "command", name: oldest.name, ms };
    return tool === undefined ? { of: "model", ms } : { of: "tool", name: tool, ms };
  }
}
