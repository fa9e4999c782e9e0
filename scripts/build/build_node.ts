// Builds the npm package in dist/npm/: the bundle with every export of deno.json, the client for browsers, their
// types, bin/pi-server.js, package.json, README, CHANGELOG and LICENSE. It has no dependencies and runs on Node 20.6
// and later. It holds both engines; pi 1.6 needs Node 22.19.
// Usage: deno run -A scripts/build/build_node.ts

import * as esbuild from "esbuild";
import * as path from "node:path";
import { bundle, exportName, ignoreMissing, type Project, readProject, repositoryRoot } from "./bundle.ts";
import { BROWSER_CLIENT, browserClient } from "./browser_client.ts";
import { declarations } from "./declarations.ts";

const NODE_FLOOR = "20.6.0";

/** Loads nothing before Node's version is known to be enough, so that an old Node gets a sentence. */
const BIN = `#!/usr/bin/env node
const [major, minor] = process.versions.node.split(".").map(Number);
const [leastMajor, leastMinor] = "${NODE_FLOOR}".split(".").map(Number);
if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
  console.error(\`pi-server needs Node ${NODE_FLOOR} or later; this is Node \${process.versions.node}\`);
  process.exitCode = 1;
} else {
  const { main } = await import("../mod.js");
  process.exitCode = await main(process.argv.slice(2));
  // Everywhere but on Windows all output is written by now. A process that runs to its end by itself takes its signal
  // handlers down first, and a SIGTERM in that moment would be its exit code.
  if (process.platform !== "win32") process.exit();
  // What is still open must not keep a finished server alive; what is still being written gets its time.
  setTimeout(() => process.exit(), 2000).unref();
}
`;

/** The package's name on npm; on JSR it is the one in deno.json. */
const NPM_NAME = "pi-server";

/** The manifest; `types` tells where the types of each export lie. */
function packageJson(project: Project, types: ReadonlyMap<string, string>): string {
  const exports = Object.keys(project.exports).map((key) => [
    key,
    {
      types: `./types/${types.get(key)}`,
      // Bundlers for web pages take this one; Node and Deno pass it by.
      ...(key === "./client" ? { browser: `./${BROWSER_CLIENT}` } : {}),
      default: `./${exportName(key)}.js`,
    },
  ]);
  const manifest = {
    name: NPM_NAME,
    version: project.version,
    description: "Many sessions of the pi coding agent behind one WebSocket or stdio connection",
    keywords: ["pi", "coding-agent", "multiplexer", "websocket", "stdio"],
    license: project.license,
    type: "module",
    bin: { [NPM_NAME]: "bin/pi-server.js" },
    exports: { ...Object.fromEntries(exports), "./package.json": "./package.json" },
    types: `./types/${types.get(".")}`,
    engines: { node: `>=${NODE_FLOOR}` },
  };
  return JSON.stringify(manifest, null, 2) + "\n";
}

/** Writes the types to types/; where those of each export lie there. */
async function writeTypes(root: string, outDir: string, project: Project): Promise<Map<string, string>> {
  const { files, entries } = await declarations(root, project.exports);
  for (const [name, text] of files) {
    const target = path.join(outDir, "types", name);
    await Deno.mkdir(path.dirname(target), { recursive: true });
    // Their examples import the package by the name that it has here.
    await Deno.writeTextFile(target, text.replaceAll(`"${project.name}`, `"${NPM_NAME}`));
  }
  return entries;
}

/** Builds into `outDir` and returns the size of the bundle in bytes. */
export async function buildNode(outDir: string, root: string = repositoryRoot()): Promise<number> {
  const project = await readProject(root);
  const report = await bundle({ outDir, platform: "node", root });
  await Deno.mkdir(path.join(outDir, "bin"));
  const bin = path.join(outDir, "bin/pi-server.js");
  await Deno.writeTextFile(bin, BIN);
  if (Deno.build.os !== "windows") await Deno.chmod(bin, 0o755);
  const client = await browserClient(root).finally(() => esbuild.stop());
  await Deno.writeTextFile(path.join(outDir, BROWSER_CLIENT), client);
  const types = await writeTypes(root, outDir, project);
  await Deno.writeTextFile(path.join(outDir, "package.json"), packageJson(project, types));
  for (const name of ["README.md", "CHANGELOG.md", "LICENSE"]) {
    const text = await Deno.readTextFile(path.join(root, name)).catch(ignoreMissing);
    if (text === undefined) continue;
    // What the README imports has the name that the package has here.
    await Deno.writeTextFile(path.join(outDir, name), text.replaceAll(`${project.name}/`, `${NPM_NAME}/`));
  }
  return report.bytes;
}

if (import.meta.main) {
  const start = performance.now();
  const folder = "dist/npm";
  const bytes = await buildNode(path.join(repositoryRoot(), folder));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${folder}: ${(bytes / 1e6).toFixed(1)} MB in ${seconds} s`);
}
