// Does: reports a run that is silent for too long, and what it waits for: a person, a tool or the model.
// Used by: run_guards.ts. Invariant: it aborts nothing, because clients decide.
import type { SessionEvent } from "../../../protocol/events.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";

export interface StallDetectorParts {
  readonly clock: Clock;
  /** Milliseconds of silence before each report. Absent: never. */
  readonly stallMs?: number | undefined;
  emit(event: SessionEvent): void;
}

/** The detector of one session. */
export class StallDetector {
  readonly #parts: StallDetectorParts;
  /** Running tool calls, oldest first. */
  readonly #tools = new Set<string>();
  #dialogs = 0;
  #running = false;
  /** The time of the last event, on the monotonic clock. */
  #heardAt = 0;
  /** The multiple of the threshold in the last report. */
  #reported = 0;
  #timer: Timer | undefined;

  constructor(parts: StallDetectorParts) {
    this.#parts = parts;
  }

  /** Takes an event, after the subscribers. */
  follow(event: SessionEvent): void {
    if (event.type === "turn_stalled") return;
    const { toolCallId } = event;
    if (event.type === "agent_start") this.#running = true;
    else if (event.type === "agent_settled") this.#end();
    else if (event.type === "tool_execution_start" && typeof toolCallId === "string") {
      this.#tools.add(toolCallId);
    } else if (event.type === "tool_execution_end" && typeof toolCallId === "string") {
      this.#tools.delete(toolCallId);
    }
    this.#heardAt = this.#parts.clock.monotonic();
    this.#reported = 0;
    // One timer for any number of events. It checks again when it is due.
    const { stallMs } = this.#parts;
    if (this.#running && stallMs !== undefined) this.#timer ??= this.#arm(stallMs);
  }

  /** Takes the number of open dialogs. */
  dialogs(open: number): void {
    this.#dialogs = open;
  }

  close(): void {
    this.#end();
  }

  #end(): void {
    this.#running = false;
    this.#tools.clear();
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #arm(stallMs: number, afterMs = stallMs): Timer {
    return this.#parts.clock.after(afterMs, () => this.#look(stallMs));
  }

  #look(stallMs: number): void {
    const { clock, emit } = this.#parts;
    const silentMs = Math.round(clock.monotonic() - this.#heardAt);
    // Reports once at each whole multiple of the threshold, even when a timer came a little early.
    this.#timer = this.#arm(stallMs, stallMs - silentMs % stallMs);
    const multiple = Math.floor(silentMs / stallMs);
    if (multiple <= this.#reported) return;
    this.#reported = multiple;
    const [toolCallId] = this.#tools;
    if (this.#dialogs > 0) emit({ type: "turn_stalled", phase: "ui", silentMs });
    else if (toolCallId !== undefined) emit({ type: "turn_stalled", phase: "tool", silentMs, toolCallId });
    else emit({ type: "turn_stalled", phase: "model", silentMs });
  }
}
