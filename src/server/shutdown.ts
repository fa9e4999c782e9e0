// Does: graceful shutdown (docs/PROTOCOL.md#shutdown) as a state machine: running → refusing → draining → closing → closed.
// Used by: server.ts, which passes in the work of each step. This file decides the order and the limits.
import { deadline } from "../base/async/deadline.ts";
import type { Clock } from "../runtime/runtime.ts";

/** The phase of the server. */
export type Phase = "running" | "refusing" | "draining" | "closing" | "closed";

/** The events that move it on. */
export type Step = "begin" | "announced" | "drained" | "deadline" | "disposed";

/** The result of a shutdown, in sessions. */
export interface ShutdownResult {
  /** Busy sessions that ended by themselves. */
  readonly drained: number;
  /** Sessions that were busy at the deadline and were aborted. */
  readonly aborted: number;
  readonly disposed: number;
  /** Sessions that could not be disposed in time. */
  readonly failed: number;
}

/** The only transition function. A step that does not fit the phase changes nothing. */
export function next(phase: Phase, step: Step): Phase {
  if (phase === "running" && step === "begin") return "refusing";
  if (phase === "refusing" && step === "announced") return "draining";
  if (phase === "draining" && (step === "drained" || step === "deadline")) return "closing";
  if (phase === "closing" && step === "disposed") return "closed";
  return phase;
}

/** The work of the steps. */
export interface ShutdownParts {
  readonly clock: Clock;
  refuse(): void;
  announce(reason: string, timeoutMs: number): void;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
  /** Counts the busy sessions, and with `stop` stops them. */
  busy(stop: boolean): Promise<number>;
  dispose(): Promise<{ disposed: number; failed: number }>;
  /** Sends all output, closes the sockets, and releases the state folder. */
  close(): Promise<void>;
  /** The shutdown is complete. */
  closed(result: ShutdownResult): void;
}

/** Milliseconds that aborted runs get to report their end. */
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

  /** Begins a shutdown, or joins a running one. Always returns the same promise. */
  begin(reason: string, timeoutMs: number): Promise<ShutdownResult> {
    this.#result ??= this.#run(reason, timeoutMs);
    return this.#result;
  }

  /** Begins a shutdown that waits for no run, or stops waiting now. */
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
