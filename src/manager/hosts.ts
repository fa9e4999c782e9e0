// The hosts of one server: started, counted, and started again when they die. Knows no session and no command.
import type { FromHost, HostConfig, ToHost } from "../host/edge.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { HostLink, StartHost } from "./host_link.ts";

/** A host that dies earlier than this after its start is started again only after a pause. */
const YOUNG_MS = 5_000;
const RESTART_MS = 1_000;

interface Slot {
  link: HostLink;
  sessions: number;
  /** On the monotonic clock. */
  startedAt: number;
}

/** What the hosts are made of, and what they tell. */
export interface HostsParts {
  readonly clock: Clock;
  readonly config: HostConfig;
  readonly start: StartHost;
  message(host: number, message: FromHost): void;
  exit(host: number, reason: string): void;
}

/** All hosts, by number. */
export class Hosts {
  readonly #parts: HostsParts;
  readonly #slots: Slot[] = [];

  constructor(parts: HostsParts) {
    this.#parts = parts;
  }

  /** Starts that many; at least one. */
  open(count: number): void {
    for (let host = 0; host < Math.max(1, count); host++) {
      this.#slots.push({ link: this.#start(host), sessions: 0, startedAt: this.#parts.clock.monotonic() });
    }
  }

  /** Numbers of all hosts. */
  get all(): readonly number[] {
    return [...this.#slots.keys()];
  }

  /** The host with the fewest sessions. */
  get idlest(): number {
    return this.all.reduce((best, host) => this.sessions(host) < this.sessions(best) ? host : best, 0);
  }

  /** How many sessions are on that host. */
  sessions(host: number): number {
    return this.#slot(host).sessions;
  }

  /** Counts sessions that came to a host or left it. */
  count(host: number, more: number): void {
    this.#slot(host).sessions += more;
  }

  send(host: number, message: ToHost): void {
    this.#slot(host).link.send(message);
  }

  /** Sends to every host. */
  sendAll(message: ToHost): void {
    for (const host of this.all) this.send(host, message);
  }

  /** Ends one host, whatever it is doing. */
  kill(host: number): void {
    this.#slot(host).link.terminate();
  }

  /** Ends all hosts at once. */
  terminate(): void {
    for (const { link } of this.#slots) link.terminate();
  }

  /** Starts a dead host again: at once, or after a pause if it died young, since a loop helps nobody. */
  restart(host: number): void {
    const { clock } = this.#parts;
    const slot = this.#slot(host);
    const start = (): HostLink => {
      slot.startedAt = clock.monotonic();
      slot.link = this.#start(host);
      return slot.link;
    };
    if (clock.monotonic() - slot.startedAt >= YOUNG_MS) return void start();
    const waiting: ToHost[] = [];
    const timer = clock.after(RESTART_MS, () => {
      const link = start();
      for (const message of waiting) link.send(message);
    });
    slot.link = { send: (message) => void waiting.push(message), terminate: () => timer.clear() };
  }

  #start(host: number): HostLink {
    const { start, config, message, exit } = this.#parts;
    return start(config, {
      message: (received) => message(host, received),
      exit: (reason) => exit(host, reason),
    });
  }

  #slot(host: number): Slot {
    const slot = this.#slots[host];
    if (slot === undefined) throw new Error(`There is no host ${host}`);
    return slot;
  }
}
