// What a folder would bring into pi by itself: code, prompts and settings that nobody asked for. A folder
// that was never trusted gets none of it (docs/PROTOCOL.md#paths-and-trust); this lists what was left out. Only looks, never loads.
import { CONTEXT_FILES } from "../../../protocol/pi_package.ts";
import type { Files } from "../../../runtime/runtime.ts";

const IN_FOLDER = [
  ".pi/extensions",
  ".pi/settings.json",
  ".pi/skills",
  ".pi/prompts",
  ".pi/themes",
  ".pi/SYSTEM.md",
  ".pi/APPEND_SYSTEM.md",
] as const;

/** pi reads these in the folder and in every folder above it. */
const IN_ANCESTORS: readonly string[] = [...CONTEXT_FILES, ".agents/skills"];

function ancestors(folder: string, files: Files): string[] {
  const all = [folder];
  for (let at = folder; files.parent(at) !== at; at = files.parent(at)) all.push(files.parent(at));
  return all;
}

/**
 * Paths of what pi would load from `cwd` and above it; those inside `cwd` are given relative to it.
 *
 * @param ofUser paths among them that are the user's own and count as trusted
 */
export async function projectResources(
  cwd: string,
  files: Files,
  ofUser: readonly string[],
): Promise<string[]> {
  const candidates = IN_FOLDER.map((name) => ({ shown: name as string, path: files.join(cwd, name) }));
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
