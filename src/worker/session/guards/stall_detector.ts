// Tells when a run is silent for too long, and whom it waits for: a person, a tool or the model. Aborts nothing:
// what is to be done is for clients to say.
import type { SessionEvent } from "../../../protocol/events.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";

/** What the watch is made of. */
export interface StallDetectorParts {
  readonly clock: Clock;
  /** Milliseconds of silence after which it is told, and told again; absent: never. */
  readonly stallMs?: number | undefined;
  emit(event: SessionEvent): void;
}

/** The watch over one session's runs. */
export class StallDetector {
  readonly #parts: StallDetectorParts;
  /** Tool calls under way, oldest first. */
  readonly #tools = new Set<string>();
  #dialogs = 0;
  #running = false;
  /** When something was last heard, on the monotonic clock. */
  #heardAt = 0;
  /** The multiple of the threshold that was told last. */
  #told = 0;
  #timer: Timer | undefined;

  constructor(parts: StallDetectorParts) {
    this.#parts = parts;
  }

  /** An event has been told. */
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
    this.#told = 0;
    // One timer, however much is heard: it looks again when it is due.
    const { stallMs } = this.#parts;
    if (this.#running && stallMs !== undefined) this.#timer ??= this.#arm(stallMs);
  }

  /** So many dialogs are open now. */
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
    // Silence is told once at each whole multiple of the threshold, also when a timer came a little early.
    this.#timer = this.#arm(stallMs, stallMs - silentMs % stallMs);
    const multiple = Math.floor(silentMs / stallMs);
    if (multiple <= this.#told) return;
    this.#told = multiple;
    const [toolCallId] = this.#tools;
    if (this.#dialogs > 0) emit({ type: "turn_stalled", phase: "ui", silentMs });
    else if (toolCallId !== undefined) emit({ type: "turn_stalled", phase: "tool", silentMs, toolCallId });
    else emit({ type: "turn_stalled", phase: "model", silentMs });
  }
}
