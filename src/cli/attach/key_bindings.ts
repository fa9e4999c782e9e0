// Does: finds the keys of each action, which the person may set in pi's keybindings.json.
// Used by: keys.ts, the panels, and every text that names a key.
// Invariant: the names and the file are pi's, so that one file serves pi and this client.
import {
  KeybindingsManager,
  type KeyId,
  matchesKey,
  setKeybindings,
  TUI_KEYBINDINGS,
} from "@mariozechner/pi-tui";
import type { Io } from "../../runtime/terminal/io.ts";

/** Actions of this client under pi's names. Where pi has no key for one, the key is this client's own. */
const DEFAULTS = {
  "app.interrupt": ["escape"],
  "app.clear": ["ctrl+c"],
  "app.exit": ["ctrl+d"],
  "app.thinking.cycle": ["shift+tab"],
  "app.model.cycleForward": ["ctrl+p"],
  "app.model.cycleBackward": ["shift+ctrl+p"],
  "app.model.select": ["ctrl+l"],
  "app.tools.expand": ["ctrl+o"],
  "app.thinking.toggle": ["ctrl+t"],
  "app.message.followUp": ["alt+enter"],
  "app.message.dequeue": ["alt+up"],
  "app.clipboard.pasteImage": ["ctrl+v"],
  "app.session.new": ["alt+n"],
  "app.session.resume": ["alt+s"],
  "app.session.tree": [],
  "app.session.fork": [],
  "app.session.rename": ["ctrl+r"],
} as const satisfies Readonly<Record<string, readonly KeyId[]>>;

/** One action. */
export type Action = keyof typeof DEFAULTS;

/** Names of older versions of pi, beside those of its editor. */
const OLD_NAMES: Readonly<Record<string, Action>> = {
  interrupt: "app.interrupt",
  clear: "app.clear",
  exit: "app.exit",
  cycleThinkingLevel: "app.thinking.cycle",
  cycleModelForward: "app.model.cycleForward",
  cycleModelBackward: "app.model.cycleBackward",
  selectModel: "app.model.select",
  expandTools: "app.tools.expand",
  toggleThinking: "app.thinking.toggle",
  followUp: "app.message.followUp",
  dequeue: "app.message.dequeue",
  pasteImage: "app.clipboard.pasteImage",
  newSession: "app.session.new",
  resume: "app.session.resume",
  tree: "app.session.tree",
  fork: "app.session.fork",
  renameSession: "app.session.rename",
};

let bound: Readonly<Record<string, readonly KeyId[]>> = DEFAULTS;

/** The name that an older name of pi's editor and its lists has now. */
function editorName(name: string): string {
  const list = /^select([A-Z]\w*)$/.exec(name)?.[1];
  const names = [
    `tui.editor.${name}`,
    `tui.input.${name}`,
    ...list === undefined ? [] : [`tui.select.${list.charAt(0).toLowerCase()}${list.slice(1)}`],
  ];
  return names.find((one) => Object.hasOwn(TUI_KEYBINDINGS, one)) ?? name;
}

/** The keys that a keybindings.json sets, by action; nothing where the text is not one. As pi does, it skips errors. */
export function parseBindings(text: string): Record<string, KeyId[]> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const found: Record<string, KeyId[]> = {};
  for (const [name, keys] of Object.entries(value)) {
    const all: unknown[] = Array.isArray(keys) ? keys : [keys];
    const now = Object.hasOwn(OLD_NAMES, name) ? OLD_NAMES[name] ?? name : editorName(name);
    if (!all.every(isName) || (now !== name && Object.hasOwn(value, now))) continue;
    found[now] = all;
  }
  return found;
}

function isName(value: unknown): value is KeyId {
  return typeof value === "string" && /^[!-~]{1,40}$/.test(value);
}

/** Takes the keys of a file's text into use, for pi's editor as well; without a text those of pi. */
export function bindKeys(text: string, system: string): void {
  const own = parseBindings(text);
  // Windows Terminal keeps Ctrl+V for itself.
  const paste: readonly KeyId[] = system === "win32" ? ["alt+v"] : DEFAULTS["app.clipboard.pasteImage"];
  bound = { ...DEFAULTS, "app.clipboard.pasteImage": paste, ...own };
  setKeybindings(new KeybindingsManager(TUI_KEYBINDINGS, own));
}

/** Reads the file and takes its keys into use. */
export async function loadKeys(io: Io, file: string): Promise<void> {
  const text = await io.read(file).catch(() => undefined);
  bindKeys(text ?? "", io.system);
}

/** Whether the input is that key, or a key of that action. */
export function isKey(data: string, on: KeyId | Action): boolean {
  const keys = on in DEFAULTS ? bound[on] ?? [] : [on as KeyId];
  return keys.some((key) => matchesKey(data, key));
}

const WORDS: Readonly<Record<string, string>> = { escape: "Esc", pageUp: "PageUp", pageDown: "PageDown" };

/** The keys of an action as a text names them, such as `Ctrl+O`. */
export function keyName(action: Action): string {
  const names = (bound[action] ?? []).map((key) =>
    key.split("+").map((part) => WORDS[part] ?? part.charAt(0).toUpperCase() + part.slice(1)).join("+")
  );
  return names.length === 0 ? "no key" : names.join(", ");
}
