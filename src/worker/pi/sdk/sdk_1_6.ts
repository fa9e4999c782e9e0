// Does: holds what differs between versions of pi, for 1.6.0: one ModelRuntime holds credentials and models, pi settles
// runs itself, and the system prompt is a message of the session. Used by: sdk/sdk.ts, when this is the chosen engine.
// Invariant: sdk/sdk_0_73.ts has the same exports. No file that it imports may import sdk/sdk.ts.
import { constants } from "node:os";
import { join } from "node:path";
import * as pi from "@earendil-works/pi-coding-agent";
import { PI_EVENTS, type SessionEvent } from "../../../protocol/events.ts";
import { isRecord } from "../../../base/json.ts";
import { FILE_FORMATS, FILE_TABLES, type FileFormat } from "../../../ipc/file_format.ts";
import type { PromptInput, QueueKind, ThinkingLevel } from "../../session/agent_port.ts";
import type { BuiltInParts } from "../engines/built_in_parts.ts";
import type { ModelName } from "../problems/gone_model.ts";
import type { LoadWarning } from "../problems/load_remark.ts";
import { endOnAbort, withoutHiddenRetries } from "../guards/abortable_waits.ts";
import { finishRefreshes, shareRefreshes, storesOf } from "../guards/model_runtimes.ts";
import { watchAnswers } from "../guards/tool_call_guard.ts";
import { builtInExtensions, registerBuiltInProviders } from "../engines/built_ins_1_6.ts";
import { SEEN } from "../engines/seen.ts";
import { followRequest } from "../network/model_request.ts";
import { Logins } from "../guards/login_refresh.ts";
import { credentialFault, modelsFaults, wholeLogins } from "../problems/tolerant_files.ts";
import type { Disposition, LoadProblem } from "../../../protocol/schema/responses.ts";

type Session = pi.AgentSession;
type Entry = ReturnType<pi.SessionManager["getEntries"]>[number];

type Message = Extract<Entry, { type: "message" }>["message"];

/** The parts of a session file that this pi understands. */
export const FILE_FORMAT: FileFormat = FILE_FORMATS["1.6"];

// The types of pi hold the tables complete.
FILE_TABLES["1.6"].types satisfies Record<pi.FileEntry["type"], true>;
FILE_TABLES["1.6"].roles satisfies Record<Message["role"], true>;
FILE_TABLES["1.6"].version satisfies typeof pi.CURRENT_SESSION_VERSION;

/** New names of providers that older files still have. */
export const RENAMED: ReadonlyMap<string, string> = new Map([["azure-openai-responses", "azure"]]);

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

/** pi's words for an error of the credentials, and ours. */
const AVAILABILITY = "Availability refresh: ";
const NO_LIST = "pi cannot find out which models have credentials: ";

/** What reads and writes the user's credentials, and the catalogs of models that pi has fetched. */
type Stores = Required<Pick<pi.CreateModelRuntimeOptions, "credentials" | "modelsStore">>;

/** The models of each session. All runtimes read the user's credentials through the same store. */
export class Accounts {
  readonly #agentDir: string;
  readonly #paths: Required<Pick<pi.CreateModelRuntimeOptions, "authPath" | "modelsPath">>;
  #stores: Promise<Stores> | undefined;
  readonly #runtimes = new WeakMap<Models, pi.ModelRuntime>();
  /** Refreshes of logins that are under way. */
  readonly logins: Logins;

  constructor(agentDir: string) {
    this.#agentDir = agentDir;
    this.#paths = { authPath: join(agentDir, "auth.json"), modelsPath: join(agentDir, "models.json") };
    this.logins = new Logins(() => join(agentDir, "auth.json.lock"));
    keepNoModules();
  }

  /**
   * Models for one session: an extension's registerProvider must not move another's base URL. pi finds out which of them
   * have credentials once it has loaded the extensions.
   */
  async open(): Promise<Models> {
    return await this.#open();
  }

  /** Models without a session, with those of the extensions that pi's command line has built in. */
  async openAlone(): Promise<Models> {
    const models = await this.#open();
    const runtime = this.#runtimeOf(models);
    registerBuiltInProviders((provider) => runtime.registerNativeProvider(provider));
    await runtime.refresh({ allowNetwork: false });
    return models;
  }

  async #open(): Promise<Models> {
    const shared = { ...this.#paths, ...await this.#shared() };
    const runtime = await pi.ModelRuntime.create({ ...shared, refreshOnCreate: false });
    finishRefreshes(runtime);
    shareRefreshes(runtime);
    const models = new pi.ModelRegistry(runtime);
    this.#runtimes.set(models, runtime);
    return models;
  }

  #runtimeOf(models: Models): pi.ModelRuntime {
    const runtime = this.#runtimes.get(models);
    if (runtime === undefined) throw new Error("These models were not opened here");
    return runtime;
  }

  /** What all runtimes share. The first one is made for it alone, since pi exports no store. */
  #shared(): Promise<Stores> {
    this.#stores ??= pi.ModelRuntime.create({ ...this.#paths, refreshOnCreate: false }).then(
      // pi has made both stores.
      (runtime) => storesOf(runtime, this.logins, wholeLogins) as Stores,
    ).catch((error) => {
      this.#stores = undefined;
      throw error;
    });
    return this.#stores;
  }

  /** What is wrong with the files of credentials and models. */
  problems(models: Models): LoadProblem[] {
    const at = (name: string, error: string): LoadProblem => {
      return { extensionPath: join(this.#agentDir, name), event: "load", error };
    };
    const path = join(this.#agentDir, "models.json");
    const errors = (models.getError() ?? "").split("\n\n").filter((one) => one !== "");
    const ofModels = errors.filter((one) => !one.startsWith(AVAILABILITY));
    // pi says so of a broken auth.json, which the sentence below names with its place.
    const fault = credentialFault(join(this.#agentDir, "auth.json")) ??
      errors.find((one) => one.startsWith(AVAILABILITY))?.replace(AVAILABILITY, NO_LIST);
    return [
      ...modelsFaults(path, ofModels).map((one) => at("models.json", one)),
      ...(fault === undefined ? [] : [at("auth.json", fault)]),
    ];
  }

  /** Nothing is held for a session beyond its life. */
  release(_models: Models): void {}

  /** Nothing to do: providers belong to one runtime, and a reload takes none from the others. */
  restore(): void {}

  services(models: Models, options: ServicesOptions): Promise<Services> {
    return pi.createAgentSessionServices({ ...options, modelRuntime: this.#runtimeOf(models) });
  }
}

/** The models of a session that was built with {@linkcode Accounts}. */
export function modelsOf(session: Session): Models {
  return new pi.ModelRegistry(session.modelRuntime);
}

/** What is followed of one session's runs. */
interface Run {
  /** From agent_start to pi's own agent_settled; the latter comes after the handlers of extensions. */
  open: boolean;
  /** The last run ended in an error that pi does not try again. */
  failed: boolean;
  /** Whether messages wait. This server sees them even while pi must not. */
  readonly hasQueued: () => boolean;
  waiting: (() => void)[];
}

const RUNS = new WeakMap<Session, Run>();

/** The longest time that a timer takes. */
const LONGEST_MS = 2_147_483_647;

/** How long an answer may be silent, where settings say it. Without them it may be for ever, as on the older pi. */
function idleMsOf({ settingsManager: settings }: Session): number | undefined {
  const { httpIdleTimeoutMs: named } = { ...settings.getGlobalSettings(), ...settings.getProjectSettings() };
  if (named === undefined) return undefined;
  const ms = settings.getHttpIdleTimeoutMs();
  return ms === 0 ? undefined : ms;
}

/** How long a provider may take to begin its answer, where settings do not say it: pi would give up after 300 s. */
function timeoutOf({ settingsManager: settings }: Session): { timeoutMs?: number } {
  const { httpIdleTimeoutMs: idle } = { ...settings.getGlobalSettings(), ...settings.getProjectSettings() };
  const named = idle !== undefined || settings.getProviderRetrySettings().timeoutMs !== undefined;
  return named ? {} : { timeoutMs: LONGEST_MS };
}

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
    const ownTimeout = options?.timeoutMs === undefined ? timeoutOf(session) : {};
    const bounded = { ...withoutHiddenRetries(options), ...ownTimeout };
    const make = () => request(model, context, bounded);
    const answer = await followRequest(model, options?.apiKey, make, idleMsOf(session));
    // Where no lock file joins them, pi may bring a copy of pi-ai of its own.
    watchAnswers(answer);
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

/**
 * A message of an extension as pi keeps it. pi makes it anew from its entry, with the time of that, and shows the first
 * one, which may be a millisecond older.
 */
function asKept<M>(message: M, { messages }: Session): M {
  const last: unknown = messages.at(-1);
  if (!isRecord(message) || message["role"] !== "custom" || !isRecord(last)) return message;
  const same = ["role", "customType", "content", "details"].every((name) => last[name] === message[name]);
  // An earlier message with the same words is another one.
  return same && Number(last["timestamp"]) >= Number(message["timestamp"]) ? last as M : message;
}

/** The event as pi 0.73.1 tells it; nothing where that one is silent. */
function told(event: pi.AgentSessionEvent, session: Session): SessionEvent | undefined {
  // pi's own agent_settled is among those that are not shown: ours says more.
  if (!SHOWN.has(event.type)) return undefined;
  switch (event.type) {
    case "message_start":
    case "message_end":
      return isSystem(event.message) ? undefined : { ...event, message: asKept(event.message, session) };
    case "agent_end":
      return { ...event, messages: event.messages.filter((message) => !isSystem(message)) };
    default:
      return { ...event };
  }
}

/** A thinking level as clients know it. */
export function levelOf(level: Session["thinkingLevel"]): ThinkingLevel {
  return level;
}

/** The level for this engine, which has all of them. */
export function levelHere(level: ThinkingLevel): Session["thinkingLevel"] {
  return level;
}

/** Tells every event of the session; returns what ends that. */
export function listen(session: Session, tell: (event: SessionEvent) => void): () => void {
  const run = runOf(session);
  return session.subscribe((event) => {
    follow(run, event);
    const shown = told(event, session);
    if (shown !== undefined) tell(shown);
  });
}

/** Whether a run goes on, or pi is not done with it. */
export function isRunning(session: Session): boolean {
  return session.isStreaming || runOf(session).open;
}

/** Resolves when pi has finished the current run. */
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
  const start: unknown = Reflect.get(session, "_startRun");
  if (typeof start !== "function" || typeof Reflect.get(session, "_prepareRun") !== "function") {
    throw new Error("This pi cannot start a run over its queue");
  }
  // agent.continue() alone would run without retries, compaction and an end. This has pi's whole run begin with it, and
  // the run has no message of its own to prepare.
  Reflect.set(session, "_prepareRun", () => {
    Reflect.deleteProperty(session, "_prepareRun");
    return Promise.resolve([]);
  });
  Reflect.set(agent, "prompt", () => {
    Reflect.deleteProperty(agent, "prompt");
    return agent.continue();
  });
  try {
    await Reflect.apply(start, session, []);
  } finally {
    Reflect.deleteProperty(session, "_prepareRun");
    Reflect.deleteProperty(agent, "prompt");
  }
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
  return entry.type === "context_edit" || entry.type === "usage" || !FILE_FORMAT.types.has(entry.type);
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

/** Additional bindings for extensions in this version: dialogs go to a client, as in pi's RPC mode. */
export const BINDINGS: { readonly mode: "rpc" } = { mode: "rpc" };

/** What pi's command line adds to the environment of all that it starts. */
export const PROCESS_MARKS: Readonly<Record<string, string>> = { PI_CODING_AGENT: "true", AI_AGENT: "pi" };

/** Types of images that `read` shows to a model. */
export const IMAGE_TYPES: ReadonlySet<string> = new Set([
  "image/jpeg",
  "image/png",
  "image/gif",
  "image/webp",
  "image/bmp",
]);

/** The exit code that pi gives a shell that a signal has ended: the number that shells have for it. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number | null {
  return code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
}

/** Milliseconds that a model gives a command; pi refuses what is not a time. */
export function timeoutMsOf(seconds: number | undefined): number | undefined {
  if (seconds === undefined) return undefined;
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new Error("Invalid timeout: must be a finite number of seconds");
  }
  if (seconds * 1000 > LONGEST_MS) {
    throw new Error(`Invalid timeout: maximum is ${LONGEST_MS / 1000} seconds`);
  }
  return seconds * 1000;
}

/** What pi reports of a prompt that it takes: handled by an extension, queued, or started. */
export type Preflight = Parameters<NonNullable<pi.PromptOptions["preflightResult"]>>[0];

/** Whether pi takes the prompt. A prompt that it refuses is thrown, and never reported. */
export function passesPreflight(_result: Preflight): boolean {
  return true;
}

/** How pi has taken the prompt. */
export function dispositionOf(result: Preflight): Disposition | undefined {
  return result;
}

/** What pi warns of after a load: packages of extensions, and built-in extensions that another one replaces. */
export function loadWarnings({ resourceLoader, diagnostics }: Services): readonly LoadWarning[] {
  const told = diagnostics.filter(({ type }) => type !== "error");
  return [
    ...(resourceLoader.getExtensions().warnings ?? []).map(({ path, warning }) => ({ path, warning })),
    ...told.map(({ message }) => ({ path: "", warning: message })),
  ];
}

/** Names of the extensions that pi's command line has built in. Settings may switch each off. */
export const BUILT_IN_NAMES: readonly string[] = ["llama.cpp", "codemode", "tool-search", "mcp"];

/** Those extensions for one session. pi's SDK leaves them out. */
export function builtIns(parts: BuiltInParts): pi.InlineExtension[] {
  return builtInExtensions(parts);
}

/** Tells pi whether the user trusts the folder of a session. Extensions may ask. */
export function tellTrust(settings: Services["settingsManager"], trusted: boolean): void {
  settings.setProjectTrusted(trusted);
}

/** Names of tools that may come after the build of a session: those of MCP servers, also as patterns. */
export const LATE_TOOLS = /^mcp__\S+$/;

/** The interface that a virtual model has in pi's catalog. */
const VIRTUAL = "pi-virtual";

/**
 * The model that the file of a session says it uses. An answer names the model that gave it, and a virtual one that was
 * chosen stands in the entry of that choice alone.
 */
export function selectedModel(history: pi.SessionManager, models: Models): ModelName | undefined {
  const answering = history.buildSessionContext().model;
  const chosen = history.getBranch().findLast((entry) => entry.type === "model_change");
  if (chosen?.type === "model_change") {
    const model = models.find(chosen.provider, chosen.modelId);
    if (model === undefined || model.api === VIRTUAL) {
      return { provider: chosen.provider, id: chosen.modelId };
    }
  }
  return answering === null ? undefined : { provider: answering.provider, id: answering.modelId };
}
