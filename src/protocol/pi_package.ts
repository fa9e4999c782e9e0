// Does: names the two engines, which are the versions of pi that sessions can run on, with their files and hosts, and
// what the operator can have pi load. Pure.
// Used by: the configuration, the greeting, the sandbox and the worker. The server thread never loads pi to ask.
// Invariant: deno.json pins both packages to these versions (tests/protocol/version_test.ts).

/** The engines by the version line of pi. A worker loads one of them. */
export const ENGINES: readonly ["0.73", "1.6"] = ["0.73", "1.6"];

/** One engine. */
export type Engine = (typeof ENGINES)[number];

/** The choices of `--pi`: an engine, or the one that fits this machine. */
export const PI_CHOICES: readonly ["auto", ...typeof ENGINES] = ["auto", ...ENGINES];

/** A value of `--pi`. */
export type PiChoice = (typeof PI_CHOICES)[number];

/** The default of `--pi`. Each build replaces it by `auto` (scripts/build/bundle.ts). */
export const DEFAULT_PI: PiChoice = "0.73";

/** The facts about an engine that the server needs before a worker has loaded it. */
export interface PiPackage {
  readonly package: string;
  readonly version: string;
  /** Files with instructions that pi looks for in a session's folder and in every folder above it. */
  readonly contextFiles: readonly string[];
  /** Files in pi's folder and in a project's `.pi` that start programs or name hosts, beside those of every pi. */
  readonly projectFiles: readonly string[];
  /** Hosts of its models and logins beside those of every pi. */
  readonly hosts: readonly string[];
  /** Capabilities that only this engine gives the server. */
  readonly capabilities: readonly string[];
}

/** The package of each engine. */
export const PI_PACKAGES: Readonly<Record<Engine, PiPackage>> = {
  "0.73": {
    package: "@mariozechner/pi-coding-agent",
    version: "0.73.1",
    contextFiles: ["AGENTS.md", "AGENTS.MD", "CLAUDE.md", "CLAUDE.MD"],
    projectFiles: [],
    hosts: [],
    capabilities: [],
  },
  "1.6": {
    package: "@earendil-works/pi-coding-agent",
    version: "1.6.0",
    contextFiles: ["AGENTS.override.md", "AGENTS.md", "AGENTS.MD", "CLAUDE.md", "CLAUDE.MD"],
    projectFiles: ["mcp.json"],
    hosts: [
      "api.ant-ling.com",
      "api.meta.ai",
      "api.together.ai",
      "auth.kimi.com",
      "auth.meta.com",
      "auth.x.ai",
      "inference.baseten.co",
      "integrate.api.nvidia.com",
      "open.bigmodel.cn",
      "radius.pi.dev",
      "token-plan.ap-southeast-1.maas.aliyuncs.com",
      "token-plan.cn-beijing.maas.aliyuncs.com",
    ],
    capabilities: [
      ...["thinking_level_max", "entry_appended", "summarization_retry"],
      ...["mcp", "codemode", "tool_search", "virtual_models"],
    ],
  },
};

/** What pi loads beside what it finds, and what it does not look for. */
export interface PiResources {
  /** Files or folders, absolute once the server has started. */
  readonly extensions: readonly string[];
  readonly skills: readonly string[];
  readonly prompts: readonly string[];
  /** Whether pi also loads those that it finds in its own folder and in trusted projects. */
  readonly findsExtensions: boolean;
  readonly findsSkills: boolean;
  readonly findsPrompts: boolean;
  /** Whether instructions such as AGENTS.md are read. */
  readonly readsContextFiles: boolean;
  /** In place of pi's system prompt. A file that the operator names is read at the start. */
  readonly systemPrompt?: string;
  /** Behind the system prompt. */
  readonly appendSystemPrompt?: string;
}

/** Only what pi finds by itself. */
export const AS_FOUND: PiResources = {
  extensions: [],
  skills: [],
  prompts: [],
  findsExtensions: true,
  findsSkills: true,
  findsPrompts: true,
  readsContextFiles: true,
};
