// Does: finds the paths that pi's own settings name outside of pi's folder, such as npm's global packages.
// Used by: sandbox_mode.ts. Sessions must be able to read them, or pi could not build one.
// Invariant: it reads only the user's own settings, never those of a project.
import { errorMessage } from "../../base/error_message.ts";
import { isRecord } from "../../base/json.ts";
import { readJsonText } from "../../base/json_text.ts";
import type { Files } from "../../runtime/runtime.ts";

/** The places to search, and a way to ask npm. */
export interface PiSettingsFacts {
  readonly files: Files;
  readonly agentDir: string;
  readonly home: string;
  /** Paths that the operator names beside the settings. */
  readonly asked: readonly string[];
  /** Runs a command and returns its output. Throws with the reason when it failed. */
  readonly output: (command: readonly string[]) => Promise<string>;
}

/** Readable folders and files, and warnings for an operator. */
export interface PiSettingsPaths {
  readonly read: readonly string[];
  readonly warnings: readonly string[];
}

const NPM = "npm:";
/** Sources that pi clones into its own folder. */
const GIT = /^(?:git:|git@|https?:\/\/|ssh:\/\/|git:\/\/)/;
/** Entries that select among the results of others. */
const CHOOSING = /^[!+-]/;
const LISTS = ["extensions", "skills", "prompts", "themes"] as const;

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function sourcesIn(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return textsIn(value.map((one: unknown) => isRecord(one) ? one["source"] : one));
}

function settingsIn(text: string): Record<string, unknown> | undefined {
  // Each session reports what is wrong with the file.
  const read = readJsonText(text);
  return read.ok && isRecord(read.value) ? read.value : undefined;
}

/** npm's global folder, from the npm command in pi's settings. */
async function globalFolder(settings: Record<string, unknown>, facts: PiSettingsFacts): Promise<string> {
  const { files, output } = facts;
  const named = textsIn(settings["npmCommand"]);
  const command = named.length > 0 ? named : ["npm"];
  if (command[0] !== "bun") return (await output([...command, "root", "-g"])).trim();
  const programs = (await output([...command, "pm", "bin", "-g"])).trim();
  return files.join(files.parent(programs), "install", "global", "node_modules");
}

/** The folder of a single file, for its imports, unless that folder holds the whole home. */
async function placeOf(entry: string, { files, agentDir, home }: PiSettingsFacts): Promise<string> {
  const fixed = entry.replace(/[*?].*$/, "");
  const path = fixed === "~" || fixed.startsWith("~/")
    ? files.join(home, fixed.slice(1))
    : files.resolve(agentDir, fixed);
  const found = await files.stat(path).catch(() => undefined);
  if (found?.kind !== "file") return path;
  const folder = files.parent(path);
  const all = folder.endsWith(files.separator) ? folder : `${folder}${files.separator}`;
  return `${home}${files.separator}`.startsWith(all) ? path : folder;
}

/** Finds the paths. Missing or invalid settings name none. */
export async function userPlaces(facts: PiSettingsFacts): Promise<PiSettingsPaths> {
  const { files, agentDir } = facts;
  const asked = await Promise.all(facts.asked.map((entry) => placeOf(entry, facts)));
  const text = await files.read(files.join(agentDir, "settings.json")).catch(() => undefined);
  // pi reports a broken file itself, in each session.
  const settings = settingsIn(text ?? "{}");
  if (settings === undefined) return { read: asked, warnings: [] };
  const packages = sourcesIn(settings["packages"]);
  const local = [
    ...packages.filter((source) => !source.startsWith(NPM) && !GIT.test(source)),
    ...LISTS.flatMap((name) => textsIn(settings[name])).filter((entry) => !CHOOSING.test(entry)),
  ];
  const read = [...asked, ...await Promise.all(local.map((entry) => placeOf(entry, facts)))];
  if (!packages.some((source) => source.startsWith(NPM))) return { read, warnings: [] };
  try {
    return { read: [...read, await globalFolder(settings, facts)], warnings: [] };
  } catch (error) {
    const reason = errorMessage(error);
    const next =
      "sessions cannot read the npm packages that pi's settings name; see packages in settings.json";
    return { read, warnings: [`npm's global folder is not known (${reason}): ${next} of ${agentDir}`] };
  }
}
