// Does: checks the sources by the rules of CONTRIBUTING.md: imports, circles, machine access, names that Node 20 lacks,
// headers, sizes, texts.
// Used by: `deno task check`, `deno task ok` and CI. Uses: check_text.ts for references and plain English.
// Usage: deno run -R scripts/check/check_sources.ts

import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { checkTexts, readTexts } from "./check_text.ts";
import { lineAt, maskText } from "./source_text.ts";

/** A broken rule, and its place. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** The types of the port to the machine; every adapter implements them. */
const PORT = "runtime/runtime.ts";
/** Folders that both threads may use. */
const SHARED: readonly string[] = ["base", "protocol", "governor", "ipc", PORT];
/**
 * What a subcommand may use: it is a client of the protocol, and `server` and `worker` are not in its rows. The
 * bundle (scripts/build/bundle.ts) checks the same for everything that a subcommand loads.
 */
const FOR_SUBCOMMANDS: readonly string[] = [
  "base",
  "protocol",
  "governor",
  "config",
  "client",
  "runtime/terminal/io.ts",
];

/**
 * The import law: a folder of `src`, and what it may import besides itself. A longer prefix wins. Naming a folder
 * includes its folders; naming a file names that file alone. `worker` and `server` stand in none of each other's rows.
 */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "base": [],
  "protocol/generated": [],
  "protocol/schema": ["base"],
  "protocol": ["base"],
  "runtime": ["base"],
  "governor": ["base", "protocol"],
  "config": ["base", "protocol", "governor"],
  "ipc": ["base", "protocol", "governor", PORT],

  "worker/session/file_check": [...SHARED, "worker/session/agent_port.ts"],
  "worker/session/files": [...SHARED, "worker/session/file_check", "worker/session/agent_port.ts"],
  "worker/session/events": SHARED,
  "worker/session/guards": [...SHARED, "worker/session/agent_port.ts"],
  "worker/session/handlers": [...SHARED, "worker/session"],
  "worker/session": SHARED,
  "worker/pi/engines": SHARED,
  "worker/pi/network": SHARED,
  "worker/pi/modules": SHARED,
  "worker/pi/problems": [...SHARED, "worker/session", "worker/pi/sdk", "worker/pi/engines"],
  "worker/pi/guards": [...SHARED, "worker/session", "worker/pi/network"],
  "worker/pi/sdk": [
    ...SHARED,
    "worker/session",
    "worker/pi/engines",
    "worker/pi/guards",
    "worker/pi/network",
    "worker/pi/problems",
  ],
  "worker/pi": [...SHARED, "worker/session"],
  "worker": [...SHARED, "catalogue"],
  "catalogue": [
    ...SHARED,
    "worker/session/events",
    "worker/session/file_check",
    "worker/session/files",
    "worker/session/agent_port.ts",
  ],

  "server/auth": [...SHARED, "config"],
  "server/sandbox": [...SHARED, "config"],
  "server/state": [...SHARED, "server/auth/token_rule.ts"],
  "server/journal": [...SHARED, "config"],
  "server/health": SHARED,
  "server/workers": [...SHARED, "config", "server/state", "server/journal"],
  "server/manager": [
    ...SHARED,
    "config",
    "server/workers",
    "server/journal",
    "server/state",
    "server/health",
  ],
  "server/lists": [...SHARED, "config", "server/manager", "server/auth", "server/journal", "server/state"],
  "server/router": [
    ...SHARED,
    "server/lists",
    "server/manager",
    "server/auth",
    "server/journal",
    "server/health",
    "server/cluster/remote.ts",
  ],
  "server/transports": [...SHARED, "server/router", "server/auth", "console_files"],
  "server/cluster": [
    ...SHARED,
    "config",
    "server/router",
    "server/auth",
    "server/journal",
    "server/lists",
    "server/transports",
  ],
  "server": [...SHARED, "config"],
  "cli/attach": ["base", "protocol", "client", "runtime/terminal/io.ts", PORT],
  "cli/fronts": [...FOR_SUBCOMMANDS, "cli"],
  "cli/commands": [...FOR_SUBCOMMANDS, "cli"],
  "cli/doctor": [...FOR_SUBCOMMANDS, "cli"],
  "cli/run": [...FOR_SUBCOMMANDS, "cli"],
  "cli": [...SHARED, ...FOR_SUBCOMMANDS, "server"],

  "client/transports": ["base", "protocol"],
  "client": ["base", "protocol"],

  "console": ["base", "protocol", "client"],
  "console_files": [],
};

/** Imports that the law forbids and that stand for a reason. */
const EXCEPTIONS: readonly (readonly [file: string, target: string, reason: string])[] = [
  [
    "server/workers/in_process_worker.ts",
    "worker/session_worker.ts",
    "`--workers 0` runs the worker in the server's thread",
  ],
  [
    "server/lists/catalogue_link.ts",
    "catalogue/catalogue_thread.ts",
    "`--workers 0` runs the catalogue in the server's thread",
  ],
];

/** The entries: they alone choose a runtime. */
const ENTRIES: readonly string[] = ["mod.ts", "src/worker/worker.ts"];
/** The seam to pi: these folders alone import pi. */
const PI_ROOMS = /^src\/worker\/pi\//;
/** pi's terminal library knows nothing of agents; the client in the terminal draws with it. */
const DRAWS = /^src\/cli\/attach\//;
/** The seam to NATS. */
const NATS_FILE = "src/server/cluster/nats_bus.ts";
/** Files that a folder may hold: a reader must be able to keep the list in mind. */
const FOLDER_LIMIT = 12;
/** Project files that one file may import; entries and lists of exports excepted. */
const COLLABORATOR_LIMIT = 18;
/** Files that may import more, because their duty is to build and connect others. */
const COMPOSITION_ROOTS: Readonly<Record<string, string>> = {
  "src/server/server.ts": "builds every part of the server thread",
  "src/server/manager/session_manager.ts": "builds the services of sessions and joins their handlers",
  "src/server/router/router.ts": "builds what every connection needs, and is the way of every command",
  "src/server/cluster/cluster.ts": "builds the parts of a node, and joins them with the router",
  "src/worker/session_worker.ts": "builds sessions, and hands each message to its part of the worker",
  "src/worker/session/session.ts":
    "builds the parts of one session, and is the way of its commands and events",
  "src/worker/session_builder.ts": "builds a session from its file, its settings and pi's agent",
  "src/cli/subcommands.ts": "is the table of subcommands, and loads the one that was asked for",
  "src/cli/attach/app.ts": "joins the panels, the tabs and the keys of the terminal's client",
  "src/worker/pi/factory.ts": "builds pi's agent from the adapters for each of pi's parts",
};
/** A smoke alarm, not a rule of style. */
const LINE_LIMIT = 500;
/** Written by a script: the limits are about files that people read. */
const GENERATED = /^src\/(?:protocol\/generated\/|console_files\/files\.ts$)/;

/** Where the machine may be touched directly. */
const MACHINE_ROOMS =
  /^(?:mod\.ts$|src\/runtime\/|src\/client\/|src\/console\/|src\/worker\/pi\/|src\/worker\/worker\.ts$)/;
const MACHINE_WORDS =
  /(?<![.\w$#])(?:globalThis\s*\.\s*)?(?:(?:Deno|process|crypto)(?=\s*(?:\?\.|\.|\[))|Date\s*\.\s*now\b|Math\s*\.\s*random\b|performance\s*\.\s*now\b|new\s+Date\s*\(\s*\)|(?:set|clear)(?:Timeout|Interval|Immediate)(?=\s*\())/g;

/** A copy of `errorMessage`, which also describes values that print themselves wrongly. */
const OWN_MESSAGE = /(\w+) instanceof Error \? \1\.message : (?:String\(\1\)|\1(?!\w))/g;
const ERROR_MESSAGE = "src/base/error_message.ts";

/** These files never run on Node: the adapter of Deno, and the console, which runs in a browser. */
const NEVER_ON_NODE = /^src\/(?:runtime\/deno|console)\//;
/** Names that Deno has and Node 20.6 does not, and their replacements. The types of Deno do not show the difference. */
const NOT_IN_NODE_20: readonly (readonly [name: RegExp, instead: string])[] = [
  [/(?<![.\w$])Promise\s*\.\s*withResolvers\b/g, "deferred of src/base/async/deferred.ts"],
  [/(?<![.\w$])Promise\s*\.\s*try\b/g, "an async function"],
  [/(?<![.\w$])Array\s*\.\s*fromAsync\b/g, "for await"],
  [/(?<![.\w$])(?:Object|Map)\s*\.\s*groupBy\b/g, "a loop that fills a Map"],
  [/(?<![.\w$])Iterator\s*\.\s*from\b/g, "an array"],
  [/(?<![.\w$])URL\s*\.\s*parse\b/g, "URL.canParse, then new URL"],
  [/(?<![.\w$])RegExp\s*\.\s*escape\b/g, "replaceAll"],
  [/(?<![.\w$])Error\s*\.\s*isError\b/g, "instanceof Error"],
  [/(?<![.\w$])(?:Async)?DisposableStack\b/g, "src/base/async/cleanup_stack.ts"],
  [/(?<![.\w$])import\s*\.\s*meta\s*\.\s*(?:dirname|filename)\b/g, "new URL(name, import.meta.url)"],
  [
    /\.\s*(?:union|intersection|difference|symmetricDifference|isSubsetOf|isSupersetOf|isDisjointFrom)(?=\s*\()/g,
    "a loop over the set",
  ],
  [
    /\.\s*(?:keys|values|entries)\(\)\s*\.\s*(?:map|filter|flatMap|reduce|take|drop|some|every|find|forEach|toArray)(?=\s*\()/g,
    "an array: [...map.values()]",
  ],
];

/** Checks one file by itself: machine words, names that Node lacks, packages, header, length, copies of `errorMessage`. */
export function checkSource(file: string, text: string): Finding[] {
  const findings: Finding[] = [];
  const find = (line: number, message: string): number => findings.push({ file, line, message });
  const code = maskText(text);
  if (!/^(?:#!.*\n)?(?:\/\/ (?!deno-lint-)|\/\*\*)/.test(text)) {
    find(1, "starts without its header comment: two to four lines on its duty and its neighbours");
  }
  const lines = text.replace(/\n$/, "").split("\n").length;
  if (lines > LINE_LIMIT && !GENERATED.test(file)) {
    find(LINE_LIMIT, `has ${lines} lines; give one of its duties a file of its own`);
  }
  for (const { specifier, line } of importsOf(text, code)) {
    const why = packageViolation(file, specifier);
    if (why !== undefined) find(line, `imports ${specifier}: ${why}`);
  }
  for (
    const { index } of file.startsWith("src/") && file !== ERROR_MESSAGE ? code.matchAll(OWN_MESSAGE) : []
  ) {
    find(lineAt(text, index), `describes an error by itself: use errorMessage of ${ERROR_MESSAGE}`);
  }
  for (const [name, instead] of file.startsWith("src/") && !NEVER_ON_NODE.test(file) ? NOT_IN_NODE_20 : []) {
    for (const { index, 0: used } of code.matchAll(name)) {
      find(
        lineAt(text, index),
        `uses ${used.replaceAll(/\s+/g, "")}, which Node 20.6 does not have: use ${instead}`,
      );
    }
  }
  if (MACHINE_ROOMS.test(file)) return findings;
  for (const match of code.matchAll(MACHINE_WORDS)) {
    find(
      lineAt(text, match.index),
      `uses ${
        match[0].replaceAll(/\s+/g, " ")
      }: clock, timers, randomness and the process come through the runtime`,
    );
  }
  return findings;
}

/** Checks a whole tree, by path from the repository's root: every file, every import, circles, and the limits. */
export function checkSources(sources: ReadonlyMap<string, string>): Finding[] {
  const findings: Finding[] = [];
  const graph = new Map<string, Map<string, number>>();
  for (const [file, text] of sources) {
    findings.push(...checkSource(file, text));
    const edges = new Map<string, number>();
    graph.set(file, edges);
    for (const { specifier, line } of importsOf(text, maskText(text))) {
      if (!specifier.startsWith(".")) continue;
      const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
      if (!edges.has(target)) edges.set(target, line);
      const why = sources.has(target) || !/\.tsx?$/.test(target)
        ? lawViolation(file, target)
        : "no such file";
      if (why !== undefined) findings.push({ file, line, message: `imports ${target}: ${why}` });
    }
    const builds = ENTRIES.includes(file) || Object.hasOwn(COMPOSITION_ROOTS, file) ||
      file.endsWith("/mod.ts");
    if (edges.size > COLLABORATOR_LIMIT && !builds) {
      const message =
        `imports ${edges.size} files of the project, ${COLLABORATOR_LIMIT} at most; split its duties`;
      findings.push({ file, line: 1, message });
    }
  }
  return [...findings, ...findFullFolders(sources.keys()), ...findCircles(graph)];
}

/** Why `file` may not import the package or built-in `specifier`; undefined when it may. */
function packageViolation(file: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return undefined;
  const pure = /^src\/(base|protocol|governor)\//.exec(file)?.[1];
  if (pure !== undefined) {
    return /^typebox(?:\/|$)/.test(specifier) ? undefined : `${pure} is pure and imports typebox alone`;
  }
  if (specifier === "@mariozechner/pi-tui" && DRAWS.test(file)) return undefined;
  if (/^(?:npm:)?@(?:mariozechner|earendil-works)\//.test(specifier)) {
    return PI_ROOMS.test(file) ? undefined : "only src/worker/pi knows pi";
  }
  if (specifier.startsWith("@nats-io/")) {
    return file === NATS_FILE ? undefined : `only ${NATS_FILE} knows NATS`;
  }
  if (specifier.startsWith("node:") && !MACHINE_ROOMS.test(file)) {
    return "Node's modules belong to src/runtime; add to runtime.ts";
  }
  if (/^(?:npm|jsr|https?):/.test(specifier)) return "packages are named in deno.json's imports";
  return undefined;
}

/** Why `file` may not import the project's file `target`; undefined when it may. */
function lawViolation(file: string, target: string): string | undefined {
  if (file === "mod.ts" || target === "deno.json") return undefined;
  if (target === "mod.ts") return "nothing imports the entry";
  const from = file.replace(/^src\//, "");
  const to = target.replace(/^src\//, "");
  const folder = lawOf(from);
  if (folder === undefined) {
    return `${file} is in no folder of the law; add a row to scripts/check/check_sources.ts`;
  }
  if (ENTRIES.includes(file) && to.startsWith("runtime/")) return undefined;
  const allowed = [folder, ...(MAY_IMPORT[folder] ?? [])];
  if (allowed.some((name) => to === name || to.startsWith(`${name}/`))) return undefined;
  if (EXCEPTIONS.some(([one, other]) => one === from && other === to)) return undefined;
  if (to.startsWith("runtime/")) return `only the entries (${ENTRIES.join(", ")}) choose a runtime`;
  return `${folder} may import ${allowed.slice(1).join(", ") || "nothing but itself"}, not ${to}`;
}

/** The longest folder of the law that holds the file. */
function lawOf(file: string): string | undefined {
  const holding = Object.keys(MAY_IMPORT).filter((folder) => file.startsWith(`${folder}/`));
  return holding.sort((a, b) => b.length - a.length)[0];
}

/** One finding for each folder that holds too many files. */
export function findFullFolders(files: Iterable<string>): Finding[] {
  const counts = new Map<string, number>();
  for (const file of files) {
    const folder = path.posix.dirname(file);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > FOLDER_LIMIT).map(([folder, count]) => ({
    file: folder,
    line: 1,
    message: `holds ${count} files, ${FOLDER_LIMIT} at most; give one of its duties a folder of its own`,
  }));
}

/** One finding for each circle that a walk along the imports runs into. */
function findCircles(graph: ReadonlyMap<string, ReadonlyMap<string, number>>): Finding[] {
  const findings: Finding[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (file: string): void => {
    trail.push(file);
    for (const [target, line] of graph.get(file) ?? []) {
      const start = trail.indexOf(target);
      if (start >= 0) {
        const circle = [...trail.slice(start), target].join(" → ");
        findings.push({ file, line, message: `imports ${target}: closes the circle ${circle}` });
      } else if (!done.has(target)) visit(target);
    }
    trail.pop();
    done.add(file);
  };
  for (const file of graph.keys()) if (!done.has(file)) visit(file);
  return findings;
}

/** Every module named by a static, dynamic or type import. Types count: they tie rooms together as well. */
function importsOf(text: string, code: string): Import[] {
  const found: Import[] = [];
  for (const match of code.matchAll(/(?<![.\w$#])(?:from|import)\s*\(?\s*(["'`])([^"'`]*)\1/g)) {
    const start = match.index + match[0].length - 1 - (match[2] ?? "").length;
    found.push({
      specifier: text.slice(start, match.index + match[0].length - 1),
      line: lineAt(text, match.index),
    });
  }
  return found;
}

/** The sources of the checkout at `root`, by path. */
async function readSources(root: string): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const read = async (file: string): Promise<unknown> =>
    sources.set(file, await Deno.readTextFile(path.join(root, file)));
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(path.join(root, folder))) {
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory) await walk(name);
      else if (/\.tsx?$/.test(name)) await read(name);
    }
  };
  await read("mod.ts");
  await walk("src");
  return new Map([...sources].sort(([a], [b]) => a < b ? -1 : 1));
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const sources = await readSources(root);
  const texts = await readTexts(root);
  const others = [...texts.keys()].filter((file) => /^(?:scripts|tests)\/.*\.tsx?$/.test(file));
  const findings = [...checkSources(sources), ...findFullFolders(others), ...checkTexts(texts)];
  for (const { file, line, message } of findings) console.error(`${file}:${line} ${message}`);
  console.log(`check_sources: ${sources.size} sources, ${texts.size} texts, ${findings.length} findings`);
  if (findings.length > 0) Deno.exit(1);
}
