// Does: lists the code, prompts and settings that pi would load from a folder by itself.
// Used by: factory.ts. A folder that is not trusted gets none of them (docs/PROTOCOL.md#paths-and-trust).
// Invariant: it only looks, and never loads.
import { PI_PACKAGES } from "../../../protocol/pi_package.ts";
import { engineToLoad } from "../engines/choice.ts";
import type { Files } from "../../../runtime/runtime.ts";

const IN_FOLDER: readonly string[] = [
  ".pi/extensions",
  ".pi/settings.json",
  ".pi/skills",
  ".pi/prompts",
  ".pi/themes",
  ".pi/SYSTEM.md",
  ".pi/APPEND_SYSTEM.md",
  ...PI_PACKAGES[engineToLoad()].projectFiles.map((name) => `.pi/${name}`),
];

/** pi reads these in the folder and in every folder above it. */
const IN_ANCESTORS: readonly string[] = [...PI_PACKAGES[engineToLoad()].contextFiles, ".agents/skills"];

function ancestors(folder: string, files: Files): string[] {
  const all = [folder];
  for (let at = folder; files.parent(at) !== at; at = files.parent(at)) all.push(files.parent(at));
  return all;
}

/**
 * Paths of everything that pi would load from `cwd` and above it. Paths inside `cwd` are relative.
 *
 * @param ofUser paths that belong to the user and count as trusted
 */
export async function projectResources(
  cwd: string,
  files: Files,
  ofUser: readonly string[],
): Promise<string[]> {
  const candidates = IN_FOLDER.map((name) => ({ shown: name, path: files.join(cwd, name) }));
  for (const folder of ancestors(cwd, files)) {
    for (const name of IN_ANCESTORS) {
      const path = files.join(folder, name);
      if (ofUser.includes(path)) continue;
      candidates.push({ shown: folder === cwd ? name : path, path });
    }
  }
  const found = await Promise.all(candidates.map(async ({ shown, path }) => ({
    shown,
    exists: await files.stat(path).catch(() => undefined) !== undefined,
  })));
  return found.filter(({ exists }) => exists).map(({ shown }) => shown);
}
