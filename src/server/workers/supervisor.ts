// What is wrong with a host while it runs, found out from the router thread: it hangs (pulse.ts) or it holds too
// much memory (memory_watch.ts). Says that it has to be replaced, and why; replacing is the manager's.
import type { Governor } from "../../governor/governor.ts";
import type { Clock, Memory } from "../../runtime/runtime.ts";
import { MemoryWatch } from "./memory_monitor.ts";
import { Pulse } from "./heartbeat.ts";

const MIB = 1024 * 1024;

/** Memory as the router thread sees it, and how much of it one host may hold. */
export interface HostMemory {
  readonly limitBytes: number;
  held(): Memory;
}

/** What the watch is made of. */
export interface HostWatchParts {
  readonly clock: Clock;
  readonly governor: Governor;
  /** Absent where hosts share the router thread, and nothing could be done. */
  readonly memory?: HostMemory | undefined;
  hosts(): readonly number[];
  ping(host: number, ref: number): void;
  /** A host has to be replaced. */
  replace(host: number, reason: string): void;
}

/** The watch over one server's hosts. */
export class HostWatch {
  /** Whether this thread and the hosts keep up. */
  readonly pulse: Pulse;
  readonly #memory: MemoryWatch | undefined;

  constructor(parts: HostWatchParts) {
    const { clock, governor, memory, hosts, ping, replace } = parts;
    const { hostSilentMs } = governor.limits;
    this.pulse = new Pulse({
      clock,
      hosts,
      ping,
      silent: (host, ms) => {
        if (ms >= hostSilentMs) replace(host, `it has not answered for ${Math.round(ms)} ms`);
      },
    });
    if (memory === undefined) return;
    this.#memory = new MemoryWatch({
      clock,
      memory: () => memory.held(),
      hosts,
      limitBytes: memory.limitBytes,
      ask: () => this.pulse.ask(),
      owedMs: (host) => this.pulse.silentMs(host),
      over: (host, bytes) => {
        const most = Math.round(memory.limitBytes / MIB);
        replace(host, `it holds ${Math.round(bytes / MIB)} MiB of memory, more than ${most} MiB`);
      },
    });
  }

  start(): void {
    this.pulse.start();
    this.#memory?.start();
  }

  stop(): void {
    this.pulse.stop();
    this.#memory?.stop();
  }

  /** A host has started, and takes commands. */
  started(host: number): void {
    this.pulse.started(host);
    this.#memory?.started(host);
    // The first beat may be too late for one that never yields from its first command on.
    this.pulse.ask();
  }

  /** A host has answered, and says how many bytes it holds. */
  pong(host: number, { ref, at, bytes }: { ref: number; at: number; bytes: number }): void {
    this.pulse.pong(host, ref, at);
    this.#memory?.said(host, bytes);
  }

  /** A host was ended that had nothing to run. */
  removed(host: number): void {
    this.pulse.replaced(host);
    this.#memory?.removed(host);
  }

  /** A host is another one from now on. */
  replaced(host: number): void {
    this.pulse.replaced(host);
    this.#memory?.replaced(host);
  }
}
