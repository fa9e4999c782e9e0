// The router thread's book of sessions: which exist, on which host each runs, and which answers are still to
// come. Passes commands on and events back; encodes nothing and knows no connection but by number.
import { type Command, type CommandOf, type CommandSpec, specOf } from "../protocol/commands.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import { type Governor, isPermit, type Permit } from "../governor/governor.ts";
import type { Attachment, Demand, EventRecord, FromHost, HostConfig, Reply, ToHost } from "../host/edge.ts";
import type { Log } from "../log.ts";
import type { Clock, Timer } from "../runtime/runtime.ts";
import type { HostLink, StartHost } from "./host_link.ts";

/** What the manager is made of. */
export interface ManagerParts {
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly governor: Governor;
  readonly log: Log;
  readonly config: HostConfig;
  readonly hosts: number;
  readonly start: StartHost;
}

/** What the manager tells the router. */
export interface ManagerEvents {
  events(sessionId: string, records: readonly EventRecord[], host: number): void;
  server(type: string, data: Record<string, unknown>): void;
  /** Who wants which form of a new session's events. */
  demand(sessionId: string): Demand;
}

/** Whoever waits for the answer to a command. */
export interface Asker {
  readonly connection: number;
  /** The command waits no longer; its answer is still to come. */
  accepted(): void;
  answer(reply: Reply): void;
}

interface Pending {
  readonly host: number;
  readonly asker: Asker;
  readonly permit: Permit | undefined;
  readonly settled?: (reply: Reply) => void;
}

interface Entry {
  readonly host: number;
  readonly permit: Permit;
  state: "building" | "live";
}

interface HostSlot {
  link: HostLink;
  sessions: number;
}

type Attached = (sessions: readonly Attachment[] | Failure, host: number) => void;

/** The book of sessions. */
export class Manager {
  readonly #parts: ManagerParts;
  readonly #sessions = new Map<string, Entry>();
  readonly #pending = new Map<number, Pending>();
  readonly #attaching = new Map<number, { host: number; done: Attached; timer: Timer }>();
  readonly #waits = new Map<number, { host: number; done: () => void }>();
  readonly #counts = new Map<number, (busy: number) => void>();
  readonly #disposals = new Map<number, (counts: { disposed: number; failed: number }) => void>();
  readonly #hosts: HostSlot[] = [];
  #events: ManagerEvents | undefined;
  #closing = false;
  #ref = 0;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
  }

  /** Starts the hosts. Until then commands would have nowhere to go. */
  open(events: ManagerEvents): void {
    this.#events = events;
    for (let host = 0; host < Math.max(1, this.#parts.hosts); host++) {
      this.#hosts.push({ link: this.#startHost(host), sessions: 0 });
    }
  }

  /** Ids of all sessions, those being built included. */
  get sessionIds(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  /** How many hosts there are. */
  get hosts(): number {
    return this.#hosts.length;
  }

  has(sessionId: string): boolean {
    return this.#sessions.has(sessionId);
  }

  /** Reserves an id and a place, and has the session built. Returns the id. */
  create(command: CommandOf<"create_session">, asker: Asker): string {
    const sessionId = command.sessionId ?? this.#parts.uuid();
    if (this.#sessions.has(sessionId)) {
      const sentence = `There is a session "${sessionId}" already; choose another id, or leave it out`;
      asker.answer({ ok: false, failure: failure("session_exists", sentence) });
      return sessionId;
    }
    const permit = this.#parts.governor.session();
    if (!isPermit(permit)) {
      asker.answer({ ok: false, failure: permit });
      return sessionId;
    }
    const host = this.#idlestHost();
    const entry: Entry = { host, permit, state: "building" };
    this.#sessions.set(sessionId, entry);
    this.#slot(host).sessions++;
    const settled = (reply: Reply): void => {
      if (this.#sessions.get(sessionId) !== entry) return;
      if (!reply.ok) return this.#forget(sessionId);
      entry.state = "live";
      this.#events?.server("session_created", { sessionId });
    };
    const ref = this.#expect({ host, asker, permit: undefined, settled });
    const demand = this.#events?.demand(sessionId) ?? { delta: false, full: false, subscribers: 0 };
    this.#send(host, { kind: "create", ref, demand, command: { ...command, sessionId } });
    return sessionId;
  }

  /** Passes a session's command on to its host. */
  command(command: Command, spec: CommandSpec, asker: Asker): Failure | undefined {
    const sessionId = command.sessionId ?? "";
    const entry = this.#sessions.get(sessionId);
    let permit: Permit | undefined;
    if (spec.lane === "mailbox" && entry !== undefined) {
      const taken = this.#parts.governor.mailbox(sessionId);
      if (!isPermit(taken)) return taken;
      permit = taken;
    }
    if (entry === undefined) {
      const sentence = `There is no session "${sessionId}"; list_sessions shows what there is`;
      return failure("session_not_found", sentence);
    }
    const deletes = command.type === "delete_session";
    // A live session is gone for everyone the moment its deletion is passed on; its id is free again.
    if (deletes && entry.state === "live") this.#forget(sessionId);
    const settled = (reply: Reply): void => {
      if (!deletes || !reply.ok) return;
      if (this.#sessions.get(sessionId) === entry) this.#forget(sessionId);
      this.#events?.server("session_deleted", { sessionId });
    };
    const ref = this.#expect({ host: entry.host, asker, permit, settled });
    this.#send(entry.host, { kind: "command", ref, connection: asker.connection, command });
    return undefined;
  }

  /** Asks for the state of one session at a point of the order. */
  attach(sessionId: string, done: Attached): void {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return done([], 0);
    this.#attach(entry.host, [sessionId], done);
  }

  /** Asks every host for the state of all its sessions; `done` is called for each host. */
  attachAll(done: Attached): void {
    for (const host of this.#hosts.keys()) this.#attach(host, undefined, done);
  }

  /** Tells the host who wants which form of a session's events. */
  setDemand(sessionId: string, demand: Demand): void {
    const entry = this.#sessions.get(sessionId);
    if (entry !== undefined) this.#send(entry.host, { kind: "demand", sessionId, demand });
  }

  /** Resolves when nothing runs, in all sessions or in those. */
  async whenIdle(sessionIds?: readonly string[]): Promise<void> {
    await Promise.all([...this.#hosts.keys()].map((host) =>
      new Promise<void>((resolve) => {
        const ref = ++this.#ref;
        this.#waits.set(ref, { host, done: resolve });
        this.#send(host, {
          kind: "when_idle",
          ref,
          ...(sessionIds === undefined ? {} : { sessionIds: sessionIds.filter((id) => this.#on(host, id)) }),
        });
      })
    ));
  }

  /** Counts the busy sessions, and with `stop` has them stopped. A host that hangs counts as none. */
  async busy(stop: boolean, withinMs: number): Promise<number> {
    const counts = await Promise.all([...this.#hosts.keys()].map((host) =>
      new Promise<number>((resolve) => {
        const ref = ++this.#ref;
        const timer = this.#parts.clock.after(withinMs, () => this.#counts.get(ref)?.(0));
        this.#counts.set(ref, (busy) => {
          timer.clear();
          this.#counts.delete(ref);
          resolve(busy);
        });
        this.#send(host, { kind: "busy", ref, stop });
      })
    ));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Disposes all sessions; each host bounds that by itself, and `withinMs` bounds the hosts. */
  async dispose(withinMs: number): Promise<{ disposed: number; failed: number }> {
    this.#closing = true;
    const counts = await Promise.all(
      [...this.#hosts.keys()].map((host) => this.#disposeHost(host, withinMs)),
    );
    for (const { link } of this.#hosts) link.terminate();
    // A host that hung has left someone without an answer.
    const stopped = failure("cancelled", "The server was shut down before the command had finished");
    for (const ref of [...this.#pending.keys()]) this.#answer(ref, { ok: false, failure: stopped });
    return counts.reduce((sum, one) => ({
      disposed: sum.disposed + one.disposed,
      failed: sum.failed + one.failed,
    }), { disposed: 0, failed: 0 });
  }

  #disposeHost(host: number, withinMs: number): Promise<{ disposed: number; failed: number }> {
    return new Promise((resolve) => {
      const ref = ++this.#ref;
      const timer = this.#parts.clock.after(withinMs, () => {
        this.#disposals.delete(ref);
        resolve({ disposed: 0, failed: this.#slot(host).sessions });
      });
      this.#disposals.set(ref, (counts) => {
        timer.clear();
        resolve(counts);
      });
      this.#send(host, { kind: "dispose_all", ref });
    });
  }

  #on(host: number, sessionId: string): boolean {
    return this.#sessions.get(sessionId)?.host === host;
  }

  #attach(host: number, sessionIds: readonly string[] | undefined, done: Attached): void {
    const ref = ++this.#ref;
    const { timeoutMs } = specOf(sessionIds === undefined ? "list_sessions" : "create_session");
    const timer = this.#parts.clock.after(timeoutMs, () => {
      this.#attaching.delete(ref);
      done(failure("timeout", `A session's host has not answered within ${timeoutMs} ms`), host);
    });
    this.#attaching.set(ref, { host, done, timer });
    this.#send(host, { kind: "attach", ref, ...(sessionIds === undefined ? {} : { sessionIds }) });
  }

  #expect(pending: Pending): number {
    const ref = ++this.#ref;
    this.#pending.set(ref, pending);
    return ref;
  }

  #startHost(host: number): HostLink {
    return this.#parts.start(this.#parts.config, {
      message: (message) => this.#receive(host, message),
      exit: (reason) => this.#crashed(host, reason),
    });
  }

  #receive(host: number, message: FromHost): void {
    switch (message.kind) {
      case "events":
        return this.#events?.events(message.sessionId, message.events, host);
      case "accepted": {
        const pending = this.#pending.get(message.ref);
        pending?.permit?.release();
        return pending?.asker.accepted();
      }
      case "reply":
        return this.#answer(message.ref, message.reply);
      case "attached": {
        const attaching = this.#attaching.get(message.ref);
        this.#attaching.delete(message.ref);
        attaching?.timer.clear();
        return attaching?.done(message.sessions, host);
      }
      case "idle": {
        const wait = this.#waits.get(message.ref);
        this.#waits.delete(message.ref);
        return wait?.done();
      }
      case "counted":
        return this.#counts.get(message.ref)?.(message.busy);
      case "disposed": {
        const done = this.#disposals.get(message.ref);
        this.#disposals.delete(message.ref);
        return done?.(message);
      }
      case "log":
        return this.#parts.log[message.level](message.message, { host, ...message.fields });
      case "up":
      case "ready":
        return this.#parts.log.debug(`host is ${message.kind}`, { host });
    }
  }

  #answer(ref: number, reply: Reply): void {
    const pending = this.#pending.get(ref);
    if (pending === undefined) return;
    this.#pending.delete(ref);
    pending.permit?.release();
    pending.asker.answer(reply);
    pending.settled?.(reply);
  }

  /** A host died: what ran there is answered, its sessions are gone, and a new one takes its place. */
  #crashed(host: number, reason: string): void {
    if (this.#closing) return;
    this.#parts.log.error(`a host died: ${reason}`, { host });
    const lost = failure("internal", "What runs this session has died; the server's log says why");
    for (const [ref, pending] of [...this.#pending]) {
      if (pending.host === host) this.#answer(ref, { ok: false, failure: lost });
    }
    for (const [ref, attaching] of [...this.#attaching]) {
      if (attaching.host !== host) continue;
      this.#attaching.delete(ref);
      attaching.timer.clear();
      attaching.done(lost, host);
    }
    for (const [ref, wait] of [...this.#waits]) {
      if (wait.host !== host) continue;
      this.#waits.delete(ref);
      wait.done();
    }
    for (const sessionId of this.sessionIds.filter((id) => this.#on(host, id))) {
      this.#forget(sessionId);
      this.#events?.server("session_crashed", { sessionId });
    }
    this.#slot(host).link = this.#startHost(host);
  }

  #forget(sessionId: string): void {
    const entry = this.#sessions.get(sessionId);
    if (entry === undefined) return;
    this.#sessions.delete(sessionId);
    this.#slot(entry.host).sessions--;
    entry.permit.release();
  }

  #idlestHost(): number {
    let best = 0;
    for (const [host, { sessions }] of this.#hosts.entries()) {
      if (sessions < this.#slot(best).sessions) best = host;
    }
    return best;
  }

  #slot(host: number): HostSlot {
    const slot = this.#hosts[host];
    if (slot === undefined) throw new Error(`There is no host ${host}`);
    return slot;
  }

  #send(host: number, message: ToHost): void {
    this.#slot(host).link.send(message);
  }
}
