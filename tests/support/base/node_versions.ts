// Further versions of Node, fetched through npm once and kept in dist/nodes; where npm's registry cannot be reached,
// the reason for going without.

import * as path from "node:path";
import { ON_1_6, REPO } from "../server/server_process.ts";
import { run } from "../server/shipped.ts";

/** The oldest that we promise, and the newest of each later line; the newer pi asks for more. */
export const NODE_VERSIONS: readonly string[] = ON_1_6 ? ["22.19.0", "24"] : ["20.6.0", "22", "24"];

/** The executable of a version such as `22`, or why there is none. */
export async function nodeOf(version: string): Promise<{ path: string } | { reason: string }> {
  const folder = `${REPO}/dist/nodes/${version}`;
  const name = Deno.build.os === "windows" ? "node.exe" : "node";
  const node = path.join(folder, "node_modules/node/bin", name);
  const works = async (): Promise<boolean> => {
    const { stdout } = await run(node, ["--version"]).catch(() => ({ stdout: "" }));
    return `${stdout.trim()}.`.startsWith(`v${version}.`);
  };
  await Deno.mkdir(folder, { recursive: true });
  // Files of one run share the folder, and so do the runs of the builds.
  const lock = await Deno.open(path.join(folder, "lock"), { create: true, write: true });
  try {
    await lock.lock(true);
    if (await works()) return { path: node };
    const args = [
      ...["install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", "--fetch-retries=0"],
      `node@${version}`,
    ];
    const [program, ...first] = Deno.build.os === "windows" ? ["cmd", "/c", "npm"] : ["npm"];
    const { code, stderr } = await run(program ?? "npm", [...first, ...args], { cwd: folder });
    if (code === 0 && await works()) return { path: node };
    return { reason: `npm cannot install node@${version}: ${stderr.trim().slice(0, 200)}` };
  } finally {
    lock.close();
  }
}
