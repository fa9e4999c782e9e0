// The pool of hosts of one server: started, counted, and started again when they die. `shared`: a fixed number, each
// for many sessions. `session`: one for each session, and one spare with pi loaded. Knows no session and no command.
import type { FromWorker, ToWorker, WorkerConfig } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { StartWorker, WorkerLink } from "./worker_link.ts";

/** A host that dies earlier than this after its start is started again only after a pause. */
const YOUNG_MS = 5_000;
const RESTART_MS = 1_000;

/** Whether sessions share hosts, or each has one of its own. */
export type Isolation = "shared" | "session";

/** `shared` by all sessions; `spare`; `own`, of one session; `retiring`, the session has left. */
type Use = "shared" | "spare" | "own" | "retiring";

interface Slot {
  link: WorkerLink;
  sessions: number;
  use: Use;
  /** On the monotonic clock. */
  startedAt: number;
}

/** What the hosts are made of, and the events that they report. */
export interface WorkerPoolParts {
  readonly clock: Clock;
  readonly config: WorkerConfig;
  readonly isolation: Isolation;
  readonly start: StartWorker;
  onMessage(host: number, message: FromWorker): void;
  onExit(host: number, reason: string): void;
  /** A host takes messages from now on, also one that replaces another. */
  started(host: number): void;
}

/** All hosts, by number. Numbers are not used twice, but for a host that is started again. */
export class WorkerPool {
  readonly #parts: WorkerPoolParts;
  readonly #slots = new Map<number, Slot>();
  #spare: number | undefined;
  #next = 0;
  #stopped = false;

  constructor(parts: WorkerPoolParts) {
    this.#parts = parts;
  }

  /** Starts that many, at least one; with isolation `session`, the spare. */
  startAll(count: number): void {
    if (this.#parts.isolation === "session") return this.keepSpare();
    for (let host = 0; host < Math.max(1, count); host++) this.#add("shared");
  }

  /** Numbers of all hosts. */
  get all(): readonly number[] {
    return [...this.#slots.keys()];
  }

  /** Numbers of the hosts that may have something to finish: all but the spare. */
  get used(): readonly number[] {
    return [...this.#slots].filter(([, { use }]) => use !== "spare").map(([host]) => host);
  }

  /** Whether each session has a host of its own. */
  get isolated(): boolean {
    return this.#parts.isolation === "session";
  }

  /** The host for a command without a session: the one with the fewest sessions, or the spare. */
  leastLoaded(): number {
    if (this.isolated) return this.#spare ?? this.#addSpare();
    return this.all.reduce((best, host) => this.sessions(host) < this.sessions(best) ? host : best, 0);
  }

  /** Chooses the host for a session, and counts the session there. */
  assign(): number {
    const host = this.leastLoaded();
    if (this.isolated) {
      this.#slot(host).use = "own";
      this.#spare = undefined;
    }
    this.addSessions(host, 1);
    return host;
  }

  /** With isolation `session`: starts a spare unless there is one. */
  keepSpare(): void {
    if (this.isolated && this.#spare === undefined && !this.#stopped) this.#addSpare();
  }

  /** How many sessions are on that host. */
  sessions(host: number): number {
    return this.#slots.get(host)?.sessions ?? 0;
  }

  /** Counts sessions that came to a host or left it. A host that has been removed counts nothing. */
  addSessions(host: number, more: number): void {
    const slot = this.#slots.get(host);
    if (slot !== undefined) slot.sessions += more;
  }

  /** Whether that host's session has left, and the host has not been retired yet. */
  isLeft(host: number): boolean {
    const slot = this.#slots.get(host);
    return slot?.use === "own" && slot.sessions === 0;
  }

  /** Marks a host that its session has left. */
  retire(host: number): void {
    this.#slot(host).use = "retiring";
  }

  /** Ends a retired host. What its session has started in the background goes on. */
  remove(host: number): void {
    const slot = this.#slots.get(host);
    if (slot?.use !== "retiring") return;
    this.#slots.delete(host);
    slot.link.dismiss();
  }

  /** Sends a message; false when that host has been removed. */
  send(host: number, message: ToWorker): boolean {
    const slot = this.#slots.get(host);
    slot?.link.send(message);
    return slot !== undefined;
  }

  /** Sends to every host. */
  sendAll(message: ToWorker): void {
    for (const host of this.all) this.send(host, message);
  }

  /** Ends one host, whatever it is doing. */
  kill(host: number): void {
    this.#slots.get(host)?.link.terminate();
  }

  /** From now on no spare is started. */
  stop(): void {
    this.#stopped = true;
  }

  /** Ends all hosts at once. */
  terminateAll(): void {
    this.stop();
    for (const { link } of this.#slots.values()) link.terminate();
  }

  /**
   * Replaces a dead host. A session's own host is removed: the session gets another one when it comes back. Other
   * hosts are started again: at once, or after a pause if they died young, so that a broken start cannot spin.
   */
  restart(host: number): void {
    const { clock } = this.#parts;
    const slot = this.#slot(host);
    if (slot.use === "own" || slot.use === "retiring") {
      this.#slots.delete(host);
      return this.keepSpare();
    }
    const start = (): WorkerLink => {
      slot.startedAt = clock.monotonic();
      slot.link = this.#start(host);
      return slot.link;
    };
    if (clock.monotonic() - slot.startedAt >= YOUNG_MS) start();
    else {
      const waiting: ToWorker[] = [];
      const timer = clock.after(RESTART_MS, () => {
        const link = start();
        for (const message of waiting) link.send(message);
      });
      const end = (): void => timer.clear();
      slot.link = { send: (message) => void waiting.push(message), terminate: end, dismiss: end };
    }
    this.#parts.started(host);
  }

  #addSpare(): number {
    this.#spare = this.#add("spare");
    return this.#spare;
  }

  #add(use: Use): number {
    const host = this.#next++;
    const startedAt = this.#parts.clock.monotonic();
    this.#slots.set(host, { link: this.#start(host), sessions: 0, use, startedAt });
    this.#parts.started(host);
    return host;
  }

  #start(host: number): WorkerLink {
    const { start, config, onMessage: message, onExit: exit } = this.#parts;
    return start(config, {
      onMessage: (received) => message(host, received),
      onExit: (reason) => exit(host, reason),
    });
  }

  #slot(host: number): Slot {
    const slot = this.#slots.get(host);
    if (slot === undefined) throw new Error(`There is no host ${host}`);
    return slot;
  }
}
