// Does: pings every worker once a second, and measures its own delay as that of this thread.
// Used by: supervisor.ts, health_check and metrics. It reports delay and silence, and decides nothing.
import type { Clock, Timer } from "../../runtime/runtime.ts";

/** Milliseconds between two pings. */
export const BEAT_MS: number = 1_000;

/** Milliseconds for the start of a worker's thread, before its silence counts. */
const START_MS = 60_000;

/** Milliseconds for the load of pi, before the worker's silence counts: a minute where one second is usual. */
const LOAD_MS = 60_000;

export interface HeartbeatParts {
  readonly clock: Clock;
  /** Numbers of all workers that have started. */
  workers(): readonly number[];
  /** Pings a worker. Its reply has the same number, and the time at which it handled the ping. */
  ping(worker: number, ref: number): void;
  /** Called at each beat for a worker that has been silent for `ms` milliseconds, without its start. */
  onSilent?(worker: number, ms: number): void;
}

interface OpenPing {
  readonly ref: number;
  /** On the monotonic clock. */
  readonly since: number;
  /** On the wall clock, which all threads share. */
  readonly at: number;
}

/** The heartbeat of one server's threads. */
export class Heartbeat {
  readonly #parts: HeartbeatParts;
  readonly #openPings = new Map<number, OpenPing>();
  readonly #delays = new Map<number, number>();
  /** When each worker has begun to load pi, on the monotonic clock. */
  readonly #loads = new Map<number, number>();
  #timer: Timer | undefined;
  #lagMs = 0;
  #ref = 0;

  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
  }

  /** Begins to beat. */
  start(): void {
    const { clock } = this.#parts;
    const due = clock.monotonic() + BEAT_MS;
    this.#timer = clock.after(BEAT_MS, () => {
      this.#lagMs = Math.max(0, clock.monotonic() - due);
      this.#tick();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** A worker has replied. `at` is the time of its turn, in milliseconds since the epoch by its own clock. */
  onPong(worker: number, ref: number, at: number): void {
    const asked = this.#openPings.get(worker);
    if (asked?.ref !== ref) return;
    // The wall clock runs on during a standstill, and may be set. The open time bounds it.
    const owedMs = this.#owedMs(worker);
    this.#openPings.delete(worker);
    this.#delays.set(worker, Math.min(Math.max(0, at - asked.at), owedMs));
  }

  /** A worker has begun to load pi. Only the load's own time counts until its end. */
  onLoadBegun(worker: number): void {
    this.#loads.set(worker, this.#parts.clock.monotonic());
  }

  /** A worker has loaded pi. Its silence counts from now on, even before its first reply. */
  onLoadEnded(worker: number): void {
    this.#loads.delete(worker);
    if (!this.#delays.has(worker)) this.#delays.set(worker, 0);
    const asked = this.#openPings.get(worker);
    if (asked !== undefined) this.#openPings.set(worker, { ...asked, since: this.#parts.clock.monotonic() });
  }

  /** Whether a worker loads pi. */
  isLoading(worker: number): boolean {
    return this.#loads.has(worker);
  }

  /** Resets a worker after a restart. */
  reset(worker: number): void {
    this.#openPings.delete(worker);
    this.#delays.delete(worker);
    this.#loads.delete(worker);
  }

  /** Milliseconds by which this thread was late at the last beat. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** Milliseconds that a reply or a load has been open. 0 without an open ping, or during a start or load in time. */
  silentMs(worker: number): number {
    const begun = this.#loads.get(worker);
    if (begun !== undefined) {
      const ms = this.#parts.clock.monotonic() - begun;
      return ms > LOAD_MS ? ms : 0;
    }
    const owed = this.#owedMs(worker);
    return this.#delays.has(worker) || owed > START_MS ? owed : 0;
  }

  /** Milliseconds that the last ping waited in a worker's queue, or that the open one has waited so far. */
  workerLagMs(worker: number): number {
    return Math.max(this.#delays.get(worker) ?? 0, this.silentMs(worker));
  }

  /** Pings every worker without an open ping. */
  pingAll(): void {
    const { clock, workers, ping } = this.#parts;
    for (const worker of workers()) {
      // A worker that was just replaced has no open ping, and is pinged at once.
      if (this.#openPings.has(worker)) continue;
      const ref = ++this.#ref;
      this.#openPings.set(worker, { ref, since: clock.monotonic(), at: clock.now() });
      ping(worker, ref);
    }
  }

  #owedMs(worker: number): number {
    const asked = this.#openPings.get(worker);
    if (asked === undefined) return 0;
    const { clock } = this.#parts;
    // The worker's thread may wake later than this one, and has the whole time for its reply from now on.
    const since = Math.max(asked.since, clock.wokeAt?.() ?? -Infinity);
    return clock.monotonic() - since;
  }

  #tick(): void {
    for (const worker of this.#parts.workers()) {
      const ms = this.silentMs(worker);
      if (ms > 0) this.#parts.onSilent?.(worker, ms);
    }
    this.pingAll();
  }
}
