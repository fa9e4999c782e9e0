// Does: loads skills and prompts whose file begins with a byte order mark, where pi misses the head of the file, and
// names prompts whose head is not valid YAML, which pi 0.73 leaves out without a word.
// Used by: sdk/resources.ts, as overrides of pi's loader. Invariant: what pi reads well is left as pi reads it.
import { basename, dirname } from "node:path";
import { pi } from "../engines/packages.ts";
import type { ServicesOptions } from "../sdk/sdk.ts";

type LoaderOptions = NonNullable<ServicesOptions["resourceLoaderOptions"]>;
type SkillsOverride = NonNullable<LoaderOptions["skillsOverride"]>;
type PromptsOverride = NonNullable<LoaderOptions["promptsOverride"]>;
type Skill = ReturnType<SkillsOverride>["skills"][number];
/** Reads a file without its mark; undefined where it may not be read. */
export type ReadText = (path: string) => { readonly text: string; readonly marked: boolean } | undefined;

interface Head {
  readonly frontmatter: Readonly<Record<string, unknown>>;
  readonly body: string;
}

function headOf(text: string): Head | undefined {
  try {
    const { frontmatter, body } = pi.parseFrontmatter(text);
    return { frontmatter: typeof frontmatter === "object" ? { ...frontmatter } : {}, body };
  } catch {
    return undefined;
  }
}

const textIn = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value : undefined;

/** Adds the skills that pi has left out for the mark alone. */
export function markedSkills(read: ReadText): SkillsOverride {
  return (found) => {
    const skills = [...found.skills];
    const diagnostics = found.diagnostics.filter(({ path }) => {
      if (path === undefined || found.skills.some(({ filePath }) => filePath === path)) return true;
      const file = read(path);
      if (file === undefined || !file.marked) return true;
      const head = headOf(file.text)?.frontmatter;
      const description = textIn(head?.["description"]);
      if (head === undefined || description === undefined) return true;
      const name = textIn(head["name"]) ?? basename(dirname(path));
      if (skills.some((skill) => skill.filePath === path || skill.name === name)) return false;
      const disableModelInvocation = head["disable-model-invocation"] === true;
      // pi fills in where the skill comes from.
      skills.push(
        { name, description, filePath: path, baseDir: dirname(path), disableModelInvocation } as Skill,
      );
      return false;
    });
    return { skills, diagnostics };
  };
}

/**
 * Reads the heads of prompts that begin with the mark.
 *
 * @param paths the prompt files that pi was to load
 */
export function markedPrompts(read: ReadText, paths: () => readonly string[]): PromptsOverride {
  return (found) => {
    const prompts = found.prompts.map((prompt) => {
      const file = read(prompt.filePath);
      const head = file?.marked === true ? headOf(file.text) : undefined;
      if (head === undefined) return prompt;
      const first = head.body.split("\n").find((line) => line.trim() !== "") ?? "";
      return {
        ...prompt,
        description: textIn(head.frontmatter["description"]) ?? first.slice(0, 60),
        content: head.body,
      };
    });
    const loaded = new Set(prompts.map(({ filePath }) => filePath));
    const diagnostics = [...found.diagnostics];
    for (const path of paths()) {
      if (loaded.has(path) || found.diagnostics.some((one) => one.path === path)) continue;
      const file = read(path);
      if (file === undefined || headOf(file.text) !== undefined) continue;
      diagnostics.push({
        type: "warning",
        path,
        message: "its head between the lines --- is not valid YAML",
      });
    }
    return { prompts, diagnostics };
  };
}
