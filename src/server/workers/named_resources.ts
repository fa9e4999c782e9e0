// Does: checks the files that the operator's flags name for pi, and reads those with prompts.
// Used by: cli/main.ts, before the process leaves its folder.
import { errorMessage } from "../../base/error_message.ts";
import { RESOURCE_BYTES } from "../../governor/limits.ts";
import type { PiResources } from "../../protocol/pi_package.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** Thrown with a sentence when something cannot be loaded. */
export class ResourceError extends Error {
  override name = "ResourceError";
}

const PATHS = [["--extension", "extensions"], ["--skill", "skills"], [
  "--prompt-template",
  "prompts",
]] as const;
const TEXTS = [["--system-prompt", "systemPrompt"], [
  "--append-system-prompt",
  "appendSystemPrompt",
]] as const;

/**
 * The resources with the text of each prompt in place of its file's name, as pi has it.
 *
 * @throws {ResourceError} when a path leads nowhere, or to neither a file nor a folder
 */
export async function readNamed(resources: PiResources, runtime: Runtime): Promise<PiResources> {
  for (const [flag, kind] of PATHS) {
    for (const path of resources[kind]) {
      const found = await stat(path, runtime);
      if (found === undefined) throw new ResourceError(`${flag}: there is no file or folder ${path}`);
      if (found.kind === "other") throw new ResourceError(`${flag}: ${path} is neither a file nor a folder`);
    }
  }
  const texts: { systemPrompt?: string; appendSystemPrompt?: string } = {};
  for (const [flag, kind] of TEXTS) {
    const text = resources[kind];
    if (text !== undefined) texts[kind] = await promptOf(flag, text, runtime);
  }
  return { ...resources, ...texts };
}

async function promptOf(flag: string, text: string, runtime: Runtime): Promise<string> {
  const path = runtime.absolute(text);
  const found = await stat(path, runtime);
  if (found?.kind !== "file") return text;
  if (found.size > RESOURCE_BYTES) {
    throw new ResourceError(`${flag}: ${path} is larger than ${RESOURCE_BYTES} bytes`);
  }
  try {
    return await runtime.files.read(path) ?? text;
  } catch (error) {
    throw new ResourceError(`${flag}: ${path} cannot be read: ${errorMessage(error)}`);
  }
}

/** What is there. A text that cannot be the name of a file names none. */
async function stat(path: string, runtime: Runtime): ReturnType<Runtime["files"]["stat"]> {
  return await runtime.files.stat(path).catch(() => undefined);
}
