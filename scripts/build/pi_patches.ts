// Does: patches pi and its dependencies for a bundle: texts to replace, files read at run time,
// packages that may be absent. Everything here is tied to pinned versions: the build fails, naming the place, when
// a text is no longer found or a patched file no longer reached. Used by bundle.ts. This file has the patches of pi 0.73
// and those of both engines; pi_patches_1_6.ts has those of pi 1.6.

import type * as esbuild from "esbuild";
import * as path from "node:path";

/** The virtual module that knows where the files of pi/ lie; bundle.ts makes it. */
export const ASSETS = "pi-server:assets";
const PI = "@mariozechner/pi-coding-agent";
const FOLDER = "pi";

/** What has to be known of a pi to bundle it. */
export interface PiKit {
  /** The folder of the bundle that holds the files of its package. */
  readonly folder: string;
  readonly package: string;
  readonly patches: readonly Patch[];
  /** Files of packages that are read at run time: [package, path in it, name in the folder]. */
  readonly assets: readonly (readonly [string, string, string])[];
}

/** Texts to replace in one file. */
export interface Patch {
  /** End of the file's path, with forward slashes. */
  readonly file: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
  readonly why: string;
}

/** Why most of them are needed. */
export const CJS = "a bundled CommonJS module, imported dynamically, has a default export only";

/**
 * Where jiti keeps what it has compiled: in pi's own folder, where the user alone may write. jiti's own choice is a
 * folder in /tmp that anyone may make first. A text that has changed is compiled anew.
 */
export const COMPILED = 'path.join(getAgentDir(), "cache", "pi-server-compiled")';

/** Keeps the newest compilation of each of an extension's files, for as long as the worker lives. */
const TRANSFORM_ONCE = `const piServerCompiled = new Map();
function piServerTransform(options) {
  const name = options.filename + (options.async ? " async" : "");
  const key = JSON.stringify(options);
  const known = piServerCompiled.get(name);
  if (known !== undefined && known.key === key) return known.result;
  const result = _babelTransform(options);
  if (piServerCompiled.size >= 1000) piServerCompiled.clear();
  if (!result.error) piServerCompiled.set(name, { key, result });
  return result;
}`;

/** jiti always imports itself natively, which the binary cannot do from the disk. Packages get the one of the bundle. */
const JITI_ITSELF = `function piServerModules(opts) {
  if (opts.virtualModules === undefined) return opts;
  const jiti = { createJiti, default: createJiti };
  return { ...opts, virtualModules: { jiti, "jiti/static": jiti, ...opts.virtualModules } };
}`;

/** What every pi needs, whichever its package is. */
export function commonPatches(pi: string, folder: string): Patch[] {
  return [
    {
      file: "jiti/lib/jiti-static.mjs",
      edits: [["transform: _babelTransform }", "transform: piServerTransform }"], [
        "export function createJiti(",
        `${TRANSFORM_ONCE}\n${JITI_ITSELF}\nexport function createJiti(`,
      ], [
        "  if (!opts.transform) {\n",
        "  opts = piServerModules(opts);\n  if (!opts.transform) {\n",
      ], [
        "const nativeImport = (id) => import(id);",
        `const nativeImport = (id) => (globalThis[Symbol.for("pi-server:import-from-disk")] ?? ((id) => import(id)))(id);`,
      ]],
      why:
        "a second session finds an extension compiled; packages get this jiti; and the binary loads CommonJS from the disk (modules/disk_modules.ts)",
    },
    {
      file: `${pi}/dist/config.js`,
      edits: [
        [
          "export function getPackageDir() {\n",
          `export function getPackageDir() {\n    return piServerAssets.folder("${folder}");\n`,
        ],
        ["export const isBunBinary", `import piServerAssets from "${ASSETS}";\nexport const isBunBinary`],
      ],
      why:
        "package.json, themes, templates and docs lie in that folder, and no variable is set that shells would inherit",
    },
    {
      file: "gaxios/build/cjs/src/gaxios.js",
      edits: [["await import('https-proxy-agent')", "(await import('https-proxy-agent')).default"]],
      why: CJS,
    },
    {
      file: `${pi}/dist/utils/photon.js`,
      edits: [[
        'await import("@silvia-odwyer/photon-node")',
        '(await import("@silvia-odwyer/photon-node")).default',
      ]],
      why: CJS,
    },
    {
      file: "@silvia-odwyer/photon-node/photon_rs.js",
      edits: [[
        "require('path').join(__dirname, 'photon_rs_bg.wasm')",
        `require("${ASSETS}").default.photonWasm`,
      ]],
      why: "the image codec lies in pi/",
    },
  ];
}

const PATCHES: readonly Patch[] = [
  {
    file: `${PI}/dist/core/extensions/loader.js`,
    edits: [
      ['import { createJiti } from "jiti/static";\n', ""],
      [
        "const jiti = createJiti(",
        'const { createJiti } = await import("jiti/static");\n    const jiti = createJiti(',
      ],
      [
        "...(isBunBinary ? { virtualModules: VIRTUAL_MODULES, tryNative: false } : { alias: getAliases() }),",
        `virtualModules: VIRTUAL_MODULES, tryNative: false, fsCache: ${COMPILED},`,
      ],
    ],
    why:
      "extensions import pi and typebox from the bundle; the TypeScript compiler loads with the first of them",
  },
  ...commonPatches(PI, FOLDER),
  {
    file: "@mariozechner/pi-ai/dist/providers/register-builtins.js",
    edits: [['importNodeOnlyProvider("./amazon-bedrock.js")', 'import("./amazon-bedrock.js")']],
    why: "esbuild bundles an import only when it can read its specifier",
  },
  {
    file: "@mariozechner/pi-ai/dist/providers/amazon-bedrock.js",
    edits: [
      [
        'await import("@smithy/node-http-handler")',
        '(await import("@smithy/node-http-handler")).default',
      ],
      ['await import("proxy-agent")', '(await import("proxy-agent")).default'],
      [
        'process.env.AWS_BEDROCK_FORCE_HTTP1 === "1"',
        '"Deno" in globalThis || process.env.AWS_BEDROCK_FORCE_HTTP1 === "1"',
      ],
    ],
    why: `${CJS}; and the HTTP/2 of Deno 2.4 lacks what the AWS SDK asks of it`,
  },
  {
    file: "@tootallnate/quickjs-emscripten/dist/generated/emscripten-module.WASM_RELEASE_SYNC.js",
    edits: [['__dirname + "/"', '"/"']],
    why: "an ES module has no __dirname; its wasm is inlined, so the folder is never read",
  },
];

/** Packages that dependencies use only where they are installed; in the bundle, as without them, loading throws. */
const OPTIONAL_PACKAGES = /^(?:@opentelemetry\/.*|bufferutil|utf-8-validate)$/;

/** What loads some of them whether they are used or not. */
const NEEDS_THEM = /[\\/]node_modules[\\/](?:prom-client|@opentelemetry)[\\/]/;

/** Files that every pi reads at run time. `deno compile` would take a .wasm file for a module, hence its other name. */
export function commonAssets(pi: string): [string, string, string][] {
  const own = [
    "package.json",
    "README.md",
    "dist/modes/interactive/theme/dark.json",
    "dist/modes/interactive/theme/light.json",
    "dist/core/export-html/template.html",
    "dist/core/export-html/template.css",
    "dist/core/export-html/template.js",
    "dist/core/export-html/vendor/highlight.min.js",
    "dist/core/export-html/vendor/marked.min.js",
  ];
  return own.map((path) => [pi, path, path]);
}

/** pi 0.73, and the image codec of both engines. */
export const KIT_0_73: PiKit = {
  folder: FOLDER,
  package: PI,
  patches: PATCHES,
  assets: [
    ...commonAssets(PI),
    ["@silvia-odwyer/photon-node", "photon_rs_bg.wasm", "photon_rs_bg.bin"],
    [PI, "dist/modes/interactive/theme/theme-schema.json", "dist/modes/interactive/theme/theme-schema.json"],
  ],
};

/** Makes a module that throws of every optional package. */
export function optionalPackages(): esbuild.Plugin {
  return {
    name: "optional-packages",
    setup(build) {
      build.onResolve({ filter: OPTIONAL_PACKAGES }, ({ path: name, importer }) => {
        return NEEDS_THEM.test(importer) ? undefined : { path: name, namespace: "optional" };
      });
      build.onLoad({ filter: /.*/, namespace: "optional" }, ({ path: name }) => ({
        contents: `module.exports = {}; throw new Error("Cannot find package '${name}'");`,
        loader: "js",
      }));
    },
  };
}

/** The patches of all kits. What several of them patch, they patch alike. */
function allPatches(kits: readonly PiKit[]): Patch[] {
  const byFile = new Map(kits.flatMap(({ patches }) => patches.map((patch) => [patch.file, patch])));
  return [...byFile.values()];
}

/** Applies the patches, and notes in `applied` which files were reached. */
export function patches(kits: readonly PiKit[], applied: Set<string>): esbuild.Plugin {
  const all = allPatches(kits);
  return {
    name: "patches",
    setup(build) {
      const names = all.map(({ file }) => path.basename(file).replaceAll(".", "\\."));
      build.onLoad({ filter: new RegExp(`[\\\\/](?:${names.join("|")})$`) }, async ({ path: file }) => {
        const patch = patchFor(all, file);
        if (patch === undefined) return undefined;
        applied.add(patch.file);
        return { contents: applyPatch(patch, await Deno.readTextFile(file)), loader: "js" };
      });
    },
  };
}

function patchFor(all: readonly Patch[], file: string): Patch | undefined {
  const name = file.replaceAll("\\", "/");
  return all.find((patch) => name.endsWith(`/${patch.file}`));
}

function applyPatch(patch: Patch, text: string): string {
  let result = text;
  for (const [from, to] of patch.edits) {
    if (!result.includes(from)) {
      throw new Error(`${patch.file} no longer contains: ${from} (why: ${patch.why})`);
    }
    result = result.replaceAll(from, () => to);
  }
  return result;
}

/** Throws when a patch is out of use, or a module needs one that is not there. */
export function checkPatches(
  kits: readonly PiKit[],
  applied: Set<string>,
  metafile: esbuild.Metafile,
): void {
  const all = allPatches(kits);
  const missing = all.filter((patch) => !applied.has(patch.file)).map((patch) => patch.file);
  if (missing.length > 0) throw new Error(`expected in the bundle, but not reached: ${missing.join(", ")}`);
  for (const [importer, { imports }] of Object.entries(metafile.inputs)) {
    for (const edge of imports) {
      if (edge.kind !== "dynamic-import" || metafile.inputs[edge.path]?.format !== "cjs") continue;
      if (patchFor(all, importer) === undefined) {
        throw new Error(`${importer} imports ${edge.path} dynamically and needs a patch: ${CJS}`);
      }
    }
  }
}
