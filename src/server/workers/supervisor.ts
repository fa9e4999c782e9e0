// What is wrong with a host while it runs, found out from the router thread: it hangs (heartbeat.ts) or it holds too
// much memory (memory_monitor.ts). Says that it has to be replaced, and why; replacing is the manager's.
import type { Governor } from "../../governor/governor.ts";
import type { Clock, Memory } from "../../runtime/runtime.ts";
import { MemoryMonitor } from "./memory_monitor.ts";
import { Heartbeat } from "./heartbeat.ts";

const MIB = 1024 * 1024;

/** Memory as the router thread sees it, and how much of it one host may hold. */
export interface WorkerMemory {
  readonly limitBytes: number;
  held(): Memory;
}

/** What the watch is made of. */
export interface SupervisorParts {
  readonly clock: Clock;
  readonly governor: Governor;
  /** Absent where hosts share the router thread, and nothing could be done. */
  readonly memory?: WorkerMemory | undefined;
  hosts(): readonly number[];
  ping(host: number, ref: number): void;
  /** A host has to be replaced. */
  replace(host: number, reason: string): void;
}

/** The watch over one server's hosts. */
export class Supervisor {
  /** Whether this thread and the hosts keep up. */
  readonly heartbeat: Heartbeat;
  readonly #memory: MemoryMonitor | undefined;

  constructor(parts: SupervisorParts) {
    const { clock, governor, memory, hosts, ping, replace } = parts;
    const { hostSilentMs } = governor.limits;
    this.heartbeat = new Heartbeat({
      clock,
      hosts,
      ping,
      onSilent: (host, ms) => {
        if (ms >= hostSilentMs) replace(host, `it has not answered for ${Math.round(ms)} ms`);
      },
    });
    if (memory === undefined) return;
    this.#memory = new MemoryMonitor({
      clock,
      memory: () => memory.held(),
      hosts,
      limitBytes: memory.limitBytes,
      pingAll: () => this.heartbeat.pingAll(),
      owedMs: (host) => this.heartbeat.silentMs(host),
      onOverLimit: (host, bytes) => {
        const most = Math.round(memory.limitBytes / MIB);
        replace(host, `it holds ${Math.round(bytes / MIB)} MiB of memory, more than ${most} MiB`);
      },
    });
  }

  start(): void {
    this.heartbeat.start();
    this.#memory?.start();
  }

  stop(): void {
    this.heartbeat.stop();
    this.#memory?.stop();
  }

  /** A host has started, and takes commands. */
  onStarted(host: number): void {
    this.heartbeat.onStarted(host);
    this.#memory?.onStarted(host);
    // The first beat may be too late for one that never yields from its first command on.
    this.heartbeat.pingAll();
  }

  /** A host has answered, and says how many bytes it holds. */
  onPong(host: number, { ref, at, bytes }: { ref: number; at: number; bytes: number }): void {
    this.heartbeat.onPong(host, ref, at);
    this.#memory?.onReport(host, bytes);
  }

  /** A host was ended that had nothing to run. */
  removed(host: number): void {
    this.heartbeat.reset(host);
    this.#memory?.removed(host);
  }

  /** A host is another one from now on. */
  reset(host: number): void {
    this.heartbeat.reset(host);
    this.#memory?.reset(host);
  }
}
