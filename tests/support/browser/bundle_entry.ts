// Bundles an entry of the tests for Node or a browser, as a user of the client would: what is tested there is what is
// published, not what Deno makes of the sources.

import * as esbuild from "esbuild";

/** Bundles the entry; for a browser as a script that leaves its exports in the constant `bundle`. */
export async function bundleEntry(entry: string, platform: "node" | "browser"): Promise<string> {
  const node = platform === "node";
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform,
    ...(node ? { format: "esm" } : { format: "iife", globalName: "bundle" }),
    target: node ? "node20.6" : "es2023",
    external: node ? [] : ["node:*", "ws"],
    banner: node
      ? { js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);' }
      : {},
    tsconfigRaw: {},
    logLevel: "warning",
  });
  await esbuild.stop();
  return outputFiles[0]?.text ?? "";
}
