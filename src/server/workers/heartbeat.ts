// The server's pulse: once a second it asks every worker for a sign of life, and sees by its own lateness how long
// this thread was busy. Says how late and how silent each of them is; what follows from that is its owner's
// business (health_check, metrics, replacing a worker that hangs).
import type { Clock, Timer } from "../../runtime/runtime.ts";

/** Milliseconds between two beats. */
export const BEAT_MS: number = 1_000;

/** Milliseconds that a worker may take for its start, which loads pi, before its silence means anything. */
const START_MS = 60_000;

/** What the pulse is made of. */
export interface HeartbeatParts {
  readonly clock: Clock;
  /** Numbers of the workers that there are. */
  workers(): readonly number[];
  /** Asks a worker; it answers with the same number and the time at which it got to it. */
  ping(worker: number, ref: number): void;
  /** Called at each beat for a worker that has not answered for `ms` milliseconds, its start not counted. */
  onSilent?(worker: number, ms: number): void;
}

interface OpenPing {
  readonly ref: number;
  /** On the monotonic clock. */
  readonly since: number;
  /** On the wall clock, which is the one that threads share. */
  readonly at: number;
}

/** Signs of life of one server's threads. */
export class Heartbeat {
  readonly #parts: HeartbeatParts;
  readonly #openPings = new Map<number, OpenPing>();
  readonly #delays = new Map<number, number>();
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

  /** A worker has answered. `at`: when it got to the question, in milliseconds since the epoch by its own clock. */
  onPong(worker: number, ref: number, at: number): void {
    const asked = this.#openPings.get(worker);
    if (asked?.ref !== ref) return;
    // The wall clock runs on while the process stands still, and may be set; the owed time bounds what it says.
    const owedMs = this.#owedMs(worker);
    this.#openPings.delete(worker);
    this.#delays.set(worker, Math.min(Math.max(0, at - asked.at), owedMs));
  }

  /** A worker has started: from now on its silence means something, also when it has not answered any question yet. */
  onStarted(worker: number): void {
    if (this.#delays.has(worker)) return;
    this.#delays.set(worker, 0);
    const asked = this.#openPings.get(worker);
    if (asked !== undefined) this.#openPings.set(worker, { ...asked, since: this.#parts.clock.monotonic() });
  }

  /** A worker is another one from now on: what the old one owes is forgotten. */
  reset(worker: number): void {
    this.#openPings.delete(worker);
    this.#delays.delete(worker);
  }

  /** By how many milliseconds this thread was late at the last beat. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** Milliseconds that a worker has owed an answer for; 0 when it owes none, or may still be starting. */
  silentMs(worker: number): number {
    const owed = this.#owedMs(worker);
    return this.#delays.has(worker) || owed > START_MS ? owed : 0;
  }

  /** Milliseconds that the last question lay in a worker's queue, or that the open one has lain there so far. */
  workerLagMs(worker: number): number {
    return Math.max(this.#delays.get(worker) ?? 0, this.silentMs(worker));
  }

  /** Asks every worker that owes no answer. */
  pingAll(): void {
    const { clock, workers, ping } = this.#parts;
    for (const worker of workers()) {
      // A worker that has just been replaced owes nothing, and is asked at once.
      if (this.#openPings.has(worker)) continue;
      const ref = ++this.#ref;
      this.#openPings.set(worker, { ref, since: clock.monotonic(), at: clock.now() });
      ping(worker, ref);
    }
  }

  #owedMs(worker: number): number {
    const asked = this.#openPings.get(worker);
    return asked === undefined ? 0 : this.#parts.clock.monotonic() - asked.since;
  }

  #tick(): void {
    for (const worker of this.#parts.workers()) {
      const ms = this.silentMs(worker);
      if (ms > 0) this.#parts.onSilent?.(worker, ms);
    }
    this.pingAll();
  }
}
