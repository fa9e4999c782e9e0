// Turns the protocol's schemas into TypeScript declarations, for gen_wire_types.ts.

import { isRecord } from "../../src/base/json.ts";
import * as responses from "../../src/protocol/schema/responses.ts";
import * as results from "../../src/protocol/schema/results.ts";
import { FIELD_WORDS } from "./wire_words.ts";

/** A schema as plain JSON. */
export type Schema = Record<string, unknown>;

const LINE = 110;
/** Fields that every command has, and those that every command to a session has besides. */
const COMMAND_FIELDS = ["id", "idempotencyKey"];
const SESSION_FIELDS = ["ifSessionVersion", "sessionId"];

/** Plain JSON of a schema: what TypeBox keeps beside it does not count. */
export function plain(schema: unknown): Schema {
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

/** Turns schemas into TypeScript. */
export class Writer {
  /** Named schemas that were referred to. */
  readonly used: Set<string> = new Set();
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
    const known = itself ? undefined : this.#known(schema);
    if (known !== undefined) return `${doc}\nexport type ${name} = ${known};`;
    const fields = this.#fields(schema);
    if (fields === undefined) return `${doc}\nexport type ${name} = ${this.#type(schema, itself)};`;
    return `${doc}\nexport interface ${name} {\n${fields}\n}`;
  }

  /** The interfaces with the fields that commands share; their schemas are those of any command to a session. */
  commandBases(schema: Schema): string[] {
    const { properties } = schema;
    const part = (names: readonly string[]): Schema => {
      const kept = Object.entries(isRecord(properties) ? properties : {}).filter(([name]) =>
        names.includes(name)
      );
      return { ...schema, properties: Object.fromEntries(kept) };
    };
    const [every, session] = [this.#fields(part(COMMAND_FIELDS)), this.#fields(part(SESSION_FIELDS))];
    return [
      `/** What every command has. */\nexport interface AnyCommand {\n${every}\n}`,
      `/** What every command to a session has. */\nexport interface SessionCommand extends AnyCommand {\n${session}\n}`,
    ];
  }

  /** One command, on top of what all of its kind share. */
  command(name: string, schema: Schema, sentence: string): string {
    const { required } = schema;
    const ofSession = Array.isArray(required) && required.includes("sessionId");
    const [base, shared] = ofSession
      ? ["SessionCommand", [...COMMAND_FIELDS, ...SESSION_FIELDS]]
      : ["AnyCommand", COMMAND_FIELDS];
    const fields = this.#fields(schema, shared);
    return `${comment(sentence)}\nexport interface ${name} extends ${base} {\n${fields}\n}`;
  }

  /** Name of that schema, which is then imported. */
  #known(schema: Schema): string | undefined {
    const name = this.#named.get(JSON.stringify(schema));
    if (name !== undefined) this.used.add(name);
    return name;
  }

  #fields(schema: Schema, without: readonly string[] = []): string | undefined {
    const { properties, required } = schema;
    if (schema["type"] !== "object" || !isRecord(properties) || Object.keys(properties).length === 0) {
      return undefined;
    }
    const needed = Array.isArray(required) ? required : [];
    return Object.entries(properties).filter(([name]) => !without.includes(name)).map(([name, value]) => {
      const field = plain(value);
      const doc = comment(fieldSentence(name, field), "  ");
      return `${doc}\n  ${name}${needed.includes(name) ? "" : "?"}: ${this.#type(field)};`;
    }).join("\n");
  }

  #type(schema: Schema, itself = false): string {
    const known = itself ? undefined : this.#known(schema);
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

/** A doc comment, in lines that are short enough. */
export function comment(sentence: string, indent = ""): string {
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
