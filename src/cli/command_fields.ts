// The fields of a command of the protocol, from its JSON Schema: what `call` accepts as flags, and what its
// `--help` says of them.
// Used by: src/cli/commands/call.ts. Pure.
// Invariant: the server judges a value; here a text only becomes the kind of value that the schema allows.
import { didYouMean } from "../config/nearest.ts";
import { isRecord } from "../base/json.ts";
import { UsageError } from "./subcommand.ts";

/** One field. */
export interface Field {
  readonly name: string;
  readonly required: boolean;
  /** Kinds of JSON values that the schema allows. */
  readonly kinds: ReadonlySet<string>;
  /** The only values, where there are few. */
  readonly choices?: readonly string[];
  /** What a list holds. */
  readonly items?: Field;
  /** The value in `--help`. */
  readonly shown: string;
  /** Bounds, for `--help`. */
  readonly about: string;
}

/** Fields that the program fills in itself. */
const OWN: ReadonlySet<string> = new Set(["type", "id"]);

const listOf = (value: unknown): readonly unknown[] => Array.isArray(value) ? value : [];

/** The alternatives of a union, or the schema itself. */
function branches(schema: unknown): readonly unknown[] {
  const union = isRecord(schema) ? listOf(schema["anyOf"] ?? schema["oneOf"]) : [];
  return union.length === 0 ? [schema] : union.flatMap(branches);
}

/** Names of the properties that a schema, or one of its alternatives, has. */
export function propertiesOf(schema: unknown): readonly string[] {
  const names = branches(schema).flatMap((branch) =>
    isRecord(branch) && isRecord(branch["properties"]) ? Object.keys(branch["properties"]) : []
  );
  return [...new Set(names)];
}

function kindsOf(schema: unknown): ReadonlySet<string> {
  const kinds = branches(schema).flatMap((branch) => {
    if (!isRecord(branch)) return [];
    if ("const" in branch) return [typeof branch["const"]];
    if ("enum" in branch) return listOf(branch["enum"]).map((one) => typeof one);
    const { type } = branch;
    return Array.isArray(type) ? type.map(String) : [typeof type === "string" ? type : "object"];
  });
  return new Set(kinds);
}

function choicesOf(schema: unknown): readonly string[] | undefined {
  const all = branches(schema).map((branch) => {
    if (!isRecord(branch)) return undefined;
    return "const" in branch ? [branch["const"]] : "enum" in branch ? listOf(branch["enum"]) : undefined;
  });
  return all.some((one) => one === undefined) ? undefined : all.flatMap((one) => (one ?? []).map(String));
}

function shownOf(kinds: ReadonlySet<string>, choices: readonly string[] | undefined): string {
  if (choices !== undefined) return choices.join("|");
  const kind = kinds.size === 1 ? [...kinds][0] : undefined;
  if (kind === "string") return "TEXT";
  if (kind === "integer" || kind === "number") return "N";
  if (kind === "boolean") return "true|false";
  return "JSON";
}

function aboutOf(schema: unknown): string {
  if (!isRecord(schema)) return "";
  const { minimum, maximum, minLength, maxLength, maxItems, pattern } = schema;
  const parts: string[] = [];
  if (minimum !== undefined && maximum !== undefined) parts.push(`${minimum} to ${maximum}`);
  else if (minimum !== undefined) parts.push(`at least ${minimum}`);
  else if (maximum !== undefined) parts.push(`at most ${maximum}`);
  if (maxLength !== undefined) parts.push(`${minLength ?? 0} to ${maxLength} characters`);
  if (maxItems !== undefined) parts.push(`at most ${maxItems} values`);
  if (typeof pattern === "string" && pattern.length <= 24) parts.push(`matches ${pattern}`);
  return parts.join(", ");
}

function fieldOf(name: string, schema: unknown, required: boolean): Field {
  const kinds = kindsOf(schema);
  const choices = choicesOf(schema);
  const list = kinds.size === 1 && kinds.has("array") && isRecord(schema) && isRecord(schema["items"]);
  const items = list ? fieldOf(name, schema["items"], true) : undefined;
  const single = items !== undefined && !items.kinds.has("object");
  const about = [
    required ? "required" : "",
    single ? "repeatable" : "",
    aboutOf(schema),
  ].filter((part) => part !== "").join("; ");
  return {
    name,
    required,
    kinds,
    ...(choices === undefined ? {} : { choices }),
    ...(single ? { items } : {}),
    shown: single ? items.shown : shownOf(kinds, choices),
    about,
  };
}

/** The fields of a command's schema, the required ones first. */
export function fieldsOf(schema: Readonly<Record<string, unknown>>): readonly Field[] {
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  const required = new Set(listOf(schema["required"]));
  const fields = Object.entries(properties)
    .filter(([name]) => !OWN.has(name))
    .map(([name, each]) => fieldOf(name, each, required.has(name)));
  return [...fields].sort((a, b) => Number(b.required) - Number(a.required));
}

/** `sessionId` for `session-id` and `sessionId`. */
const camel = (name: string): string =>
  name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The field that a flag means. Throws `UsageError` with the nearest one. */
export function fieldNamed(flag: string, fields: readonly Field[], others: readonly string[]): Field {
  const found = fields.find(({ name }) => name === flag || name === camel(flag));
  if (found !== undefined) return found;
  const names = [...fields.map(({ name }) => name), ...others].map((name) => `--${name}`);
  throw new UsageError(`--${flag}: the command has no such field${didYouMean(`--${flag}`, names)}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
}

/** The value that a text means for that field. Throws `UsageError` when it can mean none. */
export function valueFor(field: Field, text: string): unknown {
  const { name, kinds, choices } = field;
  if (choices !== undefined && kinds.has("string")) {
    if (choices.includes(text)) return text;
    const near = didYouMean(text, choices);
    throw new UsageError(`--${name}: expected one of ${choices.join(", ")}, got "${text}"${near}`);
  }
  const value = parsed(text);
  const kind = kindOf(value);
  const fits = kinds.has(kind) || (kind === "number" && kinds.has("integer"));
  // A text that looks like JSON stays a text where the field is one.
  if (fits && kind !== "string" && value !== undefined) return value;
  if (kinds.has("string")) return text;
  throw new UsageError(`--${name}: expected ${article(field.shown)}, got "${text}"`);
}

function article(shown: string): string {
  if (shown === "N") return "a number";
  return shown === "JSON" ? "JSON" : shown.replaceAll("|", " or ");
}
