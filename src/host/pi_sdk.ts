// What is different in another version of pi, and nothing else: credentials and models, how a run is watched,
// stopped and resumed, which messages are shown. This is pi 0.73.1; an import map puts another file of the same
// shape in this one's place (compat/deno.json).
import { join } from "node:path";
import { getApiProviders, registerApiProvider } from "@mariozechner/pi-ai";
import * as pi from "@mariozechner/pi-coding-agent";
import type { SessionEvent } from "../protocol/events.ts";
import type { PromptInput, QueueKind, ThinkingLevel } from "./agent_port.ts";

import { endOnAbort, Waits, withoutHiddenRetries } from "./pi_waits.ts";

type Session = pi.AgentSession;
type Entry = ReturnType<pi.SessionManager["getEntries"]>[number];

/** The models of one session. */
export type Models = pi.ModelRegistry;
/** What pi loads for one folder. */
export type Services = pi.AgentSessionServices;
/** How to load it; credentials and models come from {@linkcode Accounts}. */
export type ServicesOptions = Omit<pi.CreateAgentSessionServicesOptions, "authStorage" | "modelRegistry">;

/** Waits for credentials, by the models of a session. */
const WAITS = new WeakMap<Models, Waits>();
const WRAPPED = new WeakSet<object>();

/**
 * Puts what pi_waits.ts does around each provider. Summaries of a compaction go from pi to the provider directly, so
 * that nothing of a session could do it.
 */
function wrapProviders(): void {
  for (const provider of getApiProviders()) {
    if (WRAPPED.has(provider)) continue;
    const { api, stream, streamSimple } = provider;
    registerApiProvider({
      api,
      stream: (model, context, options) => {
        const answer = stream(model, context, withoutHiddenRetries(options));
        endOnAbort(answer, model, options?.signal);
        return answer;
      },
      streamSimple: (model, context, options) => {
        const answer = streamSimple(model, context, withoutHiddenRetries(options));
        endOnAbort(answer, model, options?.signal);
        return answer;
      },
    });
  }
  for (const provider of getApiProviders()) WRAPPED.add(provider);
}

/** The user's credentials, which all sessions share, and the models of each. */
export class Accounts {
  readonly #agentDir: string;
  readonly #auth: pi.AuthStorage;
  readonly #all = new Set<Models>();

  constructor(agentDir: string) {
    this.#agentDir = agentDir;
    this.#auth = pi.AuthStorage.create(join(agentDir, "auth.json"));
    wrapProviders();
  }

  /** Models for one session: an extension's registerProvider must not move another's base URL. */
  open(): Promise<Models> {
    // Logins made by a pi terminal in the meantime count.
    this.#auth.reload();
    const models = pi.ModelRegistry.create(this.#auth, join(this.#agentDir, "models.json"));
    const refresh = models.refresh.bind(models);
    // A refresh resets the API providers of the whole process, those of other sessions too.
    models.refresh = () => {
      refresh();
      this.restore();
    };
    const waits = new Waits();
    WAITS.set(models, waits);
    const keys = models.getApiKeyAndHeaders.bind(models);
    // A login may have to be refreshed first, which takes no signal and has no end.
    models.getApiKeyAndHeaders = (model) => waits.race(keys(model));
    this.#all.add(models);
    return Promise.resolve(models);
  }

  /** The session of these models is gone. */
  release(models: Models): void {
    this.#all.delete(models);
  }

  /** Registers again what a reload in one session took from all. */
  restore(): void {
    wrapProviders();
    for (const models of this.#all) {
      const registered: unknown = Reflect.get(models, "registeredProviders");
      if (!(registered instanceof Map)) continue;
      for (const [name, config] of [...registered]) models.registerProvider(name, config);
    }
  }

  services(models: Models, options: ServicesOptions): Promise<Services> {
    return pi.createAgentSessionServices({ ...options, authStorage: this.#auth, modelRegistry: models });
  }
}

/** The models of a session that was built with {@linkcode Accounts}. */
export function modelsOf(session: Session): Models {
  return session.modelRegistry;
}

/** A thinking level as clients know it. */
export function levelOf(level: Session["thinkingLevel"]): ThinkingLevel {
  return level;
}

/** Tells every event of the session; returns what ends that. */
export function listen(session: Session, tell: (event: SessionEvent) => void): () => void {
  return session.subscribe((event) => tell({ ...event }));
}

/** Whether a run goes on, or pi is not done with it. */
export function isRunning(session: Session): boolean {
  return session.isStreaming;
}

/** Resolves when pi has let go of the current run. */
export function whenIdle(session: Session): Promise<void> {
  return session.agent.waitForIdle();
}

/** Ends waits that pi's own aborts do not reach. */
export function endWaits(session: Session): void {
  WAITS.get(session.modelRegistry)?.end();
}

/** Stops a run, a retry wait, a compaction and the summary of a branch; waits for none. */
export function stop(session: Session): void {
  session.abortRetry();
  session.abortCompaction();
  session.abortBranchSummary();
  session.agent.abort();
  endWaits(session);
}

/** Whether messages wait for a run, also those that extensions queued. */
export function hasQueued(session: Session): boolean {
  return session.agent.hasQueuedMessages();
}

/** Starts a run over what is queued. */
export function resume(session: Session): Promise<void> {
  return session.agent.continue();
}

/** Queues a message that the `input` handlers have seen. */
export async function enqueue(session: Session, kind: QueueKind, input: PromptInput): Promise<void> {
  const images = input.images.length === 0 ? undefined : [...input.images];
  if (kind === "steer") await session.steer(input.message, images);
  else await session.followUp(input.message, images);
}

/** The messages as clients see them. */
export function messagesOf(session: Session): readonly unknown[] {
  return session.messages;
}

/** What the session has used, counted over what clients see. */
export function statsOf(session: Session): Readonly<Record<string, unknown>> {
  return { ...session.getSessionStats() };
}

/** An entry of the tree, and the entry that it hangs below. */
export interface Placed {
  readonly entry: Entry;
  readonly parentId: string | null;
}

/** The tree of the session as clients see it, flat. */
export function treeOf({ sessionManager }: Session): { leafId: string | null; placed: readonly Placed[] } {
  const placed = sessionManager.getEntries().map((entry) => ({ entry, parentId: entry.parentId }));
  return { leafId: sessionManager.getLeafId(), placed };
}

/** What extensions are told beside the bindings of every version. */
export const BINDINGS: Readonly<Record<string, string>> = {};
