// Bundles mod.ts and the worker with esbuild into a folder that needs no node_modules: mod.js, worker.js,
// chunks/ (each pi and each provider stay lazy), pi/ and pi-1.6/ (the files that each pi reads at run time). build_node.ts and compile.ts
// wrap the result; what must be changed in pi for this stands in pi_patches.ts. The build fails when mod.js would
// load pi before a worker does.

import * as esbuild from "esbuild";
import { builtinModules } from "node:module";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { CONSOLE_PACKAGES } from "../../src/console_files/files.ts";
import { licensePage, packageFolders, readNotice, RUNTIME_NOTICES } from "./licenses.ts";
import { ASSETS, checkPatches, KIT_0_73, optionalPackages, patches } from "./pi_patches.ts";
import { KIT_1_6 } from "./pi_patches_1_6.ts";

export interface BundleOptions {
  readonly outDir: string;
  readonly platform: "node" | "deno";
  /** The checkout to bundle; by default the one this script stands in. */
  readonly root?: string;
}

export interface BundleReport {
  readonly fileCount: number;
  readonly bytes: number;
  /** Size of what the server's own thread loads. */
  readonly routerBytes: number;
}

/** Stands for the bundle's root in emitted URLs until it is known how deep the emitted file lies. */
const ROOT_MARK = "@pi-server-bundle-root@/";
/** Exports that a page may load. */
const BROWSER_EXPORTS = ["client", "protocol"];
const LICENSES_URL = /new URL\(\s*"\.\/LICENSES\.txt",\s*import\.meta\.url,?\s*\)/g;
const VERSION = /(\bSERVER_VERSION: string = )"[^"]*"/;
const EXECUTABLE = /(\bIN_EXECUTABLE: boolean = )false/;
const DEFAULT_PI = /(\bDEFAULT_PI: PiChoice = )"[^"]*"/;
const WORKER_URL = /new URL\(\s*"(?:\.{1,2}\/)+(?:[a-z_]+\/)*worker\.ts",\s*import\.meta\.url,?\s*\)/g;

/** What mod.ts imports dynamically when it is to be a server. */
const SERVER_CHUNKS = ["src/cli/main.ts", "src/server/server.ts", "src/server/cluster/cluster.ts"];
/** The chunks of the dispatch and of each subcommand. */
const SUBCOMMAND = /^src\/cli\/(?!main\.ts$)/;
/** The rooms of the server, and the packages of pi but for its terminal library. */
const NOT_FOR_SUBCOMMANDS =
  /^src\/(?:server|worker)\/|^src\/cli\/main\.ts$|node_modules\/@(?:mariozechner|earendil-works)\/pi-(?!tui\/)/;
/** The thread that runs a script of codemode, which pi 1.6 starts from a file of its own. */
const CODEMODE_WORKER = "node_modules/@earendil-works/pi-coding-agent/dist/extensions/codemode/worker.js";
/** Both engines, which one bundle holds. */
const KITS = [KIT_0_73, KIT_1_6];
/** The chunks that a worker loads with each engine, and the packages that must not be among them. */
const ENGINES: readonly (readonly [chunk: RegExp, foreign: RegExp])[] = [
  [
    /sdk\/sdk_0_73\.ts$|\/@mariozechner\/pi-(?:ai|coding-agent)\/dist\/index\.js$/,
    /node_modules\/@earendil-works\//,
  ],
  [
    /sdk\/sdk_1_6\.ts$|\/@earendil-works\/pi-(?:ai|coding-agent)\/dist\/(?:index|compat)\.js$/,
    /node_modules\/@mariozechner\//,
  ],
];
const PI_FILES = /node_modules\/@(?:mariozechner|earendil-works)\//;

/** The repository's root, wherever the scripts are started from. */
export function repositoryRoot(): string {
  return path.resolve(fileURLToPath(new URL("../../", import.meta.url)));
}

/** Writes the bundle to `outDir`, which is emptied first. */
export async function bundle(options: BundleOptions): Promise<BundleReport> {
  const root = options.root ?? repositoryRoot();
  const project = await readProject(root);
  const imports = importPaths(project);
  const patched = new Set<string>();
  const edited = new Set<string>();
  try {
    const result = await esbuild.build({
      absWorkingDir: root,
      entryPoints: {
        ...entryPoints(options.platform, project),
        worker: "src/worker/worker.ts",
        codemode_worker: CODEMODE_WORKER,
      },
      outdir: options.outDir,
      chunkNames: "chunks/[name]-[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node20.6",
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: "none",
      tsconfigRaw: {},
      metafile: true,
      write: false,
      logLevel: "warning",
      plugins: [
        builtins(),
        importMap(root, imports),
        optionalPackages(),
        otherRuntime(options.platform),
        assets(),
        patches(KITS, patched),
        projectSources(root, project.version, options.platform, (edit) => edited.add(edit)),
      ],
    });
    checkPatches(KITS, patched, result.metafile);
    for (const edit of ["worker", "licenses", "version", "executable", "engine"]) {
      if (!edited.has(edit)) throw new Error(`no module of ours has the place for the ${edit} any more`);
    }
    const router = checkRouter(result.metafile, path.relative(root, path.join(options.outDir, "mod.js")));
    checkEngines(result.metafile);
    return await writeBundle(root, options, result, router);
  } finally {
    await esbuild.stop();
  }
}

/** What the builds take from deno.json. */
export interface Project {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

/** Reads deno.json of that checkout. */
export async function readProject(root: string): Promise<Project> {
  return JSON.parse(await Deno.readTextFile(path.join(root, "deno.json")));
}

/** File name of an export: `.` is mod.js, `./client` client.js. */
export function exportName(key: string): string {
  return key === "." ? "mod" : key.replace(/^\.\//, "");
}

/** Every export for Node; only the program for a binary, which no program imports. */
function entryPoints(platform: BundleOptions["platform"], { exports }: Project): Record<string, string> {
  const wanted = Object.entries(exports).filter(([key]) => platform === "node" || key === ".");
  return Object.fromEntries(wanted.map(([key, file]) => [exportName(key), file]));
}

/** deno.json's imports as npm package paths: `@std/assert` → `deno-std/assert/mod.js`. */
function importPaths(project: Project): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, target] of Object.entries(project.imports)) {
    const match = /^npm:\/?((?:@[^/@]+\/)?[^/@]+)(?:@[^/]+)?(\/.*)?$/.exec(target);
    if (match !== null) map.set(name, `${match[1]}${match[2] ?? ""}`);
  }
  return map;
}

function builtins(): esbuild.Plugin {
  const names = builtinModules.filter((name) => !name.startsWith("_"));
  const filter = new RegExp(`^(?:node:.+|${names.map((name) => name.replace("/", "\\/")).join("|")})$`);
  return {
    name: "builtins",
    setup(build) {
      build.onResolve({ filter }, ({ path: name }) => ({
        path: name.startsWith("node:") ? name : `node:${name}`,
        external: true,
        sideEffects: false,
      }));
    },
  };
}

/** @param folder the import map's own, which its packages are found from */
function importMap(folder: string, imports: Map<string, string>): esbuild.Plugin {
  return {
    name: "import-map",
    setup(build) {
      build.onResolve({ filter: /^[@a-z]/ }, ({ path: name, importer, kind, pluginData }) => {
        if (pluginData === "mapped" || importer.includes("node_modules")) return undefined;
        const target = mapSpecifier(imports, name);
        if (target === undefined) return undefined;
        return build.resolve(target, { resolveDir: folder, kind, importer, pluginData: "mapped" });
      });
    },
  };
}

function mapSpecifier(imports: Map<string, string>, name: string): string | undefined {
  const exact = imports.get(name);
  if (exact !== undefined) return exact;
  for (const [key, target] of imports) {
    if (name.startsWith(`${key}/`)) return target + name.slice(key.length);
  }
  return undefined;
}

/** The other runtime's adapter, and what it imports, stays out of the bundle. */
function otherRuntime(platform: "node" | "deno"): esbuild.Plugin {
  const other = platform === "node" ? "deno" : "node";
  const contents = `throw new Error("this build of pi-server runs on ${platform}, not on ${other}")`;
  return {
    name: "other-runtime",
    setup(build) {
      const filter = new RegExp(`[\\\\/]src[\\\\/]runtime[\\\\/]${other}[\\\\/]${other}\\.ts$`);
      build.onLoad({ filter }, () => ({ contents, loader: "js" }));
    },
  };
}

/** A module that knows where the files of both pis lie at run time. */
function assets(): esbuild.Plugin {
  const contents = `
    import { fileURLToPath } from "node:url";
    export default {
      folder: (name) => fileURLToPath(new URL("${ROOT_MARK}" + name, import.meta.url)),
      codemodeWorker: new URL("${ROOT_MARK}codemode_worker.js", import.meta.url),
      photonWasm: fileURLToPath(new URL("${ROOT_MARK}pi/photon_rs_bg.bin", import.meta.url)),
    };`;
  return {
    name: "assets",
    setup(build) {
      build.onResolve({ filter: /^pi-server:assets$/ }, () => ({ path: ASSETS, namespace: "pi-server" }));
      build.onLoad({ filter: /.*/, namespace: "pi-server" }, () => ({ contents, loader: "js" }));
    },
  };
}

/** A bundle's own edits of our sources: where it finds its files, and the version in deno.json. */
function projectSources(
  root: string,
  version: string,
  platform: BundleOptions["platform"],
  done: (edit: string) => void,
): esbuild.Plugin {
  const edits: readonly (readonly [name: string, from: RegExp, to: string])[] = [
    ["worker", WORKER_URL, `new URL("${ROOT_MARK}worker.js", import.meta.url)`],
    ["licenses", LICENSES_URL, `new URL("${ROOT_MARK}LICENSES.txt", import.meta.url)`],
    ["version", VERSION, `$1${JSON.stringify(version)}`],
    ["executable", EXECUTABLE, `$1${platform === "deno"}`],
    ["engine", DEFAULT_PI, '$1"auto"'],
  ];
  return {
    name: "project-sources",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
        if (!file.startsWith(root + path.sep) || file.includes("node_modules")) return undefined;
        const text = await Deno.readTextFile(file);
        let contents = text;
        for (const [name, from, to] of edits) {
          if (contents.search(from) < 0) continue;
          contents = contents.replace(from, to);
          done(name);
        }
        return contents === text ? undefined : { contents, loader: "ts" };
      });
    },
  };
}

/** The entry and everything it loads before anything is imported dynamically. */
function loadedAtStart(metafile: esbuild.Metafile, entry: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const queue = [entry.replaceAll("\\", "/")];
  for (let output = queue.pop(); output !== undefined; output = queue.pop()) {
    if (seen.has(output)) continue;
    seen.add(output);
    const chunk = metafile.outputs[output];
    if (chunk === undefined) throw new Error(`esbuild's metafile does not list ${output}`);
    for (const edge of chunk.imports) {
      if (edge.kind === "import-statement" && edge.external !== true) queue.push(edge.path);
    }
  }
  return seen;
}

/** The first source of a set of outputs that matches. */
function sourceIn(
  metafile: esbuild.Metafile,
  outputs: ReadonlySet<string>,
  matches: (source: string) => boolean,
): string | undefined {
  return [...outputs].flatMap((output) => Object.keys(metafile.outputs[output]?.inputs ?? {})).find(matches);
}

/** The chunk that holds the source file of a dynamic import. */
function chunkOf(metafile: esbuild.Metafile, source: string): string {
  const found = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source);
  if (found === undefined) throw new Error(`the bundle has no chunk of its own for ${source}`);
  return found[0];
}

/**
 * Everything that the server's thread loads: mod.js, and the chunks of the server that it imports dynamically.
 * Throws when pi is part of it, and when a subcommand would load the server or a session's part of pi.
 */
function checkRouter(metafile: esbuild.Metafile, entry: string): ReadonlySet<string> {
  const server = SERVER_CHUNKS.map((source) => chunkOf(metafile, source));
  const seen = new Set([entry, ...server].flatMap((output) => [...loadedAtStart(metafile, output)]));
  const pi = sourceIn(metafile, seen, (source) => PI_FILES.test(source));
  if (pi !== undefined) {
    throw new Error(
      `mod.ts reaches ${pi} through static imports; pi belongs to the worker alone (dynamic import)`,
    );
  }
  for (const { entryPoint } of Object.values(metafile.outputs)) {
    if (entryPoint === undefined || !SUBCOMMAND.test(entryPoint)) continue;
    const loaded = loadedAtStart(metafile, chunkOf(metafile, entryPoint));
    const foreign = sourceIn(metafile, loaded, (source) => NOT_FOR_SUBCOMMANDS.test(source));
    if (foreign !== undefined) throw new Error(`${entryPoint} would load ${foreign}, a part of the server`);
  }
  return seen;
}

/** Throws when a worker would load a part of the engine that it has not chosen. */
function checkEngines(metafile: esbuild.Metafile): void {
  const entries = Object.values(metafile.outputs).flatMap(({ entryPoint }) => entryPoint ?? []);
  for (const [chunk, foreign] of ENGINES) {
    const own = entries.filter((entry) => chunk.test(entry));
    if (own.length < 3) {
      throw new Error(`the bundle has ${own.length} chunks for ${chunk}, where an engine has 3`);
    }
    for (const entry of own) {
      const found = sourceIn(
        metafile,
        loadedAtStart(metafile, chunkOf(metafile, entry)),
        (source) => foreign.test(source),
      );
      if (found !== undefined) throw new Error(`${entry} would load ${found}, a part of the other engine`);
    }
  }
}

/** Everything that a page loads at once with the exports that are for browsers too. */
function browserFiles(root: string, outDir: string, metafile: esbuild.Metafile): ReadonlySet<string> {
  const entries = BROWSER_EXPORTS.map((name) => path.relative(root, path.join(outDir, `${name}.js`)))
    .filter((entry) => metafile.outputs[entry.replaceAll("\\", "/")] !== undefined);
  return new Set(entries.flatMap((entry) => [...loadedAtStart(metafile, entry)]));
}

/** Throws when one of them would load a module of Node's there. */
function checkBrowser(files: ReadonlySet<string>, finished: ReadonlyMap<string, string>): void {
  for (const output of files) {
    const [builtin] = /(?:from|import)\s*"node:[^"]+"/.exec(finished.get(output) ?? "") ?? [];
    if (builtin !== undefined) throw new Error(`${output} is loaded by browsers too, but has: ${builtin}`);
  }
}

async function writeBundle(
  root: string,
  { outDir, platform }: BundleOptions,
  result: esbuild.BuildResult<{ metafile: true; write: false }>,
  router: ReadonlySet<string>,
): Promise<BundleReport> {
  await Deno.remove(outDir, { recursive: true }).catch(ignoreMissing);
  const report = { fileCount: 0, bytes: 0, routerBytes: 0 };
  const write = async (name: string, contents: string | Uint8Array): Promise<number> => {
    const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
    const target = path.join(outDir, name);
    await Deno.mkdir(path.dirname(target), { recursive: true });
    await Deno.writeFile(target, bytes);
    report.fileCount++;
    report.bytes += bytes.length;
    return bytes.length;
  };
  const finished = new Map<string, string>();
  const forBrowsers = browserFiles(root, outDir, result.metafile);
  for (const file of result.outputFiles) {
    const name = path.relative(outDir, file.path);
    const output = path.relative(root, file.path).replaceAll("\\", "/");
    finished.set(output, finish(file.text, path.dirname(name), forBrowsers.has(output)));
    const size = await write(name, finished.get(output) ?? "");
    if (router.has(output)) report.routerBytes += size;
  }
  checkBrowser(forBrowsers, finished);
  const packages = packageFolders(root, result.metafile);
  for (const { folder, package: pi, assets } of KITS) {
    for (const [name, from, to] of assets) {
      await write(path.join(folder, to), await Deno.readFile(path.join(folderOf(packages, name), from)));
    }
    const docs = path.join(folderOf(packages, pi), "docs");
    for await (const entry of Deno.readDir(docs)) {
      if (!entry.name.endsWith(".md")) continue;
      await write(path.join(folder, "docs", entry.name), await Deno.readFile(path.join(docs, entry.name)));
    }
  }
  // What the console's files contain was bundled before.
  const ofConsole = CONSOLE_PACKAGES.map((name) => path.join(root, "node_modules", name));
  await write("LICENSES.txt", await licenses(root, platform, new Set([...packages, ...ofConsole])));
  return report;
}

/** Settles the bundle-relative URLs, and gives `require` to the chunk whose CommonJS modules ask for built-ins. */
function finish(text: string, folder: string, inBrowser: boolean): string {
  const up = folder === "." ? "./" : "../".repeat(folder.split(path.sep).length);
  const settled = text.replaceAll(ROOT_MARK, up);
  if (!settled.includes("typeof require")) return settled;
  // A browser has neither `require` nor modules that ask for it; no bundler is to look for the built-in, either.
  const banner = inBrowser
    ? 'const require=globalThis.process?.versions?.node?(await import("node:"+"module")).createRequire(import.meta.url):void 0;'
    : 'import{createRequire as __piServerCreateRequire}from"node:module";' +
      "const require=__piServerCreateRequire(import.meta.url);";
  return `${banner}\n${settled}`;
}

/** Folder of a package that files are taken from. */
function folderOf(folders: ReadonlySet<string>, name: string): string {
  const end = path.join("node_modules", name);
  const found = [...folders].filter((folder) => folder.endsWith(path.sep + end));
  const [folder] = found;
  if (folder === undefined || found.length > 1) {
    throw new Error(
      `${found.length} copies of ${name} are part of the bundle, where files of one are needed`,
    );
  }
  return folder;
}

/** LICENSES.txt: our own license, and those of what is bundled and of what the bundle will lie in. */
async function licenses(
  root: string,
  platform: BundleOptions["platform"],
  folders: ReadonlySet<string>,
): Promise<string> {
  const { version, license } = await readProject(root);
  const text = (await Deno.readTextFile(path.join(root, "LICENSE"))).trim();
  const own = { name: "pi-server", version, license, holder: "", texts: [text] };
  const bundled = await Promise.all([...folders].map(readNotice));
  return licensePage(own, [...bundled, ...platform === "deno" ? RUNTIME_NOTICES : []]);
}

/** For `.catch` of a removal: the file may be absent, anything else is an error. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
