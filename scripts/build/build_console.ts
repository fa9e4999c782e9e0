// Bundles the console, src/console, into the module src/console_files/files.ts: one page, one script, one style sheet
// and the licenses of what they contain, each compressed. The module is committed, so that no user needs a build step
// and no server reads a file. `--check` fails when the module is stale; what counts is the content, not the compression.
// The page's addresses are relative, so that it works below any path; a file of src/console that needs the types of a
// browser says so: `/// <reference lib="dom" />`. Usage: deno run -A scripts/build/build_console.ts [--check]

import * as esbuild from "esbuild";
import * as path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { readProject, repositoryRoot } from "./bundle.ts";
import { licensePage, packageFolders, readNotice } from "./licenses.ts";

/** The sources, and the module that is made of them. */
const SOURCES = "src/console";
const MODULE = "src/console_files/files.ts";

/** Most bytes of page, script and style sheet together: as they are, and compressed. */
const [MOST_BYTES, MOST_COMPRESSED_BYTES] = [250_000, 100_000];

/** One file, as the server sends it. */
export interface BuiltFile {
  /** Its name in an address: the page's is empty. */
  readonly name: string;
  readonly contentType: string;
  /** Sixteen hexadecimal digits of the SHA-256 of its content. */
  readonly hash: string;
  readonly content: string;
}

/** What the bundle is made of, and how large it is. */
export interface BuiltConsole {
  /** The page comes first. */
  readonly files: readonly BuiltFile[];
  /** Names of the packages that have a part in it. */
  readonly packages: readonly string[];
  readonly bytes: number;
  readonly compressedBytes: number;
}

async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const compressed = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(gzipSync(text, { level: 9 }));

/** A browser has no modules of Node's, and a WebSocket of its own. The client asks for them on other machines alone. */
function noMachine(): esbuild.Plugin {
  return {
    name: "no-machine",
    setup(build) {
      build.onResolve(
        { filter: /^(?:node:.+|ws)$/ },
        ({ path: name }) => ({ path: name, namespace: "none" }),
      );
      build.onLoad({ filter: /.*/, namespace: "none" }, ({ path: name }) => ({
        contents: `throw new Error("a browser has no ${name}")`,
        loader: "js",
      }));
    },
  };
}

/** A style sheet that takes in all others: main.css first, then the rest by name, wherever they lie. */
async function styleSheets(root: string): Promise<string> {
  const own: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(path.join(root, SOURCES, folder))) {
      if (isDirectory) await walk(`${folder}/${name}`);
      else if (name.endsWith(".css")) own.push(`${folder}/${name}`);
    }
  };
  await walk(".");
  const first = "./main.css";
  const others = own.filter((name) => name !== first).sort();
  return [first, ...others].map((name) => `@import ${JSON.stringify(name)};`).join("\n");
}

/** Script and style sheet, minified. The same sources make the same text. */
async function bundle(
  root: string,
): Promise<{ script: string; styles: string; folders: ReadonlySet<string> }> {
  const folder = path.join(root, SOURCES);
  const settings: esbuild.BuildOptions & { write: false; metafile: true } = {
    absWorkingDir: root,
    outdir: path.join(root, "dist/console"),
    bundle: true,
    minify: true,
    charset: "utf8",
    legalComments: "none",
    drop: ["console"],
    metafile: true,
    write: false,
    logLevel: "warning",
    tsconfigRaw: {},
  };
  const [script, styles] = await Promise.all([
    esbuild.build({
      ...settings,
      entryPoints: { main: path.join(folder, "main.tsx") },
      format: "esm",
      platform: "browser",
      target: "es2022",
      jsx: "automatic",
      jsxImportSource: "preact",
      define: { "process.env.NODE_ENV": '"production"' },
      // Its own minified form is smaller than what esbuild makes of its sources.
      alias: { dompurify: "dompurify/dist/purify.min.js" },
      plugins: [noMachine()],
    }),
    esbuild.build({
      ...settings,
      stdin: { contents: await styleSheets(root), resolveDir: folder, loader: "css", sourcefile: "all.css" },
      loader: { ".svg": "dataurl" },
      target: ["chrome111", "firefox114", "safari16.4"],
    }),
  ]);
  const textOf = ({ outputFiles }: { outputFiles: readonly esbuild.OutputFile[] }): string => {
    const [file, other] = outputFiles;
    if (file === undefined || other !== undefined) {
      throw new Error("the console is to be one script and one style sheet");
    }
    return file.text;
  };
  return {
    script: textOf(script),
    styles: textOf(styles),
    folders: new Set([...packageFolders(root, script.metafile), ...packageFolders(root, styles.metafile)]),
  };
}

/** The page with the names that its script and its style sheet have; it has to name each once. */
function pageOf(source: string, names: Readonly<Record<string, string>>): string {
  let page = source;
  for (const [from, to] of Object.entries(names)) {
    const parts = page.split(`"./${from}"`);
    if (parts.length !== 2) throw new Error(`${SOURCES}/index.html has to name "./${from}" exactly once`);
    page = parts.join(`"./${to}"`);
  }
  return page;
}

/** Bundles the console of the checkout at `root`. Throws when it is too large. */
export async function buildConsole(root: string = repositoryRoot()): Promise<BuiltConsole> {
  const { script, styles, folders } = await bundle(root);
  const asset = async (kind: string, contentType: string, content: string): Promise<BuiltFile> => {
    const hash = await hashOf(content);
    return { name: `assets/console-${hash}.${kind}`, contentType, hash, content };
  };
  const js = await asset("js", "text/javascript; charset=utf-8", script);
  const css = await asset("css", "text/css; charset=utf-8", styles);
  const source = await Deno.readTextFile(path.join(root, SOURCES, "index.html"));
  const html = pageOf(source, { "main.js": js.name, "main.css": css.name });
  const page = { name: "", contentType: "text/html; charset=utf-8", hash: await hashOf(html), content: html };
  const notices = await Promise.all([...folders].map(readNotice));
  const { license } = await readProject(root);
  // A release by itself changes nothing here, so no version.
  const own = { name: "pi-server", version: "", license, holder: "", texts: [await licenseText(root)] };
  const licenses = await asset("txt", "text/plain; charset=utf-8", licensePage(own, notices));
  const counted = [page, js, css].map(({ content }) => content);
  const bytes = sum(counted.map((content) => new TextEncoder().encode(content).length));
  const compressedBytes = sum(counted.map((content) => compressed(content).length));
  if (bytes > MOST_BYTES || compressedBytes > MOST_COMPRESSED_BYTES) {
    const most = `${MOST_BYTES} and ${MOST_COMPRESSED_BYTES} compressed`;
    throw new Error(`the console has ${bytes} bytes, ${compressedBytes} compressed; the most is ${most}`);
  }
  const packages = notices.map(({ name }) => name).sort();
  return { files: [page, js, css, licenses], packages, bytes, compressedBytes };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

async function licenseText(root: string): Promise<string> {
  return (await Deno.readTextFile(path.join(root, "LICENSE"))).trim();
}

/** The module's text. */
function moduleOf({ files, packages }: BuiltConsole): string {
  const rows = files.map(({ name, contentType, hash, content }) => {
    const gzip = compressed(content).toBase64();
    const fields = { name, contentType, hash, gzip };
    const lines = Object.entries(fields).map(([key, value]) => `    ${key}: ${JSON.stringify(value)},`);
    return `  {\n${lines.join("\n")}\n  },`;
  });
  return [
    "// The console's files, compressed: page, script, style sheet, and the licenses of what they contain. Written by",
    "// scripts/build/build_console.ts (deno task console) from src/console; do not edit.",
    'import type { ConsoleFile } from "./console_file.ts";',
    "",
    "/** Packages that have a part in the files. */",
    `export const CONSOLE_PACKAGES: readonly string[] = ${JSON.stringify(packages)};`,
    "",
    "/** The files; the page comes first. */",
    `export const CONSOLE_FILES: readonly ConsoleFile[] = [\n${rows.join("\n")}\n];`,
    "",
  ].join("\n");
}

/** Why the committed module is not what the sources make; undefined when it is. */
export async function staleness(
  built: BuiltConsole,
  root: string = repositoryRoot(),
): Promise<string | undefined> {
  const { CONSOLE_FILES, CONSOLE_PACKAGES } = await import(new URL(`file://${path.join(root, MODULE)}`).href);
  const committed: BuiltFile[] = CONSOLE_FILES.map(({ gzip, ...file }: { gzip: string }) => ({
    ...file,
    content: gunzipSync(Uint8Array.fromBase64(gzip)).toString(),
  }));
  const same =
    JSON.stringify([committed, CONSOLE_PACKAGES]) === JSON.stringify([built.files, built.packages]);
  return same ? undefined : `${MODULE} is stale: run deno task console, and commit what it writes`;
}

if (import.meta.main) {
  const root = repositoryRoot();
  try {
    const built = await buildConsole(root);
    if (Deno.args.includes("--check")) {
      const stale = await staleness(built, root);
      if (stale !== undefined) throw new Error(stale);
    } else {
      await Deno.writeTextFile(path.join(root, MODULE), moduleOf(built));
    }
    console.log(
      `console: ${built.bytes} bytes, ${built.compressedBytes} compressed; ${built.packages.join(", ")}`,
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    Deno.exitCode = 1;
  } finally {
    await esbuild.stop();
  }
}
