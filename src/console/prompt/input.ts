// What a typed text asks for: a message, a shell command, or the beginning of a slash command. Pure.

/** What the prompt box sends. */
export type Typed =
  | { readonly kind: "message"; readonly message: string }
  | { readonly kind: "shell"; readonly command: string; readonly hidden: boolean }
  | { readonly kind: "nothing" };

/** Reads the text of the prompt box: `!command` runs a shell, `!!command` one that the model does not see. */
export function typed(text: string): Typed {
  const trimmed = text.trim();
  if (trimmed === "") return { kind: "nothing" };
  const shell = /^(!!?)\s*(\S[^]*)$/.exec(trimmed);
  if (shell?.[2] !== undefined) return { kind: "shell", command: shell[2], hidden: shell[1] === "!!" };
  return { kind: "message", message: text };
}

/** A slash command that can be completed. */
export interface Completion {
  readonly name: string;
  readonly description: string;
  readonly source: string;
}

const MOST = 8;

/** The commands that the text may become; none unless it is the beginning of one. */
export function completions(text: string, commands: readonly Completion[]): readonly Completion[] {
  const begun = /^\/([^\s]*)$/.exec(text)?.[1]?.toLowerCase();
  if (begun === undefined) return [];
  const fitting = commands.filter(({ name }) => name.toLowerCase().includes(begun));
  const first = ({ name }: Completion): number => name.toLowerCase().startsWith(begun) ? 0 : 1;
  return fitting.sort((a, b) => first(a) - first(b) || a.name.localeCompare(b.name)).slice(0, MOST);
}
