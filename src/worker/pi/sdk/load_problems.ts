// Does: collects what pi could not load for one session, one sentence for each fault.
// Used by: factory.ts after every load. Uses: resources.ts, registrations.ts and what pi reports itself.
// Invariant: every sentence names the file, the package or the extension that it is about.
import * as pi from "@mariozechner/pi-coding-agent";
import type { LoadProblem } from "../../../protocol/schema/responses.ts";
import type { ResourceGuard } from "./resources.ts";
import type { Services } from "./sdk.ts";

const problem = (extensionPath: string, error: string): LoadProblem => ({
  extensionPath,
  event: "load",
  error,
});

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

/** What went wrong in the last load of a session. */
export async function loadProblems(services: Services, guard: ResourceGuard): Promise<LoadProblem[]> {
  const { errors } = services.resourceLoader.getExtensions();
  const missing = await missingPackages(services);
  return [
    ...guard.problems,
    ...errors.map(({ path, error }) => problem(path, error)),
    ...services.diagnostics.filter(({ type }) => type === "error").map(({ message }) => problem("", message)),
    ...missing.map((source) =>
      problem(source, `The package ${source} is not installed; run: pi install ${source}`)
    ),
  ];
}
