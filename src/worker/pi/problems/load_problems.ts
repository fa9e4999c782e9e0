// Does: collects the faults of one session's load, one sentence for each.
// Used by: factory.ts after every load. Uses: resources.ts, registrations.ts and what pi reports itself.
// Invariant: every sentence names the file, the package or the extension that it is about.
import { join } from "node:path";
import { pi } from "../engines/packages.ts";
import type { LoadProblem } from "../../../protocol/schema/responses.ts";
import { cut } from "../../../base/text.ts";
import { manifestFaults, missingPackages, missingPaths, notInstalled } from "./named_paths.ts";
import type { ResourceGuard } from "../sdk/resources.ts";
import { loadWarnings, type Models, type Services } from "../sdk/sdk.ts";

/** The folder of a project that pi reads. */
const CONFIG_FOLDER = ".pi";

/** Characters of one sentence: what an extension throws may be of any length. */
const ERROR_CHARS = 1_000;

const problem = (extensionPath: string, error: string): LoadProblem => {
  return { extensionPath, event: "load", error: cut(error.replace(/\s*\n\s*/g, " ").trim(), ERROR_CHARS) };
};

/** What settings and manifests name and what is not there. */
async function missing(services: Services, guard: ResourceGuard): Promise<LoadProblem[]> {
  const { settingsManager, cwd, agentDir } = services;
  const packages = new pi.DefaultPackageManager({ cwd, agentDir, settingsManager });
  const folders = [
    { scope: "user", settings: settingsManager.getGlobalSettings(), folder: agentDir },
    { scope: "project", settings: settingsManager.getProjectSettings(), folder: join(cwd, CONFIG_FOLDER) },
  ] as const;
  const found = folders.flatMap(({ scope, settings, folder }) => [
    ...missingPaths(settings, join(folder, "settings.json"), folder),
    ...missingPackages(packages, settings, scope),
    ...(scope === "project" && !guard.readsProject
      ? []
      : manifestFaults(join(folder, "extensions"), (path) => guard.read(path))),
  ]);
  // A package that is there in another version than settings ask for is skipped, too.
  if (folders.some(({ settings }) => (settings.packages ?? []).length > 0)) {
    await packages.resolve((source) => {
      const error = notInstalled(source);
      if (!found.some((one) => one.error === error)) found.push(problem(source, error));
      return Promise.resolve("skip");
    });
  }
  return found;
}

/** A default model that settings name and that pi does not know. */
function unknownModel({ settingsManager, agentDir }: Services, models: Models): LoadProblem[] {
  const provider = settingsManager.getDefaultProvider();
  const model = settingsManager.getDefaultModel();
  if (provider === undefined || model === undefined) return [];
  if (models.find(provider, model) !== undefined) return [];
  const path = join(agentDir, "settings.json");
  const next = 'correct "defaultProvider" and "defaultModel" there, or models.json';
  return [problem(path, `${path} names the model ${provider}/${model}, which pi does not know; ${next}`)];
}

/** What pi found wrong with skills, prompts and themes. */
function diagnosed({ resourceLoader }: Services): LoadProblem[] {
  const all = [
    ...resourceLoader.getSkills().diagnostics,
    ...resourceLoader.getPrompts().diagnostics,
    ...resourceLoader.getThemes().diagnostics,
  ];
  return all.map(({ path = "", message }) => {
    return problem(path, path === "" || message.includes(path) ? message : `${path}: ${message}`);
  });
}

/** What went wrong in the last load of a session. */
export async function loadProblems(
  services: Services,
  models: Models,
  guard: ResourceGuard,
): Promise<LoadProblem[]> {
  const { errors } = services.resourceLoader.getExtensions();
  return [
    ...guard.problems,
    ...errors.map(({ path, error }) => problem(path, error)),
    ...services.diagnostics.filter(({ type }) => type === "error").map(({ message }) => problem("", message)),
    ...loadWarnings(services).map(({ path, warning }) => problem(path, warning)),
    ...await missing(services, guard),
    ...unknownModel(services, models),
    ...diagnosed(services),
  ];
}
