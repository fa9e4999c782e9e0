// Does: decides which engine the workers of a server load.
// Used by: server.ts, and `pi-server permissions`. Reads pi's settings file, and nothing else.
import { agentFolder } from "../../base/pi_folders.ts";
import { tryParseRecord } from "../../base/json.ts";
import { type Engine, ENGINES, PI_PACKAGES, type PiChoice } from "../../protocol/pi_package.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** The engine, and a line for the log where this runtime cannot run the one that fits. */
export interface EngineDecision {
  readonly engine: Engine;
  readonly notice?: string;
  /** The newer pi that has run on this machine, whose files this engine may refuse. */
  readonly machine?: string;
  /** The proxy that pi's settings name, for an engine that has such a setting. */
  readonly httpProxy?: string;
}

/** Thrown when this runtime cannot run the engine that was asked for. */
export class EngineError extends Error {
  override name = "EngineError";
}

const NEWEST: Engine = "1.6";
/** The needs of the newest engine. */
const NEEDS = "Node 22.19 or later, or Deno 2.9 or later";

const FIRST: Readonly<Record<Runtime["name"], readonly [major: number, minor: number]>> = {
  node: [22, 19],
  deno: [2, 9],
};

/** Whether that runtime is new enough for every engine. */
function runsNewest({ name, version: [major, minor] }: Runtime): boolean {
  const [firstMajor, firstMinor] = FIRST[name];
  return major > firstMajor || (major === firstMajor && minor >= firstMinor);
}

/** A settings file of pi is small. A larger file is not read. */
const MOST_BYTES = 1024 * 1024;

/** What the user's settings of pi say about this machine. */
interface MachineFacts {
  /** The version of pi that has last run here. */
  readonly version?: string;
  readonly httpProxy?: string;
}

/** Reads the user's settings of pi. */
async function machineFacts(runtime: Runtime): Promise<MachineFacts> {
  const { files } = runtime;
  const file = files.join(agentFolder(runtime), "settings.json");
  try {
    const found = await files.stat(file);
    if (found === undefined || found.kind !== "file" || found.size > MOST_BYTES) return {};
    const { lastChangelogVersion: version, httpProxy } = tryParseRecord(await files.read(file)) ?? {};
    const proxy = typeof httpProxy === "string" ? httpProxy.trim() : "";
    return {
      ...(typeof version === "string" ? { version } : {}),
      ...(proxy === "" ? {} : { httpProxy: proxy }),
    };
  } catch {
    // A worker reports what is wrong with the file.
    return {};
  }
}

/** The last 0.x whose files the older engine reads. From 0.86 on, pi keeps its system prompt among the messages. */
const LAST_MINOR_READ = 85;

/** The engine for files of that version of pi. */
export function engineFor(version: string | undefined): Engine {
  const minor = /^0\.(\d+)/.exec(version ?? "")?.[1];
  return minor !== undefined && Number(minor) <= LAST_MINOR_READ ? "0.73" : NEWEST;
}

/** Decides. Throws `EngineError` when the choice names an engine that this runtime cannot run. */
export async function resolveEngine(choice: PiChoice, runtime: Runtime): Promise<EngineDecision> {
  const runs = (engine: Engine): boolean => engine !== NEWEST || runsNewest(runtime);
  const { version, httpProxy } = await machineFacts(runtime);
  // pi 0.73 has no such setting.
  const chosen = (engine: Engine): EngineDecision =>
    engine === "0.73" || httpProxy === undefined ? { engine } : { engine, httpProxy };
  const named = ENGINES.find((engine) => engine === choice);
  if (named !== undefined) {
    if (runs(named)) return chosen(named);
    throw new EngineError(`--pi ${named}: needs ${NEEDS}; use such a runtime, or start with --pi 0.73`);
  }
  const fits = engineFor(version);
  if (runs(fits)) return chosen(fits);
  const notice = `sessions run on pi ${PI_PACKAGES["0.73"].version}: pi ${fits} needs ${NEEDS}`;
  return { engine: "0.73", notice, ...(version === undefined ? {} : { machine: version }) };
}
