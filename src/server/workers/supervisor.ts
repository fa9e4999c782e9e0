// Does: finds workers that hang (heartbeat.ts) or hold too much memory (memory_monitor.ts), and has them replaced.
// Used by: the session manager. Uses: the worker pool.
// Invariant: runs in the server thread, so that a worker cannot keep it from looking.
import type { Governor } from "../../governor/governor.ts";
import type { FromWorkerHandlers } from "../../ipc/messages.ts";
import type { Metrics } from "../../protocol/schema/monitoring_commands.ts";
import type { Clock, Memory } from "../../runtime/runtime.ts";
import { Heartbeat } from "./heartbeat.ts";
import { MemoryMonitor } from "./memory_monitor.ts";
import type { WorkerPool } from "./worker_pool.ts";

const MIB = 1024 * 1024;

/** Memory as the server thread sees it, and how much of it one worker may hold. */
export interface WorkerMemory {
  readonly limitBytes: number;
  held(): Memory;
}

/** How long this node may write to the files of its sessions, on the steady clock of the server thread. */
export interface WriteLease {
  readonly until: number;
  steady(): number;
}

/** The parts that a supervisor watches. */
export interface SupervisorParts {
  readonly clock: Clock;
  readonly governor: Governor;
  readonly workers: WorkerPool;
  /** Absent where workers share the server thread, and could not be ended. */
  readonly memory?: WorkerMemory | undefined;
  /** Absent: sessions are this server's alone. */
  readonly lease?: WriteLease | undefined;
}

/** The watch over one server's workers. */
export class Supervisor {
  /** Whether this thread and the workers keep up. */
  readonly heartbeat: Heartbeat;
  readonly #memory: MemoryMonitor | undefined;
  readonly #workers: WorkerPool;
  readonly #held: (() => Memory) | undefined;
  readonly #lease: WriteLease | undefined;
  /**
   * The steady clock of this thread less that of each worker, at most: a reply takes its time. So a worker stops writing
   * too early, and never too late.
   */
  readonly #ahead = new Map<number, number>();
  /** Called with a worker that has to be replaced, and why. */
  onFailure: (worker: number, reason: string) => void = () => {};

  constructor({ clock, governor, workers, memory, lease }: SupervisorParts) {
    const { hostSilentMs } = governor.limits;
    this.#lease = lease;
    const started = (): readonly number[] => workers.started;
    this.heartbeat = new Heartbeat({
      clock,
      workers: started,
      ping: (worker, ref) => this.#ping(worker, ref),
      onSilent: (worker, ms) => {
        if (ms < hostSilentMs) return;
        const what = this.heartbeat.isLoading(worker) ? "loaded pi" : "answered";
        this.onFailure(worker, `it has not ${what} for ${Math.round(ms)} ms`);
      },
    });
    this.#workers = workers;
    if (memory === undefined) return;
    this.#held = () => memory.held();
    this.#memory = new MemoryMonitor({
      clock,
      memory: () => memory.held(),
      workers: started,
      limitBytes: memory.limitBytes,
      pingAll: () => this.heartbeat.pingAll(),
      owedMs: (worker) => this.heartbeat.silentMs(worker),
      onOverLimit: (worker, bytes) => {
        const most = Math.round(memory.limitBytes / MIB);
        this.onFailure(worker, `it holds ${Math.round(bytes / MIB)} MiB of memory, more than ${most} MiB`);
      },
    });
  }

  /** Memory of the process, of the server thread, and of each worker; undefined where they are one thread. */
  memoryBytes(): Metrics["memoryBytes"] {
    const monitor = this.#memory;
    if (monitor === undefined || this.#held === undefined) return undefined;
    const { residentBytes, ownBytes } = this.#held();
    const hosts = this.#workers.all.map((worker) => Math.round(monitor.bytesOf(worker)));
    return { process: Math.round(residentBytes), router: Math.round(ownBytes), hosts };
  }

  /** Signs of life. */
  readonly handlers = {
    pong: ({ ref, at, bytes, steady }, worker) => {
      if (steady !== undefined) this.#onSteady(worker, steady);
      this.heartbeat.onPong(worker, ref, at);
      this.#memory?.onReport(worker, bytes);
    },
  } satisfies Partial<FromWorkerHandlers>;

  start(): void {
    this.heartbeat.start();
    this.#memory?.start();
  }

  stop(): void {
    this.heartbeat.stop();
    this.#memory?.stop();
  }

  /** A worker loads pi, and answers nothing meanwhile. */
  onLoadBegun(worker: number): void {
    this.heartbeat.onLoadBegun(worker);
  }

  /** A worker has loaded pi, and takes commands. */
  onLoadEnded(worker: number): void {
    this.heartbeat.onLoadEnded(worker);
    this.#memory?.onStarted(worker);
    // The first beat may be too late for a worker that never yields from its first command on.
    this.heartbeat.pingAll();
  }

  /** A worker was ended that had nothing to run. */
  removed(worker: number): void {
    this.#ahead.delete(worker);
    this.heartbeat.reset(worker);
    this.#memory?.removed(worker);
  }

  #ping(worker: number, ref: number): void {
    const ahead = this.#ahead.get(worker);
    const lease = this.#lease === undefined || ahead === undefined
      ? {}
      : { writesUntil: this.#lease.until - ahead };
    this.#workers.send(worker, { kind: "ping", ref, ...lease });
  }

  #onSteady(worker: number, steady: number): void {
    if (this.#lease === undefined) return;
    const known = this.#ahead.get(worker);
    this.#ahead.set(worker, Math.min(known ?? Infinity, this.#lease.steady() - steady));
    // A new worker may write at once, and not only from the next beat on.
    if (known === undefined) this.#ping(worker, 0);
  }

  /** A new worker has taken the place of that one. */
  reset(worker: number): void {
    this.#ahead.delete(worker);
    this.heartbeat.reset(worker);
    this.#memory?.reset(worker);
  }
}
