// Does: holds what differs between versions of pi, for 0.73.1: credentials, models, and how to watch and stop a run.
// Used by: sdk/sdk.ts, when this is the chosen engine. Uses: pi 0.73.1.
// Invariant: sdk/sdk_1_6.ts has the same exports. No file that it imports may import sdk/sdk.ts.
import { readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { getApiProviders, registerApiProvider } from "@mariozechner/pi-ai";
import * as pi from "@mariozechner/pi-coding-agent";
import type { SessionEvent } from "../../../protocol/events.ts";
import { FILE_FORMATS, FILE_TABLES, type FileFormat } from "../../../ipc/file_format.ts";
import type { PromptInput, QueueKind, ThinkingLevel } from "../../session/agent_port.ts";
import type { BuiltInParts } from "../engines/built_in_parts.ts";
import type { ModelName } from "../problems/gone_model.ts";
import type { LoadWarning } from "../problems/load_remark.ts";
import { followRequest } from "../network/model_request.ts";
import type { Disposition, LoadProblem } from "../../../protocol/schema/responses.ts";
import { RESOURCE_BYTES } from "../../../governor/limits.ts";
import { Logins } from "../guards/login_refresh.ts";
import { CredentialFile, modelsFault, modelsText, parsedAs } from "../problems/tolerant_files.ts";
import { endOnAbort, Waits, withoutHiddenRetries } from "../guards/abortable_waits.ts";

type Session = pi.AgentSession;
type Entry = ReturnType<pi.SessionManager["getEntries"]>[number];

type Message = Extract<Entry, { type: "message" }>["message"];

/** The parts of a session file that this pi understands. */
export const FILE_FORMAT: FileFormat = FILE_FORMATS["0.73"];

// The types of pi hold the tables complete.
FILE_TABLES["0.73"].types satisfies Record<pi.FileEntry["type"], true>;
FILE_TABLES["0.73"].roles satisfies Record<Message["role"], true>;
FILE_TABLES["0.73"].version satisfies typeof pi.CURRENT_SESSION_VERSION;

/** Names here of providers that files of a newer pi name otherwise. */
export const RENAMED: ReadonlyMap<string, string> = new Map([["azure", "azure-openai-responses"]]);

/** The models of one session. */
export type Models = pi.ModelRegistry;
export type Services = pi.AgentSessionServices;
/** Options for the services. Credentials and models come from {@linkcode Accounts}. */
export type ServicesOptions = Omit<pi.CreateAgentSessionServicesOptions, "authStorage" | "modelRegistry">;

/** Waits for credentials, by the models of a session. */
const WAITS = new WeakMap<Models, Waits>();
const WRAPPED = new WeakSet<object>();
/** What is wrong with models.json, beyond what pi says, by the models that were read from it. */
const MODEL_FAULTS = new WeakMap<object, readonly string[]>();
/** Prototypes of pi that read models.json tolerantly. A program may start several servers in one thread. */
const TOLERANT = new WeakSet<object>();

/** Has pi read a models.json with a byte order mark or comments, and names the place of what it cannot read. */
function readModelsTolerantly(): void {
  const prototype: object = pi.ModelRegistry.prototype;
  if (TOLERANT.has(prototype)) return;
  TOLERANT.add(prototype);
  const load: unknown = Reflect.get(prototype, "loadCustomModels");
  if (typeof load !== "function") throw new Error("This pi reads models.json in another way");
  Reflect.set(prototype, "loadCustomModels", function (this: object, path: string) {
    const read = (): unknown => Reflect.apply(load, this, [path]);
    const found = statSync(path, { throwIfNoEntry: false });
    MODEL_FAULTS.delete(this);
    if (found === undefined) return read();
    if (!found.isFile() || found.size > RESOURCE_BYTES) {
      const error = `${path} is not a regular file of at most ${RESOURCE_BYTES} bytes; replace or remove it`;
      MODEL_FAULTS.set(this, [error]);
      return { models: [], overrides: new Map(), modelOverrides: new Map(), error };
    }
    let text: string;
    try {
      text = readFileSync(path, "utf-8");
    } catch {
      // pi fails at it, too, and says why.
      return read();
    }
    const { faults, value } = modelsText(path, text);
    MODEL_FAULTS.set(this, faults);
    return value === undefined ? read() : parsedAs(value, read);
  });
}

/**
 * Puts the waits of abortable_waits.ts around each provider. pi requests the summaries of a compaction directly from
 * the provider, so no hook of a session reaches them.
 */
function wrapProviders(): void {
  for (const provider of getApiProviders()) {
    if (WRAPPED.has(provider)) continue;
    const { api, stream, streamSimple } = provider;
    registerApiProvider({
      api,
      stream: (model, context, options) => {
        const make = () => stream(model, context, withoutHiddenRetries(options));
        const answer = followRequest(model, options?.apiKey, make);
        endOnAbort(answer, model, options?.signal);
        return answer;
      },
      streamSimple: (model, context, options) => {
        const make = () => streamSimple(model, context, withoutHiddenRetries(options));
        const answer = followRequest(model, options?.apiKey, make);
        endOnAbort(answer, model, options?.signal);
        return answer;
      },
    });
  }
  for (const provider of getApiProviders()) WRAPPED.add(provider);
}

/** The user's credentials, which all sessions share, and the models of each session. */
export class Accounts {
  readonly #agentDir: string;
  readonly #auth: pi.AuthStorage;
  readonly #all = new Set<Models>();
  readonly #file: CredentialFile;
  /** Refreshes of logins that are under way. */
  readonly logins: Logins;

  constructor(agentDir: string) {
    this.#agentDir = agentDir;
    const file = join(agentDir, "auth.json");
    this.#auth = pi.AuthStorage.create(file);
    // pi follows links to the file before it locks it.
    this.logins = new Logins(() => `${realpathSync(file)}.lock`);
    this.logins.guard(this.#auth);
    this.#file = new CredentialFile(file);
    const storage: unknown = Reflect.get(this.#auth, "storage");
    if (typeof storage !== "object" || storage === null) {
      throw new Error("This pi keeps logins in another way");
    }
    this.#file.watch(storage);
    readModelsTolerantly();
    wrapProviders();
  }

  /**
   * Models for one session. An extension's registerProvider must not change the base URL of another session.
   */
  open(): Promise<Models> {
    // Takes over logins that a pi terminal has made meanwhile.
    this.#file.changed();
    this.#auth.reload();
    const models = pi.ModelRegistry.create(this.#auth, join(this.#agentDir, "models.json"));
    const refresh = models.refresh.bind(models);
    // A refresh resets the API providers of the whole process, including those of other sessions.
    models.refresh = () => {
      refresh();
      this.restore();
    };
    const register = models.registerProvider.bind(models);
    // An extension's provider may answer in a way of its own.
    models.registerProvider = (name, config) => {
      register(name, config);
      wrapProviders();
    };
    this.#nameRefusedLogins(models);
    const waits = new Waits();
    WAITS.set(models, waits);
    // A key that changes in auth.json counts at the next request.
    const named = models.getApiKeyAndHeaders.bind(models);
    const keys: typeof named = (model) => {
      this.#renewLogins();
      return named(model);
    };
    // pi may refresh the login first, without a signal and without a limit.
    models.getApiKeyAndHeaders = (model) => waits.race(keys(model));
    this.#all.add(models);
    return Promise.resolve(models);
  }

  /** Models without a session. */
  openAlone(): Promise<Models> {
    return this.open();
  }

  /** Reads auth.json again if it has changed. A broken file leaves the logins as they were. */
  #renewLogins(): void {
    if (this.#file.changed()) this.#auth.reload();
  }

  /** Names the expired login. pi would go on without a key, and the provider would report a missing key. */
  #nameRefusedLogins(models: Models): void {
    const find = models.getApiKeyAndHeaders.bind(models);
    models.getApiKeyAndHeaders = async (model) => {
      const found = await find(model);
      const login = this.#auth.get(model.provider);
      const expired = login?.type === "oauth" && Date.now() >= login.expires;
      if (!found.ok || found.apiKey !== undefined || !expired) return found;
      const what = `The login for ${model.provider} has expired, and its provider did not refresh it`;
      return { ok: false, error: `${what}; log in again: run pi, then /login` };
    };
  }

  /** What is wrong with the files of credentials and models. */
  problems(models: Models): LoadProblem[] {
    const at = (extensionPath: string, error: string): LoadProblem => ({
      extensionPath,
      event: "load",
      error,
    });
    const own = MODEL_FAULTS.get(models) ?? [];
    const error = models.getError();
    const path = join(this.#agentDir, "models.json");
    // What pi says of a text that is not JSON may quote a key.
    const ofPi = error === undefined || own.length > 0 ? [] : [modelsFault(path, error)];
    const { fault } = this.#file;
    return [
      ...[...own, ...ofPi].map((one) => at(path, one)),
      ...(fault === undefined ? [] : [at(join(this.#agentDir, "auth.json"), fault)]),
    ];
  }

  release(models: Models): void {
    this.#all.delete(models);
  }

  /** Registers the providers of all sessions again after a reload in one of them. */
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

/** The level for this engine. A newer pi has one above its highest. */
export function levelHere(level: ThinkingLevel): Session["thinkingLevel"] {
  return level === "max" ? "xhigh" : level;
}

/** Reports every event of the session. Returns a function that ends that. */
export function listen(session: Session, tell: (event: SessionEvent) => void): () => void {
  return session.subscribe((event) => tell({ ...event }));
}

/** Whether a run goes on, or pi has not finished it. */
export function isRunning(session: Session): boolean {
  return session.isStreaming;
}

/** Resolves when pi has finished the current run. */
export function whenIdle(session: Session): Promise<void> {
  return session.agent.waitForIdle();
}

/** Ends waits that pi's own aborts do not reach. */
export function endWaits(session: Session): void {
  WAITS.get(session.modelRegistry)?.end();
}

/** Stops a run, a retry wait, a compaction and a branch summary. Waits for none of them. */
export function stop(session: Session): void {
  session.abortRetry();
  session.abortCompaction();
  session.abortBranchSummary();
  session.agent.abort();
  endWaits(session);
}

/** Whether messages wait for a run. Messages of extensions count. */
export function hasQueued(session: Session): boolean {
  return session.agent.hasQueuedMessages();
}

/** Starts a run over the queued messages. */
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

/** An entry of the tree and its parent. */
export interface Placed {
  readonly entry: Entry;
  readonly parentId: string | null;
}

/** The tree of the session as clients see it, flat. */
export function treeOf({ sessionManager }: Session): { leafId: string | null; placed: readonly Placed[] } {
  const placed = sessionManager.getEntries().map((entry) => ({ entry, parentId: entry.parentId }));
  return { leafId: sessionManager.getLeafId(), placed };
}

/** Additional bindings for extensions in this version. */
export const BINDINGS: Readonly<Record<string, string>> = {};

/** What pi's command line adds to the environment of all that it starts. */
export const PROCESS_MARKS: Readonly<Record<string, string>> = { PI_CODING_AGENT: "true" };

/** Types of images that `read` shows to a model. */
export const IMAGE_TYPES: ReadonlySet<string> = new Set([
  "image/jpeg",
  "image/png",
  "image/gif",
  "image/webp",
]);

/** The exit code that pi gives a shell that a signal has ended. */
export function exitCodeOf(code: number | null, _signal: string | null): number | null {
  return code;
}

/** The longest time that a timer takes. */
const LONGEST_MS = 2_147_483_647;

/** Milliseconds that a model gives a command; pi ignores what is not a time. */
export function timeoutMsOf(seconds: number | undefined): number | undefined {
  return seconds !== undefined && seconds > 0 ? Math.min(seconds * 1000, LONGEST_MS) : undefined;
}

/** What pi reports of a prompt before a run starts: whether it passed the checks. */
export type Preflight = boolean;

/** Whether pi takes the prompt. */
export function passesPreflight(result: Preflight): boolean {
  return result;
}

/** How pi has taken the prompt. This pi does not report it. */
export function dispositionOf(_result: Preflight): Disposition | undefined {
  return undefined;
}

/** What pi warns of after a load. This pi warns of nothing. */
export function loadWarnings(_services: Services): readonly LoadWarning[] {
  return [];
}

/** Names of the extensions that pi's command line has built in. This pi has none. */
export const BUILT_IN_NAMES: readonly string[] = [];

/** Those extensions for one session. */
export function builtIns(_parts: BuiltInParts): pi.ExtensionFactory[] {
  return [];
}

/** Tells pi whether the user trusts the folder of a session. This pi does not ask. */
export function tellTrust(_settings: Services["settingsManager"], _trusted: boolean): void {}

/** Names of tools that may come after the build of a session. This pi has none. */
export const LATE_TOOLS = /^(?!)/;

/** The model that the file of a session says it uses. */
export function selectedModel(history: pi.SessionManager, _models: Models): ModelName | undefined {
  const { model } = history.buildSessionContext();
  return model === null ? undefined : { provider: model.provider, id: model.modelId };
}
