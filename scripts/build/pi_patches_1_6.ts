// What pi_patches.ts has for pi 0.73, for pi 1.6.0. It knows bundles itself, and so needs less: most of these have
// esbuild read an import's specifier. Used by bundle.ts alone.

import { commonAssets, commonPatches, COMPILED, type PiKit } from "./pi_patches.ts";

const FOLDER = "pi-1.6";
const PI = "@earendil-works/pi-coding-agent";
const AI = "@earendil-works/pi-ai";
const READABLE = "esbuild bundles an import only when it can read its specifier";
const LOGINS = [
  "anthropic",
  "openai-codex",
  "github-copilot",
  "openrouter",
  "kimi-coding",
  "meta",
  "xai",
  "radius",
];

/** The thread of a codemode script, and the machine that runs it. */
const CODEMODE: readonly (readonly [from: string, to: string])[] = [
  [
    "export function getCodemodeWorkerSpecifier() {\n",
    "export function getCodemodeWorkerSpecifier() {\n    return piServerAssets.codemodeWorker;\n",
  ],
  [
    'quickJSWasmPath ??= createRequire(import.meta.url).resolve("quickjs-wasi/quickjs.wasm");',
    `quickJSWasmPath ??= join(piServerAssets.folder("${FOLDER}"), "quickjs.bin");`,
  ],
];
const CODEMODE_WHY = "scripts of codemode run in a thread of the bundle";

/** pi 1.6. */
export const KIT_1_6: PiKit = {
  folder: FOLDER,
  package: PI,
  patches: [
    {
      file: `${PI}/dist/core/extensions/loader.js`,
      edits: [
        [
          "const usesEmbeddedModules = isBunBinary || isNodeSeaBinary || isBundledNode;",
          "const usesEmbeddedModules = true;",
        ],
        [
          '(usesEmbeddedModules ? import("./jiti-static-loader.js") : import("./jiti-loader.js"))',
          'import("./jiti-static-loader.js")',
        ],
        ["tryNative: false }\n", `tryNative: false, fsCache: ${COMPILED} }\n`],
      ],
      why:
        "extensions import pi and typebox from the bundle; the TypeScript compiler loads with the first of them",
    },
    ...commonPatches(PI, FOLDER).map((patch) =>
      patch.file === `${PI}/dist/config.js`
        ? { ...patch, edits: [...patch.edits, ...CODEMODE], why: `${patch.why}; ${CODEMODE_WHY}` }
        : patch
    ),
    {
      file: `${AI}/dist/auth/oauth/load.js`,
      edits: LOGINS.map((name) => [`importOAuthModule("./${name}.ts")`, `import("./${name}.js")`] as const),
      why: READABLE,
    },
    {
      file: `${AI}/dist/api/bedrock-converse-stream.lazy.js`,
      edits: [[
        'importNodeOnlyApi("./bedrock-converse-stream.ts")',
        'import("./bedrock-converse-stream.js")',
      ]],
      why: READABLE,
    },
    {
      file: `${PI}/dist/index.js`,
      edits: [[
        "export { CONFIG_DIR_NAME,",
        'export { default as llamaExtension } from "./extensions/llama/index.js";\nexport { CONFIG_DIR_NAME,',
      ]],
      why: "the package does not export it (engines/built_ins_1_6.ts)",
    },
    {
      file: `${PI}/dist/utils/syntax-highlight.js`,
      edits: [],
      why: "it imports a CommonJS module for its effect, and takes nothing from it",
    },
  ],
  assets: [
    ...commonAssets(PI),
    [
      PI,
      "dist/core/export-html/vendor/marked-cjk-friendly.min.js",
      "dist/core/export-html/vendor/marked-cjk-friendly.min.js",
    ],
    ["quickjs-wasi", "quickjs.wasm", "quickjs.bin"],
  ],
};
