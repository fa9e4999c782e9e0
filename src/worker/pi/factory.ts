// Does: builds pi's sessions. They share only the credentials.
// Used by: session_worker.ts. Uses: agent.ts for one session, sdk/sdk.ts for the differences between versions of pi.
// Invariant: each trap of docs/PI.md#building-a-session is worked around here.
import { namedSessionFolder } from "../../base/pi_folders.ts";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type * as Pi from "@mariozechner/pi-coding-agent";
import { ai, pi } from "./engines/packages.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { type LoadProblem, THINKING_LEVELS, type WireModel } from "../../protocol/schema/responses.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { AgentFactory, AgentHooks, AgentPort, AgentRequest } from "../session/agent_port.ts";
import { registerDemo } from "./sdk/demo_model.ts";
import { modelIssues } from "./sdk/model_issues.ts";
import { toWireModel } from "./sdk/wire_model.ts";
import type { PiResources } from "../../protocol/pi_package.ts";
import { PiAgent } from "./agent.ts";
import { ExtensionCalls } from "./guards/extension_calls.ts";
import { guardToolCalls, watchAnswers } from "./guards/tool_call_guard.ts";
import { joinBranches } from "./branches.ts";
import { refuseOnThrow } from "./hooks.ts";
import { refuseForGood } from "./network/answer_errors.ts";
import { goneModel, type ModelName } from "./problems/gone_model.ts";
import { loadProblems } from "./problems/load_problems.ts";
import { restore } from "./saved_state.ts";
import type { BuiltSession, PiSession, SessionEnvironment } from "./live_session.ts";
import { standBetweenModules } from "./modules/compiled_modules.ts";
import { watchRegistrations } from "./sdk/registrations.ts";
import { loadModulesFromDisk } from "./modules/disk_modules.ts";
import { guardPackages, ResourceGuard } from "./sdk/resources.ts";
import { shareNpmFolder } from "./modules/npm_folder.ts";
import { mendHistory, mendRequests } from "./request_repair.ts";
import {
  Accounts,
  BUILT_IN_NAMES,
  builtIns,
  FILE_FORMAT,
  LATE_TOOLS,
  levelHere,
  type Models,
  PROCESS_MARKS,
  RENAMED,
  selectedModel,
  type Services,
  tellTrust,
} from "./sdk/sdk.ts";
import { createPrivately, persistBranches } from "./sdk/session_file_writer.ts";
import { hasModel, noSuchLevel, noSuchModel } from "./settings.ts";
import type { ShellParts } from "./tools/shell.ts";
import { ShellLogs } from "./tools/shell_log.ts";
import { type ReportThrown, tameExtensions } from "./guards/thrown_values.ts";
import { boundTools } from "./tools/tools.ts";
import { ToolChoices } from "./tools/tool_choices.ts";
import { readOnce } from "./sdk/single_read.ts";
import { SettingsOverlay } from "./sdk/settings_overlay.ts";
import { projectResources } from "./sdk/project_resources.ts";
import type { Outcome } from "../../protocol/failures.ts";

/** Version of the pi that is loaded. */
export const VERSION: string = pi.VERSION;

type Model = NonNullable<ReturnType<Models["find"]>>;

/** The parts of one session that survive a replacement, and the session of the last build. */
interface Plan {
  readonly request: AgentRequest;
  readonly settings: Pi.SettingsManager;
  readonly models: Models;
  /** The requested model. An extension may register it, so it can be missing until pi has loaded them. */
  model: Model | undefined;
  /** The model that the session had and that pi cannot use. */
  gone: LoadProblem | undefined;
  readonly around: SessionEnvironment;
  readonly guard: ResourceGuard;
  readonly report: ReportThrown;
  /** Tools and commands that were not registered in the last load. */
  readonly unregistered: LoadProblem[];
  /** Whether pi loads extensions now: what goes wrong is reported at the end of that. */
  loading: boolean;
  /** Whether the session has a file. */
  persisted: boolean;
  /** The session that was built last. */
  last: PiSession | undefined;
  /** Tools that were switched on or off. */
  choices: ToolChoices | undefined;
}

type RuntimeFactory = Parameters<typeof pi.createAgentSessionRuntime>[0];
type FactoryOptions = Parameters<RuntimeFactory>[0];

/**
 * The history to build on. pi loses the folder when it forks a session without a file, and it gives a file to a new
 * session of an in-memory session (docs/PI.md#history).
 */
function historyFor(plan: Plan, options: FactoryOptions): Pi.SessionManager {
  const { sessionManager: given, sessionStartEvent } = options;
  const { reason, previousSessionFile } = sessionStartEvent ?? {};
  if (reason === "new" && !plan.persisted && given.isPersisted()) {
    const fresh = pi.SessionManager.inMemory(plan.around.cwd);
    const { parentSession } = given.getHeader() ?? {};
    if (parentSession !== undefined) fresh.newSession({ parentSession });
    return fresh;
  }
  const file = given.getSessionFile();
  if (reason === "fork" && file !== undefined && !existsSync(file) && !given.getHeader()?.parentSession) {
    const fresh = pi.SessionManager.create(plan.around.cwd, given.getSessionDir());
    if (previousSessionFile !== undefined) fresh.newSession({ parentSession: previousSessionFile });
    return fresh;
  }
  return given;
}

interface Chosen {
  /** Whether the model has another name than in the file. */
  readonly renamed?: boolean;
  readonly model?: Model;
  readonly thinkingLevel?: Level;
}

/** The file's model, when its provider has another name in this engine. */
function renamedModel({ models }: Plan, history: Pi.SessionManager): Model | undefined {
  const { model } = history.buildSessionContext();
  const provider = RENAMED.get(model?.provider ?? "");
  // A provider of an extension or of models.json may still have the file's name.
  if (!model || provider === undefined || models.find(model.provider, model.modelId) !== undefined) {
    return undefined;
  }
  const found = models.find(provider, model.modelId);
  return found !== undefined && models.hasConfiguredAuth(found) ? found : undefined;
}

type Level = PiSession["thinkingLevel"];

/** The highest level of this engine, when the file has one above it. pi would turn thinking off. */
function levelOfFile(history: Pi.SessionManager): { readonly thinkingLevel?: Level } {
  const level = history.buildSessionContext().thinkingLevel;
  const known = THINKING_LEVELS.find((one) => one === level);
  return known === undefined || levelHere(known) === known ? {} : { thinkingLevel: levelHere(known) };
}

/** Model and level: first as requested, for a new session as before, else those of the file. */
function chosenFor(plan: Plan, history: Pi.SessionManager): Chosen {
  const { last, request } = plan;
  if (last === undefined) {
    const renamed = plan.model === undefined ? renamedModel(plan, history) : undefined;
    const model = plan.model ?? renamed;
    const level = request.thinkingLevel ?? request.kept?.thinkingLevel;
    return {
      ...(renamed === undefined ? {} : { renamed: true }),
      ...(model === undefined ? {} : { model }),
      ...(level === undefined ? levelOfFile(history) : { thinkingLevel: levelHere(level) }),
    };
  }
  if (!hasModel(last.model) || history.buildSessionContext().messages.length > 0) return levelOfFile(history);
  return { model: last.model, thinkingLevel: last.thinkingLevel };
}

/** Has tools of servers that have connected meanwhile follow the client's choices. It is the last of all handlers. */
function chooseLate(plan: Plan): Pi.ExtensionFactory {
  return (api) =>
    void api.on("before_agent_start", () => {
      if (plan.last !== undefined) plan.choices?.applyLate(plan.last);
    });
}

class PiFactory implements AgentFactory {
  readonly #runtime: Runtime;
  readonly #options: FactorySettings;
  readonly #shells: ShellParts;
  readonly #agentDir: string;
  readonly #accounts: Accounts;
  readonly sessionFolders: readonly string[];
  readonly format = FILE_FORMAT;

  constructor(runtime: Runtime, options: FactorySettings, shells: ShellParts) {
    this.#runtime = runtime;
    this.#shells = shells;
    this.#options = options;
    this.#agentDir = pi.getAgentDir();
    this.#accounts = new Accounts(this.#agentDir);
    const named = namedSessionFolder(runtime);
    this.sessionFolders = [join(this.#agentDir, "sessions"), ...(named === undefined ? [] : [named])];
  }

  get logins(): Accounts["logins"] {
    return this.#accounts.logins;
  }

  async models(): Promise<readonly WireModel[]> {
    return await this.#withModels((models) => models.getAvailable().map(toWireModel));
  }

  async modelIssues(): Promise<readonly string[]> {
    const settings = pi.SettingsManager.create(this.#agentDir, this.#agentDir);
    const [provider, modelId] = [settings.getDefaultProvider(), settings.getDefaultModel()];
    const { packages = [], extensions = [] } = settings.getGlobalSettings();
    return await this.#withModels((models) => {
      const found = models.find(provider ?? "", modelId ?? "");
      const usable = found !== undefined && models.hasConfiguredAuth(found);
      return modelIssues({
        usable: models.getAvailable().length,
        provider,
        modelId,
        standard: usable ? "usable" : found === undefined ? "unknown" : "without credentials",
        extensible: packages.length + extensions.length > 0 || existsSync(join(this.#agentDir, "extensions")),
      });
    });
  }

  async #withModels<T>(read: (models: Models) => T): Promise<T> {
    const models = await this.#accounts.openAlone();
    try {
      if (this.#options.demo) registerDemo(models);
      return read(models);
    } finally {
      this.#accounts.release(models);
    }
  }

  async build(request: AgentRequest, hooks: AgentHooks): Promise<Outcome<AgentPort>> {
    const { thinkingLevel: level } = request;
    if (level !== undefined && levelHere(level) !== level) {
      return { ok: false, failure: noSuchLevel(level, levelHere(level)) };
    }
    const models = await this.#accounts.open();
    if (this.#options.demo) registerDemo(models);
    const report: ReportThrown = (extensionPath, event, error) =>
      hooks.emit({ type: "extension_error", extensionPath, event, error });
    const plan = this.#plan(request, models, report);
    const loaded = await this.#load(plan);
    const refusal = refusedChoice(loaded, plan);
    if (refusal !== undefined) {
      await loaded.runtime.dispose();
      this.#accounts.release(models);
      return { ok: false, failure: refusal };
    }
    const agent = new PiAgent({
      loaded,
      clock: this.#runtime,
      uuid: () => this.#runtime.uuid(),
      hooks,
      repair: request.repair,
      shells: this.#shells,
      released: () => this.#accounts.release(models),
    });
    const { session } = loaded.runtime;
    if (request.kept !== undefined) {
      restore(session, request.kept);
      loaded.choices.apply(session);
    }
    if (request.sessionName !== undefined && session.sessionName === undefined) {
      agent.setName(request.sessionName);
    }
    return { ok: true, value: agent };
  }

  #plan(request: AgentRequest, models: Models, report: ReportThrown): Plan {
    const { cwd, trusted } = request;
    const around: SessionEnvironment = {
      cwd,
      trusted,
      untrusted: [],
      loadErrors: [],
      calls: new ExtensionCalls(),
      modelSelected: () => {},
      report: () => {},
    };
    const paths = {
      global: () => join(this.#agentDir, "settings.json"),
      project: () => join(around.cwd, ".pi", "settings.json"),
    };
    const guard = new ResourceGuard(around, this.#agentDir, this.#options.resources);
    const overlay = new SettingsOverlay(
      (scope) => guard.readSettings(scope, paths[scope]()),
      () => around.trusted,
    );
    const settings = pi.SettingsManager.fromStorage(overlay);
    guard.watch(settings);
    return {
      request,
      settings,
      models,
      model: undefined,
      gone: undefined,
      around,
      guard,
      report,
      unregistered: [],
      loading: false,
      persisted: !request.inMemory,
      last: undefined,
      choices: undefined,
    };
  }

  /** The model that a request names. Undefined when it names none, or pi does not know it. */
  #findModel({ models, request }: Plan): Model | undefined {
    const demo = this.#options.demo && request.sessionFile === undefined;
    const wanted = request.model ?? request.kept?.model ??
      (demo ? { provider: "demo", id: "demo-1" } : undefined);
    if (wanted === undefined) return undefined;
    return models.find(wanted.provider, wanted.id) ??
      models.find(RENAMED.get(wanted.provider) ?? wanted.provider, wanted.id);
  }

  async #load(plan: Plan): Promise<BuiltSession> {
    const factory: RuntimeFactory = (options) => this.#create(plan, options);
    const start = (sessionManager: Pi.SessionManager): ReturnType<typeof pi.createAgentSessionRuntime> =>
      pi.createAgentSessionRuntime(factory, {
        cwd: plan.around.cwd,
        agentDir: this.#agentDir,
        sessionManager,
      });
    const runtime = await start(this.#history(plan));
    const choices = plan.choices = new ToolChoices(runtime.session, plan.request.kept);
    return {
      runtime,
      choices,
      environment: plan.around,
      ...(plan.request.tools === undefined ? {} : { allowedTools: plan.request.tools }),
      rebuild: start,
      reloaded: async ({ services }) => {
        // pi's reload resets the providers of the whole process.
        this.#accounts.restore();
        await this.#loaded(plan, services);
      },
    };
  }

  /** pi has loaded everything: notes what went wrong. */
  async #loaded(plan: Plan, services: Services): Promise<void> {
    const problems = await loadProblems(services, plan.models, plan.guard);
    const files = this.#accounts.problems(plan.models);
    const gone = plan.gone === undefined ? [] : [plan.gone];
    plan.around.loadErrors = [...files, ...problems, ...plan.unregistered, ...gone];
    plan.loading = false;
  }

  async #create(plan: Plan, options: FactoryOptions): ReturnType<RuntimeFactory> {
    const { request, settings, models, around, guard } = plan;
    const sessionManager = historyFor(plan, options);
    mendHistory(sessionManager);
    const cwd = sessionManager.getCwd();
    // Another file may have another folder, and the user may not trust it.
    around.trusted = cwd === request.cwd ? request.trusted : this.#options.trusts(cwd);
    around.cwd = cwd;
    tellTrust(settings, around.trusted);
    const resources = await guard.options(settings);
    const eventBus = pi.createEventBus();
    around.modelChosen = () => this.#setGone(plan, undefined);
    const services = await this.#accounts.services(models, {
      cwd,
      agentDir: this.#agentDir,
      settingsManager: settings,
      resourceLoaderOptions: {
        ...resources,
        eventBus,
        extensionFactories: [
          ...builtIns({
            agentDir: this.#agentDir,
            cwd: () => around.cwd,
            trusted: () => around.trusted,
            readable: (path) => guard.readable(path),
          }),
          (api) =>
            void api.on("model_select", ({ model }) => {
              this.#setGone(plan, undefined);
              around.modelSelected(model);
            }),
          ...(BUILT_IN_NAMES.length === 0 ? [] : [chooseLate(plan)]),
        ],
      },
    });
    tameExtensions(services.resourceLoader, plan.report, around.calls);
    const userFolders = [join(homedir(), ".agents/skills")];
    around.untrusted = around.trusted ? [] : await projectResources(cwd, this.#runtime.files, userFolders);
    const begin = (): void => {
      plan.loading = true;
      plan.unregistered.length = 0;
    };
    begin();
    watchRegistrations(services.resourceLoader, eventBus, begin, (problem) => {
      if (plan.loading) plan.unregistered.push(problem);
      else around.report({ type: "extension_error", ...problem });
    });
    await this.#loaded(plan, services);
    plan.persisted = sessionManager.isPersisted();
    plan.model ??= this.#findModel(plan);
    const { renamed = false, ...chosen } = chosenFor(plan, sessionManager);
    const wanted = chosen.model ?? modelBefore(plan, sessionManager);
    const { sessionStartEvent } = options;
    const result = await pi.createAgentSessionFromServices({
      services,
      sessionManager,
      ...(sessionStartEvent === undefined ? {} : { sessionStartEvent }),
      ...chosen,
      ...(request.tools === undefined ? {} : { tools: [...request.tools] }),
    });
    guardToolCalls(result.session.agent);
    mendRequests(result.session.agent);
    plan.last = result.session;
    const { model } = result.session;
    this.#setGone(
      plan,
      goneModel({
        wanted,
        known: wanted !== undefined && models.find(wanted.provider, wanted.id) !== undefined,
        given: hasModel(model) ? model : undefined,
        file: join(this.#agentDir, "models.json"),
      }),
    );
    // Clients hear of it as of a model that pi has replaced.
    const told = renamed ? { modelFallbackMessage: "The provider of the file's model has another name" } : {};
    return { ...result, ...told, services, diagnostics: services.diagnostics };
  }

  /** Notes the model that pi cannot use, or that a client has chosen one. */
  #setGone(plan: Plan, gone: LoadProblem | undefined): void {
    const { around } = plan;
    const others = around.loadErrors.filter((problem) => problem !== plan.gone);
    if (plan.gone === undefined && gone === undefined) return;
    plan.gone = gone;
    around.loadErrors = gone === undefined ? others : [...others, gone];
  }

  #history({ request, settings }: Plan): Pi.SessionManager {
    const { sessionFile, inMemory, cwd, kept } = request;
    if (sessionFile !== undefined) {
      // pi starts a file that was never written again under its old name, with the first entry.
      const opened = pi.SessionManager.open(sessionFile, undefined, cwd);
      const leaf = kept?.leaf;
      if (leaf === null) opened.resetLeaf();
      else if (leaf !== undefined && opened.getEntry(leaf) !== undefined) opened.branch(leaf);
      return opened;
    }
    if (inMemory) return pi.SessionManager.inMemory(cwd);
    const folder = namedSessionFolder(this.#runtime) ?? settings.getSessionDir();
    // A relative path counts from the session's folder, as for pi in a terminal.
    return pi.SessionManager.create(cwd, folder === undefined ? undefined : resolve(cwd, folder));
  }
}

/** The model that a session had before this build, by its record or its file. */
function modelBefore({ last, models, request }: Plan, history: Pi.SessionManager): ModelName | undefined {
  if (last === undefined && request.kept?.model !== undefined) return request.kept.model;
  return history.buildSessionContext().messages.length === 0 ? undefined : selectedModel(history, models);
}

/** Why a session may not be built as requested: its model or its tools are unknown after pi has loaded everything. */
function refusedChoice(loaded: BuiltSession, { request, model }: Plan): Failure | undefined {
  // A rebuilt session goes on when its model is gone. pi then picks another model.
  if (request.model !== undefined && request.kept === undefined && model === undefined) {
    return noSuchModel(request.model.provider, request.model.id);
  }
  const unknown = unknownTools(loaded, request);
  if (unknown.length === 0) return undefined;
  const sentence = `Unknown tools ${unknown.join(", ")}; leave "tools" out for pi's default`;
  return failure("invalid_params", sentence);
}

/** pi drops unknown tool names without an error. A session could end up without any tool. */
function unknownTools(loaded: BuiltSession, request: AgentRequest): string[] {
  if (request.tools === undefined) return [];
  const known = new Set(loaded.runtime.session.getAllTools().map((tool) => tool.name));
  // The tools of a server come when it has connected.
  return request.tools.filter((name) => !known.has(name) && !LATE_TOOLS.test(name));
}

/** Settings that all sessions of a factory share. */
export interface FactorySettings {
  readonly resources: PiResources;
  readonly demo: boolean;
  /** Folder for the logs of long shell outputs. */
  readonly outputDir: string;
  /** Whether pi may load the resources of a folder when the client does not say. */
  trusts(folder: string): boolean;
}

/** Prepares pi for many sessions in one process, and returns their factory. */
export function createFactory(runtime: Runtime, options: FactorySettings): AgentFactory {
  Object.assign(process.env, PROCESS_MARKS);
  loadModulesFromDisk();
  standBetweenModules(runtime);
  guardPackages();
  shareNpmFolder(pi.DefaultPackageManager.prototype, runtime);
  watchAnswers(ai.createAssistantMessageEventStream());
  refuseOnThrow();
  refuseForGood(pi.AgentSession.prototype);
  // Without a theme, tools that draw themselves print nothing, and `ctx.ui.theme` throws.
  pi.initTheme("dark");
  const shells = { clock: runtime, logs: new ShellLogs(runtime, options.outputDir) };
  boundTools(pi.AgentSession.prototype, shells);
  readOnce(pi.SessionManager);
  createPrivately(pi.SessionManager.prototype);
  joinBranches(pi.SessionManager.prototype);
  persistBranches(pi.SessionManager.prototype);
  return new PiFactory(runtime, options, shells);
}
