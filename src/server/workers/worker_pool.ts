// Does: starts the workers of one server, a few at a time, counts their sessions, and replaces them when they die.
// Used by: the session manager. `shared`: a fixed number, each for many sessions. `session`: one for each session, and
// one spare with pi loaded.
// Invariant: it knows no session and no command. The number of a worker is used again only for its replacement.
import { Turns } from "../../base/async/turns.ts";
import { handlerOf } from "../../ipc/handlers.ts";
import type { FromWorkerHandlers, ToWorker, WorkerConfig } from "../../ipc/messages.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { StartWorker, WorkerLink } from "./worker_link.ts";

/** A worker that dies earlier than this after its start is started again only after a pause. */
const YOUNG_MS = 5_000;
const RESTART_MS = 1_000;

/** Whether sessions share workers, or each has one of its own. */
export type Isolation = "shared" | "session";

/** `shared` by all sessions; `spare`; `own`, of one session; `retiring`, the session has left. */
type Use = "shared" | "spare" | "own" | "retiring";

/** `waiting` for its start; `starting`, until pi is loaded; `loaded`. */
type Phase = "waiting" | "starting" | "loaded";

/** A worker, and what the pool knows of it. */
interface PooledWorker {
  link: WorkerLink;
  phase: Phase;
  sessions: number;
  use: Use;
  /** On the monotonic clock. */
  startedAt: number;
}

/** What the workers are made of. */
export interface WorkerPoolParts {
  readonly clock: Clock;
  readonly config: WorkerConfig;
  readonly isolation: Isolation;
  /** How many workers may start at a time: a start keeps a processor busy. */
  readonly starts: number;
  readonly start: StartWorker;
}

/** All workers, by number. Numbers are not used twice, but for a worker that is started again. */
export class WorkerPool {
  readonly #parts: WorkerPoolParts;
  readonly #workers = new Map<number, PooledWorker>();
  readonly #starts: Turns<number>;
  #spare: number | undefined;
  #next = 0;
  #stopped = false;
  /** Handle the messages of workers. Set once, before the first worker starts. */
  handlers: FromWorkerHandlers | undefined;
  /** Called when a worker has ended, and why. */
  onExit: (worker: number, reason: string) => void = () => {};
  /** Called when a worker takes messages, also for one that replaces another. */
  onStarted: (worker: number) => void = () => {};

  constructor(parts: WorkerPoolParts) {
    this.#parts = parts;
    this.#starts = new Turns(parts.starts);
  }

  /** Starts that many, at least one; with isolation `session`, the spare. */
  startAll(count: number): void {
    if (this.#parts.isolation === "session") return this.keepSpare();
    for (let worker = 0; worker < Math.max(1, count); worker++) this.#add("shared");
  }

  /** Numbers of all workers. */
  get all(): readonly number[] {
    return [...this.#workers.keys()];
  }

  /** Numbers of the workers that do not wait for their start. */
  get started(): readonly number[] {
    return [...this.#workers].filter(([, { phase }]) => phase !== "waiting").map(([worker]) => worker);
  }

  /** Whether that worker has loaded pi. Until then its messages wait, and it has no session. */
  isLoaded(worker: number): boolean {
    return this.#workers.get(worker)?.phase === "loaded";
  }

  /** Milliseconds since the start of a worker that has not loaded pi. 0 for every other one. */
  startingMs(worker: number): number {
    const pooled = this.#workers.get(worker);
    return pooled?.phase === "starting" ? this.#parts.clock.monotonic() - pooled.startedAt : 0;
  }

  /** Numbers of the workers that may have something to finish: all but the spare. */
  get used(): readonly number[] {
    return [...this.#workers].filter(([, { use }]) => use !== "spare").map(([worker]) => worker);
  }

  /** Whether each session has a worker of its own. */
  get isolated(): boolean {
    return this.#parts.isolation === "session";
  }

  /** The worker for a command without a session: the one with the fewest sessions, or the spare. */
  leastLoaded(): number {
    if (this.isolated) return this.#spare ?? this.#addSpare();
    return this.all.reduce((best, worker) => this.sessions(worker) < this.sessions(best) ? worker : best, 0);
  }

  /** Chooses the worker for a session, and counts the session there. */
  assign(): number {
    const worker = this.leastLoaded();
    if (this.isolated) {
      this.#pooled(worker).use = "own";
      this.#spare = undefined;
    }
    this.addSessions(worker, 1);
    return worker;
  }

  /** With isolation `session`: starts a spare unless there is one. */
  keepSpare(): void {
    if (this.isolated && this.#spare === undefined && !this.#stopped) this.#addSpare();
  }

  /** How many sessions are on that worker. */
  sessions(worker: number): number {
    return this.#workers.get(worker)?.sessions ?? 0;
  }

  /** Counts sessions that came to a worker or left it. A worker that has been removed counts nothing. */
  addSessions(worker: number, more: number): void {
    const pooled = this.#workers.get(worker);
    if (pooled !== undefined) pooled.sessions += more;
  }

  /** Whether that worker's session has left, and the worker has not been retired yet. */
  isLeft(worker: number): boolean {
    const pooled = this.#workers.get(worker);
    return pooled?.use === "own" && pooled.sessions === 0;
  }

  /** Marks a worker that its session has left. */
  retire(worker: number): void {
    this.#pooled(worker).use = "retiring";
  }

  /** Ends a retired worker. What its session has started in the background goes on. */
  remove(worker: number): void {
    const pooled = this.#workers.get(worker);
    if (pooled?.use !== "retiring") return;
    this.#workers.delete(worker);
    pooled.link.dismiss();
    this.#starts.end(worker);
  }

  /** A worker has loaded pi, or has failed to: the next one may start. */
  onLoaded(worker: number): void {
    const pooled = this.#workers.get(worker);
    if (pooled !== undefined) pooled.phase = "loaded";
    this.#starts.end(worker);
  }

  /** Sends a message; false when that worker has been removed. */
  send(worker: number, message: ToWorker): boolean {
    const pooled = this.#workers.get(worker);
    pooled?.link.send(message);
    return pooled !== undefined;
  }

  /** Sends to every worker. */
  sendAll(message: ToWorker): void {
    for (const worker of this.all) this.send(worker, message);
  }

  /** Ends one worker, whatever it is doing. */
  kill(worker: number): void {
    this.#workers.get(worker)?.link.terminate();
  }

  /** From now on no spare is started. */
  stop(): void {
    this.#stopped = true;
  }

  /** Ends all workers at once. */
  terminateAll(): void {
    this.stop();
    this.#starts.clear();
    for (const { link } of this.#workers.values()) link.terminate();
  }

  /**
   * Replaces a dead worker. A session's own worker is removed: the session gets another one when it comes back. Other
   * workers are started again: at once, or after a pause if they died young, so that a broken start cannot spin.
   */
  restart(worker: number): void {
    const { clock } = this.#parts;
    const pooled = this.#pooled(worker);
    if (pooled.use === "own" || pooled.use === "retiring") {
      this.#workers.delete(worker);
      this.#starts.end(worker);
      return this.keepSpare();
    }
    this.#starts.end(worker);
    const young = clock.monotonic() - pooled.startedAt < YOUNG_MS;
    this.#startInTurn(worker, pooled, young ? RESTART_MS : 0);
    this.onStarted(worker);
  }

  #addSpare(): number {
    this.#spare = this.#add("spare");
    return this.#spare;
  }

  #add(use: Use): number {
    const worker = this.#next++;
    const link = { send: () => {}, terminate: () => {}, dismiss: () => {} };
    const pooled: PooledWorker = { link, phase: "waiting", sessions: 0, use, startedAt: 0 };
    this.#workers.set(worker, pooled);
    this.#startInTurn(worker, pooled, 0);
    this.onStarted(worker);
    return worker;
  }

  /** Starts a worker once the pause is over and its turn has come. Its messages are kept until then. */
  #startInTurn(worker: number, pooled: PooledWorker, pauseMs: number): void {
    const { clock } = this.#parts;
    const kept: ToWorker[] = [];
    const begin = (): void => {
      pooled.phase = "starting";
      pooled.startedAt = clock.monotonic();
      pooled.link = this.#start(worker);
      for (const message of kept) pooled.link.send(message);
    };
    const enqueue = (): void => this.#starts.take(worker, begin);
    const pause = pauseMs > 0 ? clock.after(pauseMs, enqueue) : undefined;
    const end = (): void => {
      pause?.clear();
      this.#starts.end(worker);
    };
    pooled.phase = "waiting";
    pooled.link = { send: (message) => void kept.push(message), terminate: end, dismiss: end };
    if (pause === undefined) enqueue();
  }

  #start(worker: number): WorkerLink {
    const { handlers } = this;
    if (handlers === undefined) throw new Error("A worker cannot start before its messages have handlers");
    const { start, config } = this.#parts;
    return start(config, {
      onMessage: (message) => handlerOf(handlers, message.kind)(message, worker),
      onExit: (reason) => this.onExit(worker, reason),
    });
  }

  #pooled(worker: number): PooledWorker {
    const pooled = this.#workers.get(worker);
    if (pooled === undefined) throw new Error(`There is no worker ${worker}`);
    return pooled;
  }
}
