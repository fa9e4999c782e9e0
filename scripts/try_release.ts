// Tries what ships the way a person meets it: the binary, and the npm tarball, each in an empty folder with an empty
// home, through the first steps of tests/support/release_steps.ts. On any system; what isn't given is taken from
// dist/. Usage: deno run -A scripts/try_release.ts [--binary FILE] [--tarball FILE [--node FILE]]

import { parseArgs } from "@std/cli/parse-args";
import * as path from "node:path";
import { STEPS } from "../tests/support/release_steps.ts";
import { type Shipment, Shipped } from "../tests/support/shipped.ts";

const LABELS = { binary: "the binary", node: "the npm package", sources: "the sources" } as const;

/** Takes every step; the number of those that failed. */
async function tryOut(shipment: Shipment): Promise<number> {
  await using shipped = await Shipped.make(shipment);
  console.log(`${LABELS[shipment.target]}, alone in ${shipped.folder}`);
  let failed = 0;
  for (const { name, take } of STEPS) {
    try {
      console.log(`  ok      ${name}: ${await take(shipped)}`);
    } catch (error) {
      failed++;
      console.log(`  FAILED  ${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return failed;
}

function shipments(): Shipment[] {
  const { binary, tarball, node } = parseArgs(Deno.args, { string: ["binary", "tarball", "node"] });
  const runtime = typeof node === "string" ? { node } : {};
  const given: Shipment[] = [];
  if (typeof binary === "string") given.push({ target: "binary", file: path.resolve(binary) });
  if (typeof tarball === "string") given.push({ target: "node", file: path.resolve(tarball), ...runtime });
  return given.length > 0 ? given : [{ target: "binary" }, { target: "node", ...runtime }];
}

if (import.meta.main) {
  let failed = 0;
  for (const shipment of shipments()) failed += await tryOut(shipment);
  console.log(failed === 0 ? "everything works" : `${failed} failed`);
  Deno.exit(failed === 0 ? 0 : 1);
}
