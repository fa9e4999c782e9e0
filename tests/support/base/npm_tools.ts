// Packages that one test alone needs, pinned, fetched through npm once and kept in dist/npm_tools; where npm's registry
// cannot be reached, the reason for going without.

import * as path from "node:path";
import { REPO } from "../server/server_process.ts";

const INSTALL_MS = 600_000;

/** Installs exactly these packages into a folder of that name; its path, or why it is not there. */
export async function npmTools(
  name: string,
  dependencies: Readonly<Record<string, string>>,
): Promise<{ folder: string } | { reason: string }> {
  const folder = `${REPO}/dist/npm_tools/${name}`;
  const manifest = JSON.stringify({ private: true, type: "module", dependencies }, null, 2);
  const stamp = path.join(folder, "installed.json");
  const installed = async (): Promise<boolean> => await Deno.readTextFile(stamp).catch(() => "") === manifest;
  await Deno.mkdir(folder, { recursive: true });
  // Files of one run share the folder, and so do the runs of the three builds.
  const lock = await Deno.open(path.join(folder, "lock"), { create: true, write: true });
  try {
    await lock.lock(true);
    if (await installed()) return { folder };
    await Deno.remove(path.join(folder, "node_modules"), { recursive: true }).catch(() => {});
    await Deno.writeTextFile(path.join(folder, "package.json"), manifest);
    const [program, ...first] = Deno.build.os === "windows" ? ["cmd", "/c", "npm"] : ["npm"];
    const { code, stderr } = await new Deno.Command(program ?? "npm", {
      args: [
        ...first,
        ...["install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--fetch-retries=0"],
      ],
      cwd: folder,
      stdin: "null",
      signal: AbortSignal.timeout(INSTALL_MS),
    }).output();
    if (code !== 0) {
      const text = new TextDecoder().decode(stderr).trim();
      return { reason: `npm cannot install ${Object.keys(dependencies).join(", ")}: ${text.slice(0, 200)}` };
    }
    await Deno.writeTextFile(stamp, manifest);
    return { folder };
  } finally {
    lock.close();
  }
}
