// Writes the reference of docs/PROTOCOL.md: schemas as tables in plain words, traits as a sentence, each command
// and event with its recorded example. Takes everything as arguments but the schemas; scripts/gen/gen_protocol.ts calls.

import { flagOf } from "../../../src/config/flags.ts";
import { LIMIT_NAMES, LIMITS, type LimitSpec } from "../../../src/governor/limits.ts";
import { COMMANDS, type CommandSpec } from "../../../src/protocol/schema/commands.ts";
import { ERRORS } from "../../../src/protocol/errors.ts";
import { EVENT_SCHEMAS } from "../../../src/protocol/events.ts";
import * as responses from "../../../src/protocol/schema/responses.ts";
import * as results from "../../../src/protocol/schema/results.ts";
import { at, isObject, type JsonObject, objectAt } from "../base/json.ts";
import { Plain } from "./protocol_plain.ts";
import type { Exchange, Recording } from "./protocol_scenario.ts";

/** What people wrote about commands and events; by name, in the order of the page. */
export interface Words {
  readonly groups: readonly { readonly title: string; readonly commands: readonly string[] }[];
  readonly commands: Readonly<Record<string, string>>;
  readonly events: readonly { readonly title: string; readonly types: Readonly<Record<string, string>> }[];
  /** Types of events that nothing can show on demand. */
  readonly unshown: readonly string[];
}

/** Shapes that have a name of their own on the page. */
const SHAPES: readonly (readonly [name: string, schema: JsonObject])[] = [
  ["Interrupted", plain(responses.InterruptedSchema)],
  ["SessionInfo", plain(responses.SessionInfoSchema)],
  ["Model", plain(responses.ModelSchema)],
  ["Usage", plain(responses.UsageSchema)],
  ["Subscribed", plain(responses.SubscribedSchema)],
  ["Snapshot", plain(responses.SnapshotSchema)],
  ["StoredSession", plain(results.StoredSessionSchema)],
  ["SessionStats", plain(results.SessionStatsSchema)],
  ["ContextUsage", plain(results.ContextUsageSchema)],
  ["TreeNode", plain(results.TreeNodeSchema)],
  ["CommandInfo", plain(results.CommandInfoSchema)],
  ["Skill", plain(results.SkillSchema)],
  ["Tool", plain(results.ToolSchema)],
  ["Compaction", plain(results.CompactionSchema)],
  ["PendingUi", plain(results.PendingUiSchema)],
];

/** Fields that every command has; the prose tells of them. */
const ENVELOPE = ["id", "type", "idempotencyKey", "ifSessionVersion"];

interface Row {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly bounds: string;
}

/** A schema without what JSON does not have. */
function plain(schema: unknown): JsonObject {
  return objectAt(JSON.parse(JSON.stringify(schema)));
}

function shapeOf(schema: JsonObject): string | undefined {
  const text = JSON.stringify(schema);
  return SHAPES.find(([, shape]) => JSON.stringify(shape) === text)?.[0];
}

const link = (name: string) => `[${name}](#${name.toLowerCase()})`;
const code = (value: unknown) => `\`${JSON.stringify(value)}\``;

function listed(words: readonly string[], last: string): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** The type in plain words; what is in an object stands in rows of its own. */
function typeOf(schema: JsonObject): string {
  const shape = shapeOf(schema);
  if (shape !== undefined) return link(shape);
  if (Array.isArray(schema.enum)) return listed(schema.enum.map(code), "or");
  if (schema.const !== undefined) return code(schema.const);
  if (Array.isArray(schema.anyOf)) {
    return listed([...new Set(schema.anyOf.map((one) => typeOf(objectAt(one))))], "or");
  }
  if (schema.type === "array") return `list of: ${typeOf(objectAt(schema, "items"))}`;
  if (schema.type === "object" && isObject(schema.patternProperties)) {
    const [value] = Object.values(schema.patternProperties);
    return `object by name, each: ${typeOf(objectAt(value))}`;
  }
  if (schema.type === "string" && isSessionId(schema)) return "session id";
  return schema.type === "string" && schema.format === "date-time" ? "time (ISO 8601)" : String(schema.type);
}

const isSessionId = ({ pattern }: JsonObject) =>
  typeof pattern === "string" && pattern.includes("[A-Za-z0-9_.-]{1,128}");

/** Bounds in plain words; those of a list's items come after those of the list. */
function boundsOf(schema: JsonObject): string {
  const found: string[] = [];
  const range = (least: unknown, most: unknown, unit: string) => {
    if (least !== undefined && most !== undefined) found.push(`${least} to ${most}${unit}`);
    else if (most !== undefined) found.push(`at most ${most}${unit}`);
    else if (least !== undefined && (least !== 0 || unit === "")) found.push(`at least ${least}${unit}`);
  };
  const limit = schema["x-limit"];
  range(schema.minLength, typeof limit === "string" ? `\`${limit}\`` : schema.maxLength, " characters");
  range(schema.minimum, schema.maximum, "");
  range(schema.minItems, schema.maxItems, " items");
  if (typeof schema.pattern === "string" && !isSessionId(schema)) {
    found.push(`matches \`${schema.pattern.replaceAll("|", "\\|")}\``);
  }
  const items = isObject(schema.items) && shapeOf(schema.items) === undefined ? boundsOf(schema.items) : "";
  return [...found, ...(items === "" ? [] : [`each ${items}`])].join(", ");
}

/** Rows of an object's fields, those of inner objects included. */
function rowsOf(schema: JsonObject, prefix = ""): Row[] {
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(objectAt(schema, "properties")).flatMap(([field, inner]) => {
    const of = objectAt(inner);
    const name = `${prefix}${field}`;
    const row = { name, type: typeOf(of), required: required.includes(field), bounds: boundsOf(of) };
    return [row, ...innerRows(of, name)];
  });
}

function innerRows(schema: JsonObject, name: string): Row[] {
  if (shapeOf(schema) !== undefined) return [];
  if (isObject(schema.properties)) return rowsOf(schema, `${name}.`);
  if (isObject(schema.items)) return innerRows(schema.items, `${name}[]`);
  if (isObject(schema.patternProperties)) {
    return Object.values(schema.patternProperties).flatMap((each) => innerRows(objectAt(each), `${name}.*`));
  }
  const forms = Array.isArray(schema.anyOf)
    ? schema.anyOf.filter((one) => isObject(at(one, "properties")))
    : [];
  return forms.flatMap((form, index) => {
    const mark = forms.length > 1 ? ` (form ${index + 1})` : "";
    return innerRows(objectAt(form), name).map((row) => ({ ...row, name: `${row.name}${mark}` }));
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Fields of a command. */
function fieldTable(rows: readonly Row[]): string {
  const [only, ...others] = rows;
  if (only === undefined) return "It has no fields of its own.";
  if (others.length === 0 && only.name === "sessionId") {
    return `Its only field is \`sessionId\`${only.required ? "" : ", which is optional"}.`;
  }
  return table(
    ["field", "type", "required", "bounds"],
    rows.map(({ name, type, required, bounds }) => [`\`${name}\``, type, required ? "yes" : "no", bounds]),
  );
}

/** Fields of what the server sends: open shapes, to which fields may be added. */
function answerTable(rows: readonly Row[]): string {
  const cells = rows.map(({ name, type, required }) => [`\`${name}\``, type, required ? "yes" : "no"]);
  return table(["field", "type", "always"], cells);
}

/** What a response's `data` is. */
function resultOf(schema: JsonObject): string {
  const shape = shapeOf(schema);
  if (shape !== undefined) return `Data: ${link(shape)}.`;
  if (schema.type === "null") return "Data: `null`.";
  if (Array.isArray(schema.anyOf)) {
    return schema.anyOf.map((form) => resultOf(objectAt(form))).join("\n\nOr, ").replaceAll("Or, D", "Or d");
  }
  const rows = rowsOf(schema);
  return rows.length === 0 ? "Data: an object without fields." : `Data:\n\n${answerTable(rows)}`;
}

function durationOf(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}

function traitsOf(spec: CommandSpec): string {
  const { target, lane, timeoutMs, mutates, duringShutdown, keyed, exempt, role, scoped } = spec;
  const order = target === "server" || lane === "direct"
    ? "waits for nothing"
    : lane === "mailbox"
    ? "waits in the session's mailbox"
    : "waits for earlier quick commands of its connection";
  const sentence = [
    order,
    `at most ${durationOf(timeoutMs)}`,
    mutates ? "raises `sessionVersion`" : "changes no `sessionVersion`",
    duringShutdown ? "served during shutdown" : "refused during shutdown",
    ...(keyed ? ["takes `idempotencyKey`"] : []),
    `for the role \`${role}\`${scoped ? "" : ", not with a token for some sessions"}`,
    ...(exempt ? ["exempt from limits"] : []),
  ].join(" · ");
  return `${sentence.slice(0, 1).toUpperCase()}${sentence.slice(1)}.`;
}

const fenced = (...messages: string[]) =>
  messages.map((message) => `\`\`\`json\n${message}\n\`\`\``).join("\n\n");

function exchangeOf({ command, response }: Exchange, recording: Recording): string {
  const words = new Plain(recording.replacements);
  return fenced(words.of(command), words.of(response));
}

function commandSection(name: string, words: Words, recording: Recording): string {
  const spec = COMMANDS.get(name);
  const [sentence, exchange] = [words.commands[name], recording.exchanges.get(name)];
  if (spec === undefined) throw new Error(`The page has the command ${name}, the protocol does not`);
  if (sentence === undefined) {
    throw new Error(`The command ${name} has no sentence in scripts/gen/gen_protocol.ts`);
  }
  if (exchange === undefined) {
    throw new Error(
      `The command ${name} has no example; send it in tests/support/protocol/protocol_scenario.ts`,
    );
  }
  const rows = rowsOf(plain(spec.schema)).filter((row) => !ENVELOPE.includes(row.name));
  const parts = [
    `#### \`${name}\``,
    sentence,
    traitsOf(spec),
    fieldTable(rows),
    resultOf(plain(spec.result)),
    exchangeOf(exchange, recording),
  ];
  return parts.join("\n\n");
}

function eventSection(type: string, sentence: string, words: Words, recording: Recording): string {
  const message = recording.events.get(type);
  if (message === undefined && !words.unshown.includes(type)) {
    throw new Error(
      `The event ${type} has no example; provoke it in tests/support/protocol/protocol_scenario.ts`,
    );
  }
  const schema = EVENT_SCHEMAS[type];
  const rows = schema === undefined ? [] : rowsOf(plain(schema)).filter((row) => row.name !== "type");
  return [
    `#### \`${type}\``,
    sentence,
    ...(rows.length === 0 ? [] : [answerTable(rows)]),
    ...(message === undefined ? [] : [fenced(new Plain(recording.replacements).of(message))]),
  ].join("\n\n");
}

function shapeSection([name, schema]: (typeof SHAPES)[number]): string {
  return `#### ${name}\n\n${answerTable(rowsOf(schema))}`;
}

function errorTable(): string {
  const rows = Object.entries(ERRORS).map(([name, { meaning, retryable }]) => [
    `\`${name}\``,
    meaning,
    retryable ? "yes" : "no",
  ]);
  return table(["code", "meaning", "retryable"], rows);
}

function shownAs(unit: LimitSpec["unit"], value: number): string {
  if (unit === "ms") return value % 60_000 === 0 ? `${value / 60_000} min` : `${value / 1000} s`;
  if (unit !== "bytes") return value.toLocaleString("en-US");
  return value % 1024 ** 2 === 0 ? `${value / 1024 ** 2} MiB` : `${value / 1024} KiB`;
}

function limitTable(): string {
  const rows = LIMIT_NAMES.map((name) => {
    const { value, unit, about } = LIMITS[name];
    return [`\`${name}\``, about, shownAs(unit, value), `\`--${flagOf(name)}\``];
  });
  return table(["limit", "meaning", "default", "flag"], rows);
}

/** Fails when a command or an event of the protocol is missing in what people wrote. */
function checkWords(words: Words, eventTypes: readonly string[]): void {
  const grouped = words.groups.flatMap(({ commands }) => commands);
  const missing = [...COMMANDS.keys()].filter((name) => !grouped.includes(name));
  const told = words.events.flatMap(({ types }) => Object.keys(types));
  const untold = eventTypes.filter((type) => !told.includes(type));
  const strange = [...Object.keys(words.commands), ...told].filter((name) =>
    !COMMANDS.has(name) && !eventTypes.includes(name)
  );
  if (missing.length > 0) throw new Error(`Commands that are in no group of the page: ${missing.join(", ")}`);
  if (untold.length > 0) throw new Error(`Events without a sentence: ${untold.join(", ")}`);
  if (strange.length > 0) throw new Error(`Sentences about what is not there: ${strange.join(", ")}`);
}

/** The whole reference. */
export function reference(words: Words, recording: Recording, eventTypes: readonly string[]): string {
  checkWords(words, eventTypes);
  const greeting = fenced(new Plain(recording.replacements).of(recording.greeting));
  const groups = words.groups.flatMap(({ title, commands }) => [
    `### ${title}`,
    ...commands.map((name) => commandSection(name, words, recording)),
  ]);
  const events = words.events.flatMap(({ title, types }) => [
    `### ${title}`,
    ...Object.entries(types).map(([type, sentence]) => eventSection(type, sentence, words, recording)),
  ]);
  return [
    "## Reference",
    "`deno task gen` writes this part from the schemas. The examples come from a running server. Ids, times, paths, ports\n" +
    "and counts have fixed values here, and long texts and lists are cut (`…`).",
    `### Greeting\n\n${greeting}`,
    `### A refusal\n\n${exchangeOf(recording.refusal, recording)}`,
    `### Error codes\n\n${errorTable()}`,
    `### Limits\n\n${limitTable()}`,
    ...groups,
    ...events,
    "### Shapes",
    ...SHAPES.map(shapeSection),
  ].join("\n\n");
}

/** Texts of all JSON blocks of a page. */
export function jsonBlocks(page: string): string[] {
  return [...page.matchAll(/^```json\n([\s\S]*?)\n```$/gm)].map(([, block]) => block ?? "");
}
