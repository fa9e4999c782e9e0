// Stands in the place of src/host/pi_sdk.ts when the server is built on the newer pi, 0.87.1
// (`@earendil-works/pi-coding-agent`): one ModelRuntime holds credentials and models, pi settles runs itself, and
// the system prompt is a message of the session. Clients see what they see of pi 0.73.1.
import { join } from "node:path";
import * as pi from "@mariozechner/pi-coding-agent";
import { PI_EVENTS, type SessionEvent } from "../src/protocol/events.ts";
import { isRecord } from "../src/protocol/json.ts";
import type { PromptInput, QueueKind, ThinkingLevel } from "../src/host/agent_port.ts";
import { endOnAbort, withoutHiddenRetries } from "../src/host/pi_waits.ts";
import { SEEN } from "../src/host/pi_hooks.ts";

type Session = pi.AgentSession;
type Entry = ReturnType<pi.SessionManager["getEntries"]>[number];

/** The models of one session. */
export type Models = pi.ModelRegistry;
/** What pi loads for one folder. */
export type Services = pi.AgentSessionServices;
/** How to load it; credentials and models come from {@linkcode Accounts}. */
export type ServicesOptions = Omit<pi.CreateAgentSessionServicesOptions, "modelRuntime">;

/**
 * Has every session load its extensions for itself. pi keeps the modules of one folder, so that what an extension
 * remembers in a variable of its module would be shared by all sessions there.
 */
function keepNoModules(): void {
  const { reload } = pi.DefaultResourceLoader.prototype;
  pi.DefaultResourceLoader.prototype.reload = function (options) {
    // A loader that has loaded before forgets them first.
    Reflect.set(this, "loaded", true);
    return reload.call(this, options);
  };
}

/** The models of each session; every runtime reads the user's credentials for itself. */
export class Accounts {
  readonly #agentDir: string;
  readonly #runtimes = new WeakMap<Models, pi.ModelRuntime>();

  constructor(agentDir: string) {
    this.#agentDir = agentDir;
    keepNoModules();
  }

  /** Models for one session: an extension's registerProvider must not move another's base URL. */
  async open(): Promise<Models> {
    const runtime = await pi.ModelRuntime.create({
      authPath: join(this.#agentDir, "auth.json"),
      modelsPath: join(this.#agentDir, "models.json"),
    });
    const models = new pi.ModelRegistry(runtime);
    this.#runtimes.set(models, runtime);
    return models;
  }

  /** Nothing is held for a session beyond its life. */
  release(_models: Models): void {}

  /** Nothing to do: providers belong to one runtime, and a reload takes none from the others. */
  restore(): void {}

  services(models: Models, options: ServicesOptions): Promise<Services> {
    const modelRuntime = this.#runtimes.get(models);
    if (modelRuntime === undefined) throw new Error("These models were not opened here");
    return pi.createAgentSessionServices({ ...options, modelRuntime });
  }
}

/** The models of a session that was built with {@linkcode Accounts}. */
export function modelsOf(session: Session): Models {
  return new pi.ModelRegistry(session.modelRuntime);
}

/** What is followed of one session's runs. */
interface Run {
  /** From agent_start to pi's own agent_settled; the latter comes after extensions have been told. */
  open: boolean;
  /** The last run ended in an error that pi does not try again. */
  failed: boolean;
  /** Whether messages wait, told to us also when pi is not to know. */
  readonly hasQueued: () => boolean;
  waiting: (() => void)[];
}

const RUNS = new WeakMap<Session, Run>();

/** Follows the runs of a session, from before its first event. */
function runOf(session: Session): Run {
  const known = RUNS.get(session);
  if (known !== undefined) return known;
  const { agent } = session;
  const hasQueued = agent.hasQueuedMessages.bind(agent);
  const run: Run = { open: false, failed: false, hasQueued, waiting: [] };
  RUNS.set(session, run);
  const request = agent.streamFunction;
  agent.streamFunction = async (model, context, options) => {
    const answer = await request(model, context, withoutHiddenRetries(options));
    endOnAbort(answer, model, options?.signal);
    return answer;
  };
  // pi would go on with the queue after an error; here it waits for the next prompt.
  agent.hasQueuedMessages = () => !run.failed && hasQueued();
  // A bash result that came during a run joins the messages at the next prompt, not at the run's silent end.
  const flush: unknown = Reflect.get(session, "_flushPendingBashMessages");
  if (typeof flush !== "function") throw new Error("This pi keeps results of bash in another way");
  Reflect.set(session, "_flushPendingBashMessages", () => {
    if (!session.isStreaming) Reflect.apply(flush, session, []);
  });
  return run;
}

function follow(run: Run, event: pi.AgentSessionEvent): void {
  if (event.type === "agent_start") {
    run.open = true;
    run.failed = false;
  } else if (event.type === "agent_end") {
    const last = event.messages.findLast((message) => message.role === "assistant");
    run.failed = !event.willRetry && last?.role === "assistant" && last.stopReason === "error";
  } else if (event.type === "agent_settled") {
    run.open = false;
    for (const resolve of run.waiting.splice(0)) resolve();
  }
}

const SHOWN: ReadonlySet<string> = new Set(PI_EVENTS);

function isSystem(message: unknown): boolean {
  return isRecord(message) && message["role"] === "system";
}

/** The event as pi 0.73.1 tells it; nothing where that one is silent. */
function told(event: pi.AgentSessionEvent): SessionEvent | undefined {
  // pi's own agent_settled is among those that are not shown: ours says more.
  if (!SHOWN.has(event.type)) return undefined;
  switch (event.type) {
    case "message_start":
    case "message_end":
      return isSystem(event.message) ? undefined : { ...event };
    case "agent_end": {
      const { willRetry: _willRetry, ...rest } = event;
      return { ...rest, messages: event.messages.filter((message) => !isSystem(message)) };
    }
    case "thinking_level_changed":
      return { ...event, level: levelOf(event.level) };
    default:
      return { ...event };
  }
}

/** A thinking level as clients know it; they know none above xhigh. */
export function levelOf(level: Session["thinkingLevel"]): ThinkingLevel {
  return level === "max" ? "xhigh" : level;
}

/** Tells every event of the session; returns what ends that. */
export function listen(session: Session, tell: (event: SessionEvent) => void): () => void {
  const run = runOf(session);
  return session.subscribe((event) => {
    follow(run, event);
    const shown = told(event);
    if (shown !== undefined) tell(shown);
  });
}

/** Whether a run goes on, or pi is not done with it. */
export function isRunning(session: Session): boolean {
  return session.isStreaming || runOf(session).open;
}

/** Resolves when pi has let go of the current run. */
export function whenIdle(session: Session): Promise<void> {
  const run = runOf(session);
  if (!run.open) return session.waitForIdle();
  return new Promise((resolve) => run.waiting.push(resolve));
}

/** Nothing to do: every wait of this pi ends with its signal, or with its stream. */
export function endWaits(_session: Session): void {}

/** Stops a run, a retry wait, a compaction and the summary of a branch; waits for none. */
export function stop(session: Session): void {
  void session.abort();
}

/** Whether messages wait for a run, also those that extensions queued. */
export function hasQueued(session: Session): boolean {
  return runOf(session).hasQueued();
}

/** Starts a run over what is queued. */
export async function resume(session: Session): Promise<void> {
  const { agent } = session;
  const start: unknown = Reflect.get(session, "_runAgentPrompt");
  if (typeof start !== "function") throw new Error("This pi cannot start a run over its queue");
  // agent.continue() alone would run without retries, compaction and an end; this has pi's whole run begin with it.
  Reflect.set(agent, "prompt", () => {
    Reflect.deleteProperty(agent, "prompt");
    return agent.continue();
  });
  await Reflect.apply(start, session, [[]]);
}

/** Queues a message that the `input` handlers have seen. */
export async function enqueue(session: Session, kind: QueueKind, input: PromptInput): Promise<void> {
  const images = input.images.length === 0 ? undefined : [...input.images];
  if (kind === "steer") await session.steer(input.message, images, { source: SEEN });
  else await session.followUp(input.message, images, { source: SEEN });
}

/** The messages as clients see them. */
export function messagesOf(session: Session): readonly unknown[] {
  return session.messages.filter((message) => !isSystem(message));
}

/** What the session has used, counted over what clients see. */
export function statsOf(session: Session): Readonly<Record<string, unknown>> {
  const stats = session.getSessionStats();
  const hidden = session.sessionManager.getEntries().filter((entry) =>
    entry.type === "message" && isSystem(entry.message)
  );
  return { ...stats, totalMessages: stats.totalMessages - hidden.length };
}

/** An entry of the tree, and the entry that it hangs below. */
export interface Placed {
  readonly entry: Entry;
  readonly parentId: string | null;
}

function isHidden(entry: Entry): boolean {
  if (entry.type === "message") return isSystem(entry.message);
  return entry.type === "context_edit" || entry.type === "usage";
}

/** The tree of the session as clients see it, flat: what hangs below a hidden entry moves up. */
export function treeOf({ sessionManager }: Session): { leafId: string | null; placed: readonly Placed[] } {
  const moved = new Map<string, string | null>();
  const above = (id: string | null): string | null => {
    const known = id === null ? null : moved.get(id);
    return known === undefined ? id : known;
  };
  const placed: Placed[] = [];
  // Parents come before their children.
  for (const entry of sessionManager.getEntries()) {
    const parentId = above(entry.parentId);
    if (isHidden(entry)) moved.set(entry.id, parentId);
    else placed.push({ entry, parentId });
  }
  return { leafId: above(sessionManager.getLeafId()), placed };
}

/** What extensions are told beside the bindings of every version: dialogs go to a client, as in pi's RPC mode. */
export const BINDINGS: { readonly mode: "rpc" } = { mode: "rpc" };
