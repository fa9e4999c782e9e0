// The only import of pi (0.73.1), with pi_agent.ts for its types: builds sessions that share nothing but credentials. Every trap that this
// works around is in PI_FACTS; what one built session does is in pi_agent.ts.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import * as pi from "@mariozechner/pi-coding-agent";
import { failure } from "../protocol/errors.ts";
import type { SessionEvent } from "../protocol/events.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AgentFactory, AgentPort, AgentRequest, Outcome } from "./agent_port.ts";
import { registerDemo } from "./demo.ts";
import { type Loaded, PiAgent } from "./pi_agent.ts";
import { SettingsOverlay } from "./settings_overlay.ts";
import { projectResources } from "./trust.ts";

/** Version of the pi that is loaded. */
export const VERSION: string = pi.VERSION;

type Registry = pi.ModelRegistry;
type Model = NonNullable<ReturnType<Registry["find"]>>;
type Services = Awaited<ReturnType<typeof pi.createAgentSessionServices>>;
type LoaderOptions = NonNullable<
  Parameters<typeof pi.createAgentSessionServices>[0]["resourceLoaderOptions"]
>;

/** Makes pi skip packages that settings name and that are not installed: installing runs foreign code. */
function neverInstall(): void {
  const original = pi.DefaultPackageManager.prototype.resolve;
  pi.DefaultPackageManager.prototype.resolve = function (onMissing) {
    return original.call(this, onMissing ?? (() => Promise.resolve("skip")));
  };
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Only what belongs to the user: nothing that the folder brings along is read, let alone run. */
async function untrustedOptions(
  cwd: string,
  agentDir: string,
  settingsManager: Services["settingsManager"],
): Promise<LoaderOptions> {
  const packages = new pi.DefaultPackageManager({ cwd, agentDir, settingsManager });
  const found = await packages.resolve();
  const ofUser = (list: typeof found.extensions): string[] =>
    list.filter((one) => one.enabled && one.metadata.scope === "user").map((one) => one.path);
  const own = (name: string): string | undefined => readIfThere(join(agentDir, name));
  const append = own("APPEND_SYSTEM.md");
  return {
    noExtensions: true,
    noSkills: true,
    noPromptTemplates: true,
    noThemes: true,
    additionalExtensionPaths: ofUser(found.extensions),
    additionalSkillPaths: ofUser(found.skills),
    additionalPromptTemplatePaths: ofUser(found.prompts),
    additionalThemePaths: ofUser(found.themes),
    systemPromptOverride: () => own("SYSTEM.md"),
    appendSystemPromptOverride: () => append === undefined ? [] : [append],
    agentsFilesOverride: ({ agentsFiles }) => ({
      agentsFiles: agentsFiles.filter((file) => file.path.startsWith(join(agentDir, ""))),
    }),
  };
}

/** Sources of packages that pi would have to install first. */
async function missingPackages(services: Services): Promise<string[]> {
  const { settingsManager, cwd, agentDir } = services;
  const named = [
    ...(settingsManager.getGlobalSettings().packages ?? []),
    ...(settingsManager.getProjectSettings().packages ?? []),
  ];
  if (named.length === 0) return [];
  const missing: string[] = [];
  const packages = new pi.DefaultPackageManager({ cwd, agentDir, settingsManager });
  await packages.resolve((source) => {
    missing.push(source);
    return Promise.resolve("skip");
  });
  return missing;
}

/** What went wrong while loading, as events. */
async function loadErrors(services: Services): Promise<SessionEvent[]> {
  const tell = (extensionPath: string, error: string): SessionEvent => ({
    type: "extension_error",
    extensionPath,
    event: "load",
    error,
  });
  const { errors } = services.resourceLoader.getExtensions();
  const missing = await missingPackages(services);
  return [
    ...errors.map(({ path, error }) => tell(path, error)),
    ...services.diagnostics.filter(({ type }) => type === "error").map(({ message }) => tell("", message)),
    ...missing.map((source) =>
      tell(source, `The package ${source} is not installed; run: pi install ${source}`)
    ),
  ];
}

class PiFactory implements AgentFactory {
  readonly #runtime: Runtime;
  readonly #demo: boolean;
  readonly #agentDir: string;
  readonly #auth: pi.AuthStorage;
  readonly sessionFolders: readonly string[];

  constructor(runtime: Runtime, demo: boolean) {
    this.#runtime = runtime;
    this.#demo = demo;
    this.#agentDir = pi.getAgentDir();
    this.#auth = pi.AuthStorage.create(join(this.#agentDir, "auth.json"));
    const named = process.env["PI_CODING_AGENT_SESSION_DIR"];
    this.sessionFolders = [join(this.#agentDir, "sessions"), ...(named === undefined ? [] : [named])];
  }

  async build(request: AgentRequest, emit: (event: SessionEvent) => void): Promise<Outcome<AgentPort>> {
    const settings = this.#settings(request);
    // Logins made by a pi terminal in the meantime count.
    this.#auth.reload();
    // One registry for each session: an extension's registerProvider must not move another's base URL.
    const registry = pi.ModelRegistry.create(this.#auth, join(this.#agentDir, "models.json"));
    if (this.#demo) registerDemo(registry);
    const found = this.#findModel(registry, request);
    if (!found.ok) return found;
    const untrusted = request.trusted
      ? []
      : await projectResources(request.cwd, this.#runtime.files, [join(homedir(), ".agents/skills")]);
    const loaded = await this.#load(request, settings, registry, found.value);
    const unknown = this.#unknownTools(loaded, request);
    if (unknown.length > 0) {
      await loaded.runtime.dispose();
      const sentence = `Unknown tools ${unknown.join(", ")}; leave "tools" out for pi's default`;
      return { ok: false, failure: failure("invalid_params", sentence) };
    }
    const agent = new PiAgent({
      loaded,
      clock: this.#runtime,
      uuid: () => this.#runtime.uuid(),
      emit,
      untrusted,
      loadErrors: await loadErrors(loaded.runtime.services),
    });
    if (request.sessionName !== undefined) agent.setName(request.sessionName);
    return { ok: true, value: agent };
  }

  #settings(request: AgentRequest): pi.SettingsManager {
    const paths = {
      global: join(this.#agentDir, "settings.json"),
      project: join(request.cwd, ".pi", "settings.json"),
    };
    return pi.SettingsManager.fromStorage(
      new SettingsOverlay((scope) => readIfThere(paths[scope]), request.trusted),
    );
  }

  #findModel(registry: Registry, request: AgentRequest): Outcome<Model | undefined> {
    const wanted = request.model ?? (this.#demo ? { provider: "demo", id: "demo-1" } : undefined);
    if (wanted === undefined) return { ok: true, value: undefined };
    const model = registry.find(wanted.provider, wanted.id);
    if (model !== undefined) return { ok: true, value: model };
    const sentence = `pi knows no model ${wanted.provider}/${wanted.id}; see get_available_models`;
    return { ok: false, failure: failure("model_not_found", sentence) };
  }

  async #load(
    request: AgentRequest,
    settingsManager: pi.SettingsManager,
    modelRegistry: Registry,
    model: Model | undefined,
  ): Promise<Loaded> {
    const hooks: Loaded["hooks"] = { modelSelected: () => {} };
    const extensionFactories: LoaderOptions["extensionFactories"] = [(api) => {
      api.on("model_select", (event) => hooks.modelSelected(event.model));
    }];
    let first = true;
    const factory: Parameters<typeof pi.createAgentSessionRuntime>[0] = async (options) => {
      const user = request.trusted
        ? {}
        : await untrustedOptions(options.cwd, options.agentDir, settingsManager);
      const services = await pi.createAgentSessionServices({
        cwd: options.cwd,
        agentDir: options.agentDir,
        authStorage: this.#auth,
        modelRegistry,
        settingsManager,
        resourceLoaderOptions: { ...user, extensionFactories },
      });
      // Model and level only at first: a later replacement keeps what the session has come to.
      const chosen = first
        ? {
          ...(model === undefined ? {} : { model }),
          ...(request.thinkingLevel === undefined ? {} : { thinkingLevel: request.thinkingLevel }),
        }
        : {};
      first = false;
      const result = await pi.createAgentSessionFromServices({
        services,
        sessionManager: options.sessionManager,
        ...(options.sessionStartEvent === undefined ? {} : { sessionStartEvent: options.sessionStartEvent }),
        ...chosen,
        ...(request.tools === undefined ? {} : { tools: [...request.tools] }),
      });
      return { ...result, services, diagnostics: services.diagnostics };
    };
    const runtime = await pi.createAgentSessionRuntime(factory, {
      cwd: request.cwd,
      agentDir: this.#agentDir,
      sessionManager: this.#sessionManager(request, settingsManager),
    });
    return { runtime, hooks };
  }

  #sessionManager(
    request: AgentRequest,
    settings: pi.SettingsManager,
  ): pi.SessionManager {
    if (request.inMemory) return pi.SessionManager.inMemory(request.cwd);
    const folder = process.env["PI_CODING_AGENT_SESSION_DIR"] ?? settings.getSessionDir();
    const manager = pi.SessionManager.create(request.cwd, folder);
    if (request.piSessionId !== undefined) manager.newSession({ id: request.piSessionId });
    return manager;
  }

  /** pi silently drops names that it doesn't know, down to a session without any tool. */
  #unknownTools(loaded: Loaded, request: AgentRequest): string[] {
    if (request.tools === undefined) return [];
    const known = new Set(loaded.runtime.session.getAllTools().map((tool) => tool.name));
    return request.tools.filter((name) => !known.has(name));
  }
}

/** Readies pi for many sessions in one process and returns what builds them. */
export function createFactory(runtime: Runtime, options: { demo: boolean }): AgentFactory {
  neverInstall();
  // Without a theme, tools that render themselves fall silent and `ctx.ui.theme` throws.
  pi.initTheme("dark");
  return new PiFactory(runtime, options.demo);
}
