// Graceful shutdown (docs/PROTOCOL.md#shutdown) as a state machine: running → refusing → draining → closing → closed.
// Decides the order and the bounds; what each step does is handed in.
import { deadline } from "../base/async/deadline.ts";
import type { Clock } from "../runtime/runtime.ts";

/** Where the server stands. */
export type Phase = "running" | "refusing" | "draining" | "closing" | "closed";

/** What moves it on. */
export type Step = "begin" | "announced" | "drained" | "deadline" | "disposed";

/** What a shutdown came to; sessions. */
export interface ShutdownResult {
  /** Were busy and ended by themselves. */
  readonly drained: number;
  /** Were still busy at the deadline and were aborted. */
  readonly aborted: number;
  readonly disposed: number;
  /** Could not be disposed in time. */
  readonly failed: number;
}

/** The one transition function; a step that does not belong to a phase changes nothing. */
export function next(phase: Phase, step: Step): Phase {
  if (phase === "running" && step === "begin") return "refusing";
  if (phase === "refusing" && step === "announced") return "draining";
  if (phase === "draining" && (step === "drained" || step === "deadline")) return "closing";
  if (phase === "closing" && step === "disposed") return "closed";
  return phase;
}

/** What the steps do. */
export interface ShutdownParts {
  readonly clock: Clock;
  refuse(): void;
  announce(reason: string, timeoutMs: number): void;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
  /** Counts the busy sessions, and with `stop` has them stopped. */
  busy(stop: boolean): Promise<number>;
  dispose(): Promise<{ disposed: number; failed: number }>;
  /** Output out, peers told, sockets and state folder released. */
  close(): Promise<void>;
  /** Everything is over. */
  closed(result: ShutdownResult): void;
}

/** Milliseconds that aborted runs get to say that they ended. */
const ABORT_GRACE_MS = 2_000;

/** One server's shutdown. */
export class Shutdown {
  readonly #parts: ShutdownParts;
  #phase: Phase = "running";
  #result: Promise<ShutdownResult> | undefined;
  #hurry: (() => void) | undefined;
  #hurried = false;

  constructor(parts: ShutdownParts) {
    this.#parts = parts;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Begins, or joins what has begun: always the same promise. */
  begin(reason: string, timeoutMs: number): Promise<ShutdownResult> {
    this.#result ??= this.#run(reason, timeoutMs);
    return this.#result;
  }

  /** Begins with no patience for what runs, or loses it now. */
  hurry(reason: string): Promise<ShutdownResult> {
    this.#hurried = true;
    const result = this.begin(reason, 0);
    this.#hurry?.();
    return result;
  }

  #step(step: Step): void {
    this.#phase = next(this.#phase, step);
  }

  async #run(reason: string, timeoutMs: number): Promise<ShutdownResult> {
    const { refuse, announce, busy, dispose, close } = this.#parts;
    this.#step("begin");
    refuse();
    announce(reason, timeoutMs);
    this.#step("announced");
    const atFirst = timeoutMs === 0 ? 0 : await busy(false);
    const idle = timeoutMs > 0 && !this.#hurried && await this.#idleWithin(timeoutMs);
    this.#step(idle ? "drained" : "deadline");
    const aborted = idle ? 0 : await busy(true);
    if (aborted > 0) await this.#idleWithin(ABORT_GRACE_MS);
    const { disposed, failed } = await dispose();
    await close();
    this.#step("disposed");
    const result = { drained: Math.max(0, atFirst - aborted), aborted, disposed, failed };
    this.#parts.closed(result);
    return result;
  }

  async #idleWithin(ms: number): Promise<boolean> {
    const hurried = new Promise<boolean>((resolve) => this.#hurry = () => resolve(false));
    const idle = this.#parts.idle().then(() => true);
    const outcome = await deadline(this.#parts.clock, ms, Promise.race([idle, hurried]), false);
    this.#hurry = undefined;
    return outcome;
  }
}
