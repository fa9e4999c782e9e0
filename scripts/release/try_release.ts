// Tries what ships the way a person meets it: the binary, and the npm tarball, each in an empty folder with an empty
// home, through the first steps of tests/support/server/release_steps.ts. On any system; what isn't given is taken from
// dist/. A Node by its version is fetched through npm.
// Usage: deno run -A scripts/release/try_release.ts [--binary FILE] [--tarball FILE] [--node VERSION|FILE,…]

import { parseArgs } from "@std/cli/parse-args";
import * as path from "node:path";
import { STEPS } from "../../tests/support/server/release_steps.ts";
import { nodeOf } from "../../tests/support/base/node_versions.ts";
import { type Shipment, Shipped } from "../../tests/support/server/shipped.ts";

const LABELS = { binary: "the binary", node: "the npm package", sources: "the sources" } as const;

/** Takes every step; the number of those that failed. */
async function tryOut(shipment: Shipment): Promise<number> {
  await using shipped = await Shipped.make(shipment);
  const on = shipment.node === undefined ? "" : ` on ${shipment.node}`;
  console.log(`${LABELS[shipment.target]}${on}, alone in ${shipped.folder}`);
  let failed = 0;
  for (const { name, take, without } of STEPS) {
    const missing = await without?.();
    if (missing !== undefined) {
      console.log(`  left out  ${name}: ${missing}`);
      continue;
    }
    try {
      console.log(`  ok      ${name}: ${await take(shipped)}`);
    } catch (error) {
      failed++;
      console.log(`  FAILED  ${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return failed;
}

/** The executable of a Node that is given by its version or its path. */
async function nodeFor(name: string): Promise<string> {
  if (!/^\d+(?:\.\d+)*$/.test(name)) return path.resolve(name);
  const found = await nodeOf(name);
  if ("reason" in found) throw new Error(found.reason);
  return found.path;
}

async function shipments(): Promise<Shipment[]> {
  const { binary, tarball, node } = parseArgs(Deno.args, { string: ["binary", "tarball", "node"] });
  const given: Shipment[] = [];
  const nodes = typeof node === "string" ? await Promise.all(node.split(",").map(nodeFor)) : [];
  const wantsAll = typeof binary !== "string" && typeof tarball !== "string";
  if (typeof binary === "string") given.push({ target: "binary", file: path.resolve(binary) });
  else if (wantsAll && nodes.length === 0) given.push({ target: "binary" });
  if (typeof tarball === "string" || wantsAll) {
    const file = typeof tarball === "string" ? { file: path.resolve(tarball) } : {};
    for (const one of nodes) given.push({ target: "node", node: one, ...file });
    if (nodes.length === 0) given.push({ target: "node", ...file });
  }
  return given;
}

if (import.meta.main) {
  let failed = 0;
  for (const shipment of await shipments()) failed += await tryOut(shipment);
  console.log(failed === 0 ? "everything works" : `${failed} failed`);
  Deno.exit(failed === 0 ? 0 : 1);
}
