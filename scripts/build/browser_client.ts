// Bundles src/client/browser.ts, the client for web pages, into one file for the npm package: nothing of Node's, no
// top-level await, and a bound on its size. Used by build_node.ts.

import * as esbuild from "esbuild";
import { gzipSync } from "node:zlib";

/** Its name in the package. */
export const BROWSER_CLIENT = "client.browser.js";
/** Most bytes, compressed. */
const MOST_COMPRESSED_BYTES = 12_000;

/** The file's text. Throws when it is too large, or asks for what a browser has not. */
export async function browserClient(root: string): Promise<string> {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ["src/client/browser.ts"],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    // Without top-level await, which older browsers and some bundlers do not take.
    target: ["es2022", "chrome94", "firefox93", "safari15.4"],
    supported: { "top-level-await": false },
    legalComments: "none",
    tsconfigRaw: {},
    write: false,
    logLevel: "silent",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("the client for browsers was not bundled");
  const size = gzipSync(file.text, { level: 9 }).length;
  if (size > MOST_COMPRESSED_BYTES) {
    throw new Error(`${BROWSER_CLIENT} has ${size} bytes compressed; the most is ${MOST_COMPRESSED_BYTES}`);
  }
  if (/["']node:|\bimport\s*\(/.test(file.text)) {
    throw new Error(`${BROWSER_CLIENT} asks for modules of Node's`);
  }
  return file.text;
}
