// Writes src/protocol/wire_types.ts and command_traits.ts, `deno task gen`: the protocol's schemas as plain interfaces.
// JSR takes no inferred types in a public interface, and clients need no schema library to be typed. The schemas
// stay the source; tests/protocol/wire_types_test.ts holds the files to them.
// Usage: deno run -A scripts/gen_wire_types.ts [--check], which only says whether they are stale.

import * as path from "node:path";
import { COMMANDS, type CommandSpec } from "../src/protocol/commands.ts";
import { ERRORS } from "../src/protocol/errors.ts";
import { EVENT_SCHEMAS } from "../src/protocol/events.ts";
import { isRecord } from "../src/protocol/json.ts";
import * as responses from "../src/protocol/responses.ts";
import * as results from "../src/protocol/results.ts";
import { repositoryRoot } from "./bundle.ts";
import { COMMAND_SENTENCES, EVENT_SENTENCES } from "./gen_protocol.ts";
import { FIELD_WORDS } from "./wire_words.ts";

type Schema = Record<string, unknown>;

const LINE = 110;
const SOURCES = ["src/protocol/responses.ts", "src/protocol/results.ts"];
/** Server commands that only read or only concern the connection; the others have effects. */
const HARMLESS = /^(?:get_|list_|hello$|ping$|subscribe$|unsubscribe$|switch_session$|health_check$)/;

const pascal = (name: string): string =>
  name.split("_").map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");

/** Plain JSON of a schema: what TypeBox keeps beside it does not count. */
function plain(schema: unknown): Schema {
  const value: unknown = JSON.parse(JSON.stringify(schema));
  return isRecord(value) ? value : {};
}

/** The schemas that have a name of their own, by their JSON. */
function namedSchemas(): Map<string, string> {
  const named = new Map<string, string>();
  for (const [key, value] of [...Object.entries(responses), ...Object.entries(results)]) {
    if (key.endsWith("Schema")) named.set(JSON.stringify(plain(value)), key.slice(0, -"Schema".length));
  }
  return named;
}

/** What the sources say of each named schema. */
async function sentences(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const file of SOURCES) {
    const text = await Deno.readTextFile(path.join(root, file));
    for (const [, sentence, name] of text.matchAll(/\/\*\* (.+?) \*\/\nexport const (\w+)Schema\b/g)) {
      if (sentence !== undefined && name !== undefined) found.set(name, sentence);
    }
  }
  return found;
}

/** Turns schemas into TypeScript. */
class Writer {
  readonly #named = namedSchemas();
  readonly #sentences: ReadonlyMap<string, string>;

  constructor(known: ReadonlyMap<string, string>) {
    this.#sentences = known;
  }

  /** The declarations of all named schemas. */
  named(): string[] {
    return [...this.#named].map(([json, name]) => {
      const sentence = this.#sentences.get(name) ?? `The protocol's \`${name}\`.`;
      return this.declare(name, plain(JSON.parse(json)), sentence, true);
    });
  }

  /** One exported declaration: an interface for an object with fields, else an alias. */
  declare(name: string, schema: Schema, sentence: string, itself = false): string {
    const doc = comment(sentence);
    const known = itself ? undefined : this.#named.get(JSON.stringify(schema));
    if (known !== undefined) return `${doc}\nexport type ${name} = ${known};`;
    const fields = this.#fields(schema);
    if (fields === undefined) return `${doc}\nexport type ${name} = ${this.#type(schema, itself)};`;
    return `${doc}\nexport interface ${name} {\n${fields}\n}`;
  }

  #fields(schema: Schema): string | undefined {
    const { properties, required } = schema;
    if (schema["type"] !== "object" || !isRecord(properties) || Object.keys(properties).length === 0) {
      return undefined;
    }
    const needed = Array.isArray(required) ? required : [];
    return Object.entries(properties).map(([name, value]) => {
      const field = plain(value);
      const doc = comment(fieldSentence(name, field), "  ");
      return `${doc}\n  ${name}${needed.includes(name) ? "" : "?"}: ${this.#type(field)};`;
    }).join("\n");
  }

  #type(schema: Schema, itself = false): string {
    const known = itself ? undefined : this.#named.get(JSON.stringify(schema));
    if (known !== undefined) return known;
    if ("const" in schema) return JSON.stringify(schema["const"]);
    const { anyOf, enum: values, type, items, properties, patternProperties, required } = schema;
    if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(" | ");
    if (Array.isArray(anyOf)) return anyOf.map((one) => this.#type(plain(one))).join(" | ");
    if (type === "array") return arrayOf(this.#type(plain(items)));
    if (type === "integer") return "number";
    if (type !== "object") return typeof type === "string" ? type : "unknown";
    if (isRecord(patternProperties)) {
      const [value] = Object.values(patternProperties);
      return `Record<string, ${this.#type(plain(value))}>`;
    }
    if (!isRecord(properties) || Object.keys(properties).length === 0) return "Record<string, unknown>";
    const needed = Array.isArray(required) ? required : [];
    const inner = Object.entries(properties).map(([name, value]) =>
      `${name}${needed.includes(name) ? "" : "?"}: ${this.#type(plain(value))}`
    );
    return `{ ${inner.join("; ")} }`;
  }
}

function arrayOf(item: string): string {
  return / [|] /.test(item) && !item.startsWith("{") ? `(${item})[]` : `${item}[]`;
}

/** What a field means, and what it may be where the schema bounds it. */
function fieldSentence(name: string, schema: Schema): string {
  const words = FIELD_WORDS[name] ?? `The protocol's \`${name}\`.`;
  const { minLength, maxLength, minimum, maximum, maxItems } = schema;
  const bounds = [
    ...(typeof maxLength === "number" ? [`${Number(minLength ?? 0)} to ${maxLength} characters`] : []),
    ...(typeof maximum === "number" ? [`${Number(minimum ?? 0)} to ${maximum}`] : []),
    ...(typeof maxItems === "number" ? [`at most ${maxItems}`] : []),
  ];
  return bounds.length === 0 ? words : `${words.replace(/\.$/, "")}: ${bounds.join(", ")}.`;
}

function comment(sentence: string, indent = ""): string {
  const short = `${indent}/** ${sentence} */`;
  if (short.length <= LINE) return short;
  const lines = [""];
  for (const word of sentence.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (`${indent} *${last} ${word}`.length > LINE) lines.push(` ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} *${line}`), `${indent} */`].join("\n");
}

const sentenceOf = (name: string): string => COMMAND_SENTENCES[name] ?? `The command \`${name}\`.`;

function mapOf(name: string, sentence: string, names: readonly string[], suffix: string): string {
  const lines = names.map((one) => `  /** Of \`${one}\`. */\n  ${one}: ${pascal(one)}${suffix};`);
  return `${comment(sentence)}\nexport interface ${name} {\n${lines.join("\n")}\n}`;
}

/** The text of wire_types.ts. */
export async function wireTypes(root: string = repositoryRoot()): Promise<string> {
  const writer = new Writer(await sentences(root));
  const names = [...COMMANDS.keys()];
  const events = Object.keys(EVENT_SCHEMAS);
  const parts = [
    "// Generated from the schemas beside this file by `deno task gen`; do not edit. The protocol's commands, answers and\n" +
    "// events as plain interfaces, for clients and for the package's public interface.",
    ...writer.named(),
    ...[...COMMANDS].flatMap(([name, spec]) => [
      writer.declare(`${pascal(name)}Command`, plain(spec.schema), sentenceOf(name)),
      writer.declare(`${pascal(name)}Data`, plain(spec.result), `What \`${name}\` answers with.`),
    ]),
    mapOf("CommandMap", "All commands by name.", names, "Command"),
    mapOf("DataMap", "What each command answers with, by its name.", names, "Data"),
    ...events.map((name) =>
      writer.declare(
        `${pascal(name)}Event`,
        plain(EVENT_SCHEMAS[name]),
        EVENT_SENTENCES[name] ?? `\`${name}\`.`,
      )
    ),
    mapOf("EventMap", "Events beyond pi's own, by type.", events, "Event"),
    `/** Code of an error, for programs. */\nexport type ErrorCode = ${
      Object.keys(ERRORS).map((code) => `"${code}"`).join(" | ")
    };`,
    "/** Name of a command. */\nexport type WireCommandName = keyof CommandMap;",
  ];
  return parts.join("\n\n") + "\n";
}

/** What stops something needs no key: stopped twice is stopped. */
const keyed = (spec: CommandSpec): boolean => spec.keyed && !spec.exempt;

function safe(name: string, spec: CommandSpec): boolean {
  if (spec.exempt) return true;
  return !spec.keyed && !spec.mutates && (spec.target === "session" || HARMLESS.test(name));
}

/** The text of command_traits.ts. */
export function commandTraits(): string {
  const list = (which: (name: string, spec: CommandSpec) => boolean): string =>
    [...COMMANDS].filter(([name, spec]) => which(name, spec)).map(([name]) => `\n  "${name}",`).join("");
  return [
    "// Generated from the schemas beside this file by `deno task gen`; do not edit. What a client must know of a command\n" +
    "// to send it again after a lost connection.",
    `/** Commands that a client sends with an \`idempotencyKey\`. */\nexport const KEYED: ReadonlySet<string> = new Set<string>([${
      list((_, spec) => keyed(spec))
    }\n]);`,
    "/** Commands that do no harm when they run twice. */\n" +
    `export const REPEATABLE: ReadonlySet<string> = new Set<string>([${list(safe)}\n]);`,
  ].join("\n\n").replaceAll("([\n])", "([])") + "\n";
}

/** As `deno fmt` would have it. */
async function formatted(text: string, root: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--config", path.join(root, "deno.json"), "--ext", "ts", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt refuses the generated types");
  return new TextDecoder().decode(stdout);
}

/** The generated files by path, as they should be. */
export async function generated(root: string = repositoryRoot()): Promise<Map<string, string>> {
  const [types, traits] = await Promise.all([
    wireTypes(root).then((text) => formatted(text, root)),
    formatted(commandTraits(), root),
  ]);
  return new Map([["src/protocol/wire_types.ts", types], ["src/protocol/command_traits.ts", traits]]);
}

if (import.meta.main) {
  const root = repositoryRoot();
  let stale = 0;
  for (const [file, text] of await generated(root)) {
    const old = await Deno.readTextFile(path.join(root, file)).catch(() => "");
    if (old === text) continue;
    stale++;
    if (Deno.args.includes("--check")) console.error(`${file} is stale; run: deno task gen`);
    else await Deno.writeTextFile(path.join(root, file), text);
  }
  console.log(stale === 0 ? "wire types are up to date" : `wire types: ${stale} files changed`);
  if (stale > 0 && Deno.args.includes("--check")) Deno.exit(1);
}
