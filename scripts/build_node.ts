// Builds the npm package in dist/npm/: the bundle with every export of deno.json, their types, bin/pi-server.js,
// package.json, README, CHANGELOG and LICENSE. It has no dependencies and runs on Node 20.6 and later.
// Usage: deno run -A scripts/build_node.ts

import * as path from "node:path";
import { bundle, exportName, ignoreMissing, type Project, readProject, repositoryRoot } from "./bundle.ts";
import { declarations } from "./declarations.ts";

const NODE_FLOOR = "20.6.0";

/** Loads nothing before Node's version is known to be enough, so that an old Node gets a sentence. */
const BIN = `#!/usr/bin/env node
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 6)) {
  console.error(\`pi-server needs Node ${NODE_FLOOR} or later; this is Node \${process.versions.node}\`);
  process.exitCode = 1;
} else {
  const { main } = await import("../mod.js");
  process.exitCode = await main(process.argv.slice(2));
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
    { types: `./types/${types.get(key)}`, default: `./${exportName(key)}.js` },
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
  const types = await writeTypes(root, outDir, project);
  await Deno.writeTextFile(path.join(outDir, "package.json"), packageJson(project, types));
  for (const name of ["README.md", "CHANGELOG.md", "LICENSE"]) {
    await Deno.copyFile(path.join(root, name), path.join(outDir, name)).catch(ignoreMissing);
  }
  return report.bytes;
}

if (import.meta.main) {
  const start = performance.now();
  const bytes = await buildNode(path.join(repositoryRoot(), "dist/npm"));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`dist/npm: ${(bytes / 1e6).toFixed(1)} MB in ${seconds} s`);
}
