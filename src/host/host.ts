// A host: runs sessions for the router thread, behind the data-only edge. Loads pi itself, later than it
// starts, and builds, finds and disposes sessions. Knows nothing of connections.
import { type CommandOf, specOf } from "../protocol/commands.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import { BUILDS_AT_ONCE, DISPOSE_MS } from "../governor/limits.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { AgentFactory, AgentPort, AgentRequest, Outcome } from "./agent_port.ts";
import type { Attachment, FromHost, HostConfig, Reply, ToHost } from "./edge.ts";
import { HANDLERS } from "./handlers/mod.ts";
import { PathGuard } from "./paths.ts";
import { notFound, Session } from "./session.ts";

type Create = CommandOf<"create_session">;
type MessageOf<K extends ToHost["kind"]> = Extract<ToHost, { kind: K }>;

interface Loaded {
  readonly config: HostConfig;
  readonly factory: AgentFactory;
  readonly guard: PathGuard;
}

const STOPPED = failure("cancelled", "The server was shut down before the command had finished");

/** Loads what builds agents; a host does this once, after it has started. */
export type LoadFactory = (runtime: Runtime, config: HostConfig) => Promise<AgentFactory>;

/** Loads pi. The dynamic import keeps it out of the router thread and behind the greeting. */
export const loadPi: LoadFactory = async (runtime, config) => {
  const { createFactory } = await import("./pi.ts");
  return createFactory(runtime, { demo: config.demo });
};

/** One host. */
export class Host {
  readonly #runtime: Runtime;
  readonly #load: LoadFactory;
  readonly #post: (batch: readonly FromHost[]) => void;
  readonly #sessions = new Map<string, Session>();
  readonly #builds: (() => void)[] = [];
  readonly #idleWaits = new Map<number, readonly string[] | undefined>();
  #building = 0;
  #outgoing: FromHost[] = [];
  /** Messages that came before pi was loaded. */
  #early: Exclude<ToHost, { kind: "start" }>[] | undefined = [];
  #loaded: Loaded | undefined;
  #broken: Failure | undefined;

  constructor(runtime: Runtime, load: LoadFactory, post: (batch: readonly FromHost[]) => void) {
    this.#runtime = runtime;
    this.#load = load;
    this.#post = post;
  }

  /** Takes a message of the router thread. */
  receive(message: ToHost): void {
    if (message.kind === "start") void this.#start(message.config);
    else if (this.#early !== undefined) this.#early.push(message);
    else this.#take(message);
  }

  async #start(config: HostConfig): Promise<void> {
    try {
      const factory = await this.#load(this.#runtime, config);
      const roots = config.roots ?? [config.cwd, ...factory.sessionFolders];
      this.#loaded = { config, factory, guard: new PathGuard(this.#runtime.files, roots) };
      this.#send({ kind: "ready" });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#broken = failure("internal", `pi could not be loaded: ${message}`);
      this.#log("error", this.#broken.message, error instanceof Error ? { stack: error.stack ?? "" } : {});
    }
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.#take(message);
  }

  #take(message: Exclude<ToHost, { kind: "start" }>): void {
    switch (message.kind) {
      case "create":
        return this.#create(message);
      case "command":
        return this.#command(message);
      case "demand":
        return this.#sessions.get(message.sessionId)?.setDemand(message.demand);
      case "attach":
        return this.#attach(message);
      case "busy":
        return this.#busy(message);
      case "when_idle":
        this.#idleWaits.set(message.ref, message.sessionIds);
        return this.#checkIdle();
      case "dispose_all":
        return void this.#disposeAll(message.ref);
    }
  }

  #command({ ref, connection, command }: MessageOf<"command">): void {
    const sessionId = command.sessionId ?? "";
    const session = this.#sessions.get(sessionId);
    if (session !== undefined) return session.submit({ ref, connection, command });
    this.#refuse(ref, notFound(sessionId));
  }

  #attach({ ref, sessionIds }: MessageOf<"attach">): void {
    const answer = (): void => {
      const wanted = sessionIds?.map((id) => this.#sessions.get(id)) ?? [...this.#sessions.values()];
      const sessions = wanted.filter((session) => session !== undefined && session.live).map(attachment);
      this.#send({ kind: "attached", ref, sessions });
    };
    const [only] = sessionIds ?? [];
    const session = only === undefined ? undefined : this.#sessions.get(only);
    if (session === undefined) answer();
    else session.whenBuilt(answer);
  }

  #create({ ref, demand, command }: MessageOf<"create">): void {
    if (command.type !== "create_session" || command.sessionId === undefined) {
      return this.#refuse(ref, failure("internal", "A session cannot be created without an id"));
    }
    const session = new Session({
      handlers: HANDLERS,
      sessionId: command.sessionId,
      epoch: this.#runtime.uuid(),
      clock: this.#runtime,
      demand,
      reply: (to, reply) => this.#reply(to, reply),
      accepted: (to) => this.#send({ kind: "accepted", ref: to }),
      flush: () => this.#flush(),
      events: (sessionId, events) => this.#send({ kind: "events", sessionId, events }),
      log: (level, message, fields) => this.#log(level, message, fields),
      changed: () => this.#checkIdle(),
      removed: (which) => this.#forget(which),
    });
    this.#sessions.set(command.sessionId, session);
    this.#builds.push(() => void this.#build(ref, session, command));
    this.#nextBuild();
  }

  #nextBuild(): void {
    while (this.#building < BUILDS_AT_ONCE) {
      const build = this.#builds.shift();
      if (build === undefined) return;
      this.#building++;
      build();
    }
  }

  async #build(ref: number, session: Session, command: Create): Promise<void> {
    let timer: Timer | undefined;
    const { timeoutMs } = specOf("create_session");
    const late = new Promise<"late">((resolve) => {
      timer = this.#runtime.after(timeoutMs, () => resolve("late"));
    });
    const built = this.#request(session, command).catch((error): Outcome<AgentPort> => {
      const message = error instanceof Error ? error.message : String(error);
      this.#log("error", `create_session failed: ${message}`, { sessionId: session.sessionId });
      return { ok: false, failure: failure("agent_error", `pi could not build the session: ${message}`) };
    });
    const outcome = await Promise.race([built, late]);
    timer?.clear();
    this.#building--;
    if (outcome === "late") {
      void built.then((agent) => agent.ok ? this.#dispose(agent.value) : undefined);
      this.#fail(ref, session, failure("timeout", `The session was not built within ${timeoutMs} ms`));
    } else if (session.closed) {
      if (outcome.ok) void this.#dispose(outcome.value);
      this.#refuse(ref, STOPPED);
    } else if (!outcome.ok) {
      this.#fail(ref, session, outcome.failure);
    } else {
      session.built(outcome.value);
      const sessionInfo = session.info();
      const dataText = JSON.stringify({ sessionId: session.sessionId, sessionInfo });
      this.#reply(ref, { ok: true, dataText, sessionVersion: 0 });
      session.open();
    }
    this.#nextBuild();
    this.#checkIdle();
  }

  #fail(ref: number, session: Session, failed: Failure): void {
    this.#sessions.delete(session.sessionId);
    this.#refuse(ref, failed);
    session.close(notFound(session.sessionId));
  }

  async #request(session: Session, command: Create): Promise<Outcome<AgentPort>> {
    if (this.#loaded === undefined) {
      return { ok: false, failure: this.#broken ?? failure("internal", "pi is not loaded") };
    }
    const { config, factory } = this.#loaded;
    const cwd = await this.#folder(this.#loaded, command.cwd);
    if (!cwd.ok) return cwd;
    const { provider, modelId, thinkingLevel, tools, sessionName } = command;
    if ((provider === undefined) !== (modelId === undefined)) {
      const sentence = `"provider" and "modelId" go together; send both or neither`;
      return { ok: false, failure: failure("invalid_params", sentence) };
    }
    const request: AgentRequest = {
      cwd: cwd.value,
      inMemory: command.inMemory ?? false,
      trusted: command.trustProject ?? config.trustProjects,
      ...(sessionName === undefined ? {} : { sessionName }),
      ...(provider === undefined || modelId === undefined ? {} : { model: { provider, id: modelId } }),
      ...(thinkingLevel === undefined ? {} : { thinkingLevel }),
      ...(tools === undefined ? {} : { tools }),
    };
    return await factory.build(request, (event) => session.emit(event));
  }

  /** The session's folder; one that names none, on a server started outside its roots, gets the first root. */
  async #folder({ config, guard }: Loaded, named: string | undefined): Promise<Outcome<string>> {
    const cwd = await guard.folder(config.cwd, named ?? config.cwd);
    const [first] = config.roots ?? [];
    if (cwd.ok || named !== undefined || first === undefined) return cwd;
    return await guard.folder(config.cwd, first);
  }

  #forget(session: Session): void {
    this.#sessions.delete(session.sessionId);
    const why = failure("cancelled", "The session was deleted before the command had finished");
    const agent = session.close(why);
    if (agent !== undefined) void this.#dispose(agent);
    this.#checkIdle();
  }

  #busy({ ref, stop }: MessageOf<"busy">): void {
    const busy = [...this.#sessions.values()].filter((session) => !session.idle);
    for (const session of stop ? busy : []) session.stop();
    this.#send({ kind: "counted", ref, busy: busy.length });
  }

  async #disposeAll(ref: number): Promise<void> {
    const agents = [...this.#sessions.values()].map((session) => session.close(STOPPED));
    this.#sessions.clear();
    const results = await Promise.all(
      agents.map((agent) => agent === undefined ? true : this.#dispose(agent)),
    );
    const disposed = results.filter((ok) => ok).length;
    this.#send({ kind: "disposed", ref, disposed, failed: results.length - disposed });
  }

  /** Lets go of an agent, within a bound: its extensions may never come back. */
  async #dispose(agent: AgentPort): Promise<boolean> {
    let timer: Timer | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = this.#runtime.after(DISPOSE_MS, () => resolve(false));
    });
    const gone = agent.dispose().then(() => true, (error) => {
      this.#log("warn", "disposing a session failed", { error: String(error) });
      return false;
    });
    const ok = await Promise.race([gone, late]);
    timer?.clear();
    return ok;
  }

  #checkIdle(): void {
    for (const [ref, sessionIds] of [...this.#idleWaits]) {
      const sessions = sessionIds?.map((id) => this.#sessions.get(id)) ?? [...this.#sessions.values()];
      if (!sessions.every((session) => session === undefined || session.idle)) continue;
      this.#idleWaits.delete(ref);
      this.#send({ kind: "idle", ref });
    }
  }

  #reply(ref: number, reply: Reply): void {
    this.#send({ kind: "reply", ref, reply });
  }

  #refuse(ref: number, failed: Failure): void {
    this.#reply(ref, { ok: false, failure: failed });
  }

  #log(level: "debug" | "info" | "warn" | "error", message: string, fields: Record<string, unknown>): void {
    this.#send({ kind: "log", level, message, fields });
  }

  /** What arises in one turn of the event loop crosses the edge as one batch. */
  #send(message: FromHost): void {
    this.#outgoing.push(message);
    if (this.#outgoing.length > 1) return;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const batch = this.#outgoing;
    this.#outgoing = [];
    if (batch.length > 0) this.#post(batch);
  }
}

function attachment(session: Session | undefined): Attachment {
  if (session === undefined) throw new Error("A session vanished while it was being described");
  const sessionInfo = session.info();
  const { epoch, seq, sessionId } = sessionInfo;
  return {
    sessionId,
    text: JSON.stringify({ mode: "live", epoch, seq, sessionInfo, pendingUi: [] }),
    infoText: JSON.stringify(sessionInfo),
  };
}
