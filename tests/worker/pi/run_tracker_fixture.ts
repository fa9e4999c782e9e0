// An agent for the tests of the settler: the test sets its state, and it records its calls.
import { assertEquals } from "@std/assert";
import type { RunResult } from "../../../src/worker/session/agent_port.ts";
import { type Run, RunTracker } from "../../../src/worker/pi/run_tracker.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

/** An agent in the state that the test sets, and a record of the tracker's calls. */
export class Bench implements Run {
  readonly clock = new FakeClock();
  readonly settler = new RunTracker(this, this.clock);
  readonly results: RunResult[] = [];
  streaming = false;
  compacting = false;
  queued = false;
  stops = 0;
  resumes = 0;
  #idle = Promise.withResolvers<void>();
  #resumed = Promise.withResolvers<void>();

  isStreaming(): boolean {
    return this.streaming;
  }

  isCompacting(): boolean {
    return this.compacting;
  }

  hasQueued(): boolean {
    return this.queued;
  }

  idle(): Promise<void> {
    return this.#idle.promise;
  }

  resume(): Promise<void> {
    this.resumes++;
    return this.#resumed.promise;
  }

  stop(): void {
    this.stops++;
  }

  settled(result: RunResult): void {
    this.results.push(result);
  }

  /** The agent loop ends its run. */
  letGo(): void {
    this.streaming = false;
    this.#idle.resolve();
    this.#idle = Promise.withResolvers();
  }

  resumeEnds(error?: Error): void {
    if (error === undefined) this.#resumed.resolve();
    else this.#resumed.reject(error);
    this.#resumed = Promise.withResolvers();
  }

  on(type: string, fields: Record<string, unknown> = {}): void {
    this.settler.onEvent({ type, ...fields });
  }

  /** A prompt that pi has accepted, up to agent_start. */
  start(): void {
    this.settler.accepted();
    this.streaming = true;
    this.on("agent_start");
  }

  says(text: string, stopReason = "stop", more: Record<string, unknown> = {}): void {
    const message = { role: "assistant", content: [{ type: "text", text }], stopReason, usage: usage(1) };
    this.on("message_end", { message: { ...message, ...more } });
  }

  end(): void {
    this.streaming = false;
    this.on("agent_end", { messages: [] });
  }

  /** One turn of the event loop, after which a check that is due has been made. */
  async tick(): Promise<number> {
    await this.clock.advance(0);
    return this.results.length;
  }

  get last(): RunResult | undefined {
    return this.results.at(-1);
  }

  /** Nothing more comes, however long one waits, and no timer is left. */
  async over(expected: number): Promise<void> {
    await this.clock.advance(600_000);
    assertEquals(this.results.length, expected);
    assertEquals(this.clock.pending, 0);
    assertEquals(this.settler.busy, false);
  }
}

/** Usage in which every number is `n`. */
export function usage(n: number) {
  const cost = { input: n, output: n, cacheRead: n, cacheWrite: n, total: n };
  return { input: n, output: n, cacheRead: n, cacheWrite: n, totalTokens: n, cost };
}
