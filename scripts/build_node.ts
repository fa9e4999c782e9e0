// Builds the npm package in dist/npm/: the bundle, bin/pi-server.js, package.json, README and LICENSE. It has no
// dependencies and runs on Node 20.6 and later. Usage: deno run -A scripts/build_node.ts

import * as path from "node:path";
import { bundle, ignoreMissing, repositoryRoot } from "./bundle.ts";

const NODE_FLOOR = "20.6.0";

interface ProjectConfig {
  readonly version: string;
  readonly license: string;
}

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

function packageJson(config: ProjectConfig): string {
  const manifest = {
    name: "pi-server",
    version: config.version,
    description: "Many sessions of the pi coding agent behind one WebSocket or stdio connection",
    license: config.license,
    type: "module",
    bin: { "pi-server": "bin/pi-server.js" },
    exports: { ".": "./mod.js", "./package.json": "./package.json" },
    engines: { node: `>=${NODE_FLOOR}` },
  };
  return JSON.stringify(manifest, null, 2) + "\n";
}

/** Builds into `outDir` and returns the size in bytes. */
export async function buildNode(outDir: string, root: string = repositoryRoot()): Promise<number> {
  const config: ProjectConfig = JSON.parse(await Deno.readTextFile(path.join(root, "deno.json")));
  const report = await bundle({ outDir, platform: "node", root });
  await Deno.mkdir(path.join(outDir, "bin"));
  const bin = path.join(outDir, "bin/pi-server.js");
  await Deno.writeTextFile(bin, BIN);
  if (Deno.build.os !== "windows") await Deno.chmod(bin, 0o755);
  await Deno.writeTextFile(path.join(outDir, "package.json"), packageJson(config));
  for (const name of ["README.md", "LICENSE"]) {
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
