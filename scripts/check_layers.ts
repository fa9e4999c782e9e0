// Holds the sources to the rules of CONTRIBUTING.md, The house: who may import whom, no circles, pi
// in one file, clock and randomness handed in, a header on every file, no file over 500 lines. Reads text, resolves
// nothing. `checkSources` is the whole of it, for tests. Usage: deno run -R scripts/check_layers.ts [--self-test]

import * as path from "node:path";
import { fileURLToPath } from "node:url";

/** What is wrong, and where. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** A layer may import itself and every layer before it. */
const LAYERS = ["base", "protocol", "governor", "host", "manager", "router", "transports", "server", "cli"];
const FILE_LAYERS: Readonly<Record<string, string>> = {
  "src/server/server.ts": "server",
  "src/server/shutdown.ts": "server",
  "src/server/workers/worker_config.ts": "server",
  "src/server/sandbox/sandbox_mode.ts": "server",
  "src/cli/main.ts": "cli",
};
const ENTRIES = ["mod.ts", "src/worker/worker.ts"];
const RUNTIME = "src/runtime/runtime.ts";
/** Settings and logging import the pure layers alone, and serve every layer of the router thread. */
const LEAVES = ["src/config/config.ts", "src/config/flags.ts", "src/base/log.ts"];
/** What an unknown error says: pure, without imports, for every layer. */
const BASE = ["src/base/error_message.ts", "src/base/system_errors.ts"];
const LEAF_USERS = ["manager", "router", "transports", "server", "cli"];
/** The seam to pi: pi.ts, files split off it, and the embedded demo model. */
const PI_ROOMS = /^src\/host\/(?:pi(?:_[a-z_]+)?|demo)\.ts$/;
const LINE_LIMIT = 500;
/** Written by a script: nobody reads them from top to bottom. */
const GENERATED = /^src\/protocol\/wire_\w+\.ts$/;

/** Where the machine may be touched directly. */
const MACHINE_ROOMS =
  /^(?:mod\.ts$|src\/runtime\/|src\/client\/|src\/host\/(?:pi(?:_[a-z_]+)?|demo|worker)\.ts$)/;
/** Single files that may as well: [file, what, reason]. */
const MACHINE_EXCEPTIONS: readonly (readonly [file: string, what: string, reason: string])[] = [];
const MACHINE_WORDS =
  /(?<![.\w$#])(?:globalThis\s*\.\s*)?(?:(?:Deno|process|crypto)(?=\s*(?:\?\.|\.|\[))|Date\s*\.\s*now\b|Math\s*\.\s*random\b|performance\s*\.\s*now\b|new\s+Date\s*\(\s*\)|(?:set|clear)(?:Timeout|Interval|Immediate)(?=\s*\())/g;

/** Checks one file by itself: machine words, pi, header, length. */
export function checkSource(file: string, text: string): Finding[] {
  const findings: Finding[] = [];
  const find = (line: number, message: string): number => findings.push({ file, line, message });
  const code = maskText(text);
  if (!/^(?:#!.*\n)?(?:\/\/ (?!deno-lint-)|\/\*\*)/.test(text)) {
    find(1, "starts without its header comment: two to six lines on its duty and its neighbours");
  }
  const lines = text.replace(/\n$/, "").split("\n").length;
  if (lines > LINE_LIMIT && !GENERATED.test(file)) {
    find(LINE_LIMIT, `has ${lines} lines; split it before ${LINE_LIMIT}`);
  }
  for (const { specifier, line } of importsOf(text, code)) {
    const why = packageViolation(file, specifier);
    if (why !== undefined) find(line, `imports ${specifier}: ${why}`);
  }
  if (MACHINE_ROOMS.test(file)) return findings;
  for (const match of code.matchAll(MACHINE_WORDS)) {
    const word = match[0].replaceAll(/\s+/g, " ");
    if (MACHINE_EXCEPTIONS.some(([allowed, what]) => allowed === file && word.includes(what))) continue;
    find(
      lineAt(text, match.index),
      `uses ${word}: clock, timers, randomness and the process come through the runtime`,
    );
  }
  return findings;
}

/** Checks a whole tree, by path from the repository's root: every file, every import, and circles. */
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
      const why = sources.has(target) || !target.endsWith(".ts")
        ? layerViolation(file, target)
        : "no such file";
      if (why !== undefined) findings.push({ file, line, message: `imports ${target}: ${why}` });
    }
  }
  return [...findings, ...findCircles(graph)];
}

/** Why `file` may not import the package or built-in `specifier`; undefined when it may. */
function packageViolation(file: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return undefined;
  const layer = layerOf(file);
  if (layer === "base" || layer === "protocol" || layer === "governor") {
    return /^typebox(?:\/|$)/.test(specifier) ? undefined : `${layer} is pure and imports typebox alone`;
  }
  if (/^(?:npm:)?@(?:mariozechner|earendil-works)\//.test(specifier)) {
    return PI_ROOMS.test(file) ? undefined : "only src/host/pi*.ts and demo.ts know pi";
  }
  if (specifier.startsWith("node:") && !MACHINE_ROOMS.test(file)) {
    return "Node's modules belong to src/runtime; ask for what is missing in runtime.ts";
  }
  if (/^(?:npm|jsr|https?):/.test(specifier)) return "packages are named in deno.json's imports";
  return undefined;
}

/** Why `file` may not import the project's file `target`; undefined when it may. */
function layerViolation(file: string, target: string): string | undefined {
  if (target === "deno.json") return undefined;
  if (BASE.includes(file)) return `${file} serves every layer and imports nothing`;
  if (BASE.includes(target)) return undefined;
  if (target.startsWith("src/runtime/")) return runtimeViolation(file, target);
  if (file === "mod.ts") return undefined;
  if (target === "mod.ts") return "nothing imports the entry";
  if (file.startsWith("src/runtime/")) return "the runtime knows nothing of the layers";
  const from = layerOf(file);
  const to = layerOf(target);
  if (from === undefined || to === undefined) {
    return `${from === undefined ? file : target} belongs to no layer; name one in scripts/check_layers.ts`;
  }
  if (from === to) return undefined;
  if (to === "leaf") return LEAF_USERS.includes(from) ? undefined : `${from} is not given settings or a log`;
  const allowed = from === "leaf"
    ? ["base", "protocol", "governor"]
    : from === "client"
    ? ["base", "protocol"]
    : LAYERS.slice(0, Math.max(0, LAYERS.indexOf(from)));
  if (allowed.includes(to)) return undefined;
  return `${from} may import ${allowed.length === 0 ? "nothing but itself" : allowed.join(", ")}, not ${to}`;
}

function runtimeViolation(file: string, target: string): string | undefined {
  if (file.startsWith("src/runtime/")) return undefined;
  const layer = layerOf(file);
  if (target === RUNTIME) {
    if (layer === "base" || layer === "protocol" || layer === "governor") {
      return `${layer} is pure: it is handed plain values`;
    }
    return layer === "client" ? "the client imports protocol alone" : undefined;
  }
  return ENTRIES.includes(file) ? undefined : `only the entries (${ENTRIES.join(", ")}) choose a runtime`;
}

function layerOf(file: string): string | undefined {
  if (LEAVES.includes(file)) return "leaf";
  const single = FILE_LAYERS[file];
  if (single !== undefined) return single;
  const folder = /^src\/([a-z_]+)\//.exec(file)?.[1];
  return folder === "client" || LAYERS.includes(folder ?? "") ? folder : undefined;
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

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** A comment, a string without holes, a piece of a template, or a regular expression where a value may stand. */
const TOKENS =
  /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?<=(?:^|[=(,:;!&|?{}[+\n]|return|=>)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*|[`{}]/g;

/** Blanks comments, regular expressions and the inside of strings; every character keeps its place. */
function maskText(text: string): string {
  const blank = (piece: string): string => piece.replaceAll(/[^\n]/g, " ");
  let result = "";
  let at = 0;
  /** For each open template, how many braces are open in its current hole. */
  const holes: number[] = [];
  const endOfTemplate = (from: number): number => {
    const match = /(?:\\[^]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y;
    match.lastIndex = from;
    return match.test(text) ? match.lastIndex : text.length;
  };
  const readTemplate = (from: number): number => {
    const end = endOfTemplate(from);
    const close = text[end - 1] === "{" ? "${" : "`";
    if (close === "${") holes.push(0);
    result += blank(text.slice(from, end - close.length)) + close;
    return end;
  };
  while (at < text.length) {
    TOKENS.lastIndex = at;
    const match = TOKENS.exec(text);
    if (match === null) return result + text.slice(at);
    const token = match[0];
    result += text.slice(at, match.index);
    at = match.index + token.length;
    const open = holes.at(-1);
    if (token === "`") {
      result += token;
      at = readTemplate(at);
    } else if (token === "{") {
      if (open !== undefined) holes[holes.length - 1] = open + 1;
      result += token;
    } else if (token === "}") {
      result += token;
      if (open === 0) {
        holes.pop();
        at = readTemplate(at);
      } else if (open !== undefined) holes[holes.length - 1] = open - 1;
    } else if (token.startsWith("/")) result += blank(token);
    else result += token.charAt(0) + blank(token.slice(1, -1)) + token.charAt(0);
  }
  return result;
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
      else if (name.endsWith(".ts")) await read(name);
    }
  };
  await read("mod.ts");
  await walk("src");
  return new Map([...sources].sort(([a], [b]) => a < b ? -1 : 1));
}

/** Sources that break one rule each, with a part of what must be said; and some that must pass. */
const SELF_TEST: readonly (readonly [file: string, code: string, expected: string | undefined])[] = [
  ["src/protocol/a.ts", 'import { b } from "../router/b.ts";', "protocol may import base, not router"],
  ["src/protocol/a.ts", 'import type { B } from "../runtime/runtime.ts";', "protocol is pure"],
  ["src/protocol/a.ts", 'import process from "node:process";', "imports typebox alone"],
  ["src/host/a.ts", 'export type B = import("../manager/b.ts").B;', "not manager"],
  ["src/host/a.ts", 'const b = await import("../log.ts");', "host is not given settings or a log"],
  ["src/base/log.ts", 'import "./router/b.ts";', "leaf may import base, protocol, governor, not router"],
  ["src/router/a.ts", 'export * from "../server.ts";', "not server"],
  ["src/router/a.ts", 'import { d } from "../runtime/deno.ts";', "only the entries"],
  ["src/router/a.ts", 'import * as pi from "@mariozechner/pi-ai";', "know pi"],
  ["src/router/a.ts", 'import { b } from "./missing.ts";', "no such file"],
  ["src/router/a.ts", 'import { readFile } from "node:fs/promises";', "belong to src/runtime"],
  ["src/client/a.ts", 'import { b } from "../router/b.ts";', "client may import base, protocol, not router"],
  ["src/runtime/a.ts", 'import { b } from "../router/b.ts";', "knows nothing of the layers"],
  ["src/base/error_message.ts", 'import { b } from "./server.ts";', "imports nothing"],
  ["src/extra.ts", 'import { b } from "./router/b.ts";', "belongs to no layer"],
  ["src/router/a.ts", "const t = Date.now();", "uses Date.now"],
  ["src/router/a.ts", "const t = `at ${`${new Date()}`}`;", "uses new Date()"],
  ["src/router/a.ts", "globalThis.setTimeout(f, 1);", "uses globalThis.setTimeout"],
  ["src/router/a.ts", "const a = /[/'\"]/.test(b); Deno.exit(1);", "uses Deno"],
  ["src/router/a.ts", "const id = crypto.randomUUID();", "uses crypto"],
  ["src/router/a.ts", "// line\n".repeat(LINE_LIMIT + 1), "split it"],
  [
    "src/router/b.ts",
    'import { self } from "./b.ts";',
    "closes the circle src/router/b.ts → src/router/b.ts",
  ],
  ["src/router/a.ts", 'const a = "Date.now() }`"; const b = `import "../cli.ts" ${a}`;', undefined],
  ["src/router/a.ts", "/* setTimeout() */ clock.setTimeout(f); const a = b / c; // process.env", undefined],
  ["src/router/a.ts", 'import { b } from "../runtime/runtime.ts";\nimport "../host/worker.ts";', undefined],
  ["src/runtime/a.ts", "setTimeout(f, Date.now());", undefined],
];

/** Throws unless every rule is noticed when it is broken. */
export function selfTest(): void {
  const others = [
    "router/b",
    "manager/b",
    "host/worker",
    "error_message",
    "system_errors",
    "runtime/runtime",
    "runtime/deno",
    "server",
    "log",
    "cli",
  ];
  for (const [file, code, expected] of SELF_TEST) {
    const sources = new Map(others.map((name) => [`src/${name}.ts`, "// Header\n"]));
    sources.set(file, `// Header\n${code}\n`);
    const said = checkSources(sources).map(({ message }) => message).join("; ");
    const passed = expected === undefined ? said === "" : said.includes(expected);
    if (!passed) throw new Error(`self test: ${code}\n  expected: ${expected ?? "nothing"}\n  said: ${said}`);
  }
  if (checkSource("src/router/a.ts", "export {};\n").length === 0) {
    throw new Error("self test: header not missed");
  }
}

if (import.meta.main) {
  selfTest();
  if (Deno.args.includes("--self-test")) {
    console.log(`check_layers: self test passed (${SELF_TEST.length + 1} cases)`);
  } else {
    const sources = await readSources(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
    const findings = checkSources(sources);
    for (const { file, line, message } of findings) console.error(`${file}:${line} ${message}`);
    console.log(`check_layers: ${sources.size} files, ${findings.length} findings`);
    if (findings.length > 0) Deno.exit(1);
  }
}
