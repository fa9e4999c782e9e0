// Does: reads the text of a pi settings file tolerantly, and removes values that pi cannot use.
// Used by: sdk/resources.ts, for every reading of a settings file.
// Invariant: pi gets only usable values. Each fault is one sentence with the file's path and the key.
import { isRecord } from "../../../base/json.ts";
import { readJsonText } from "../../../base/json_text.ts";

/** What pi is to read, and what is wrong with the file. */
export interface CheckedSettings {
  readonly text: string;
  readonly faults: readonly string[];
}

type Settings = Record<string, unknown>;
/** What is wrong with a value; undefined for a good one. */
type Check = (value: unknown) => string | undefined;

const kindOf = (name: "string" | "number" | "boolean", what: string): Check => (value) =>
  // deno-lint-ignore valid-typeof -- `name` holds the names of types.
  typeof value === name ? undefined : `must be ${what}`;
const text = kindOf("string", "a text in double quotes");
const number = kindOf("number", "a number");
const flag = kindOf("boolean", "true or false");
const group: Check = (value) => isRecord(value) ? undefined : "must be an object";
const list: Check = (value) => Array.isArray(value) ? undefined : "must be a list";
const mode: Check = (value) =>
  value === "all" || value === "one-at-a-time" ? undefined : 'must be "all" or "one-at-a-time"';
// The older form of this list is an object.
const skills: Check = (value) => isRecord(value) ? undefined : list(value);

const KEYS: Readonly<Record<string, Check>> = {
  defaultProvider: text,
  defaultModel: text,
  defaultThinkingLevel: text,
  theme: text,
  shellPath: text,
  shellCommandPrefix: text,
  sessionDir: text,
  transport: text,
  steeringMode: mode,
  followUpMode: mode,
  enableSkillCommands: flag,
  enableInstallTelemetry: flag,
  compaction: group,
  branchSummary: group,
  retry: group,
  images: group,
  terminal: group,
  markdown: group,
  warnings: group,
  thinkingBudgets: group,
  packages: list,
  extensions: list,
  skills,
  prompts: list,
  themes: list,
  npmCommand: list,
  enabledModels: list,
};

const NESTED: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  compaction: { enabled: flag, reserveTokens: number, keepRecentTokens: number },
  branchSummary: { reserveTokens: number, skipPrompt: flag },
  retry: { enabled: flag, maxRetries: number, baseDelayMs: number, provider: group },
  images: { autoResize: flag, blockImages: flag },
  thinkingBudgets: { minimal: number, low: number, medium: number, high: number },
};

const packageSource: Check = (value) => {
  if (typeof value === "string" && value.trim() !== "") return undefined;
  if (!isRecord(value)) return "must be the source of a package in double quotes, or an object with a source";
  if (typeof value["source"] !== "string" || value["source"].trim() === "") return 'needs a "source"';
  const wrong = ["extensions", "skills", "prompts", "themes"]
    .find((key) => value[key] !== undefined && list(value[key]) !== undefined);
  return wrong === undefined ? undefined : `holds a "${wrong}" that is not a list`;
};

const LISTS: Readonly<Record<string, Check>> = {
  packages: packageSource,
  extensions: text,
  skills: text,
  prompts: text,
  themes: text,
  npmCommand: text,
  enabledModels: text,
};

/** Takes out the entries of a list that are faulty. */
function checkList(key: string, values: readonly unknown[], tell: (what: string) => void): unknown[] {
  const check = LISTS[key];
  return values.filter((value, index) => {
    const why = check?.(value);
    if (why !== undefined) tell(`"${key}[${index}]" ${why}`);
    return why === undefined;
  });
}

/** Takes out the fields of a group that are faulty. */
function checkGroup(key: string, value: Settings, tell: (what: string) => void): Settings {
  const checks = NESTED[key] ?? {};
  return Object.fromEntries(
    Object.entries(value).filter(([name, inner]) => {
      const why = inner === null ? undefined : checks[name]?.(inner);
      if (why !== undefined) tell(`"${key}.${name}" ${why}`);
      return why === undefined;
    }),
  );
}

/** Checks a settings file that holds this text. One that cannot be read at all is handed on as it is. */
export function checkSettings(path: string, content: string): CheckedSettings {
  // pi takes an empty file for one without settings.
  if (content.trim() === "") return { text: content, faults: [] };
  const read = readJsonText(content);
  if (!read.ok) {
    const { at: { line, column }, what } = read;
    const place = `line ${line}, column ${column}`;
    return {
      text: content,
      faults: [
        `${path} is not valid JSON (${place}: ${what}), so pi uses none of its settings; correct it there`,
      ],
    };
  }
  const faults: string[] = [];
  if (read.trailingComma !== undefined) {
    const { line, column } = read.trailingComma;
    const why = "is too much: pi itself ignores the whole file for it";
    faults.push(`${path}: the comma in line ${line}, column ${column} ${why}; remove it`);
  }
  if (!isRecord(read.value)) {
    return { text: "{}", faults: [`${path} must hold an object with settings, so pi ignores it`] };
  }
  const tell = (what: string): void => {
    faults.push(`${path}: ${what}, so it is ignored; correct or remove it`);
  };
  const settings: Settings = {};
  for (const [key, value] of Object.entries(read.value)) {
    const why = value === null ? undefined : Object.hasOwn(KEYS, key) ? KEYS[key]?.(value) : undefined;
    if (why !== undefined) tell(`"${key}" ${why}`);
    else if (Array.isArray(value) && Object.hasOwn(LISTS, key)) settings[key] = checkList(key, value, tell);
    else if (isRecord(value)) settings[key] = checkGroup(key, value, tell);
    else if (value !== null) settings[key] = value;
  }
  return { text: JSON.stringify(settings), faults };
}
