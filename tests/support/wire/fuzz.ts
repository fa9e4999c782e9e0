// What a fuzzer sends: commands that are nearly right, JSON that is nothing of the kind, and raw bytes. Made by
// fast-check from a seed, so that a run can be repeated. Shell commands are a few harmless ones; anything else goes.

import fc from "fast-check";
import { arrayAt, at, isObject, type JsonObject, objectAt } from "../base/json.ts";

/** Sessions that the fuzzer talks of; some of them exist at times. */
export const SESSIONS: readonly string[] = ["fuzz-a", "fuzz-b", "fuzz-c"];

const TRICKY = [
  "__proto__",
  "constructor",
  "toString",
  "",
  ".",
  "..",
  "*",
  "\u0000",
  "\u2028",
  "💥",
  "/etc/passwd",
];
/** Tokens would pile up in a file that outlives them; `ping` is what the fuzzer waits by. */
const LEFT_OUT = new Set(["mint_token", "revoke_token", "ping"]);

const word = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom(...TRICKY));
const json = fc.jsonValue({ maxDepth: 3 });
const session = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...SESSIONS) }, word, json);

/** A value that the schema may or may not accept. */
function valueOf(field: string, schema: unknown): fc.Arbitrary<unknown> {
  if (field === "command") return fc.constantFrom("true", "echo fuzz", "exit 3");
  if (field === "sessionId") return session;
  // Keys are kept for a day, up to 32 MiB of them: a few are enough, or they would look like a leak.
  if (field === "idempotencyKey") return fc.constantFrom("k1", "k2", "k3", "", 1);
  if (field === "cwd" || field.endsWith("Path")) {
    return fc.constantFrom(".", "missing", "../..", "/", "\u0000");
  }
  if (field === "waitMs") return fc.integer({ min: 1, max: 2_000 });
  const choices = at(schema, "enum") ?? [];
  const fitting: fc.Arbitrary<unknown>[] = Array.isArray(choices) && choices.length > 0
    ? [fc.constantFrom(...choices)]
    : at(schema, "type") === "string"
    ? [fc.string({ minLength: 1, maxLength: 40 })]
    : at(schema, "type") === "integer"
    ? [fc.nat(200)]
    : at(schema, "type") === "boolean"
    ? [fc.boolean()]
    : [];
  return fc.oneof(...fitting.map((arbitrary) => ({ weight: 8, arbitrary })), json, word);
}

/** Commands of the schema: the right type, fields that may be missing, wrong or too many. */
export function commands(schema: JsonObject): fc.Arbitrary<JsonObject> {
  const names = arrayAt(schema, "commands").map(String).filter((name) => !LEFT_OUT.has(name));
  const each = names.map((name) => {
    const fields = objectAt(schema, "$defs", name, "properties");
    const known = Object.keys(fields).filter((field) => field !== "type" && field !== "id");
    const record = Object.fromEntries(known.map((field) => [field, valueOf(field, fields[field])]));
    const required = at(schema, "$defs", name, "required");
    const must = Array.isArray(required) ? known.filter((field) => required.includes(field)) : [];
    return fc.oneof(
      { weight: 8, arbitrary: fc.record(record, { requiredKeys: must }) },
      { weight: 1, arbitrary: fc.record(record, { requiredKeys: [] }) },
      { weight: 1, arbitrary: fc.dictionary(word, json, { maxKeys: 3 }) },
    ).map((made) => ({ ...made, type: name }));
  });
  return fc.oneof(...each).map((made) => JSON.parse(JSON.stringify(made)));
}

/** Texts that are no commands. */
export const garbage: fc.Arbitrary<string> = fc.oneof(
  word,
  fc.json({ maxDepth: 4 }),
  fc.dictionary(word, json, { maxKeys: 4 }).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    "{",
    "[]",
    "null",
    '{"type":',
    '{"type":"prompt"',
    `${"[".repeat(2_000)}`,
    '{"__proto__":{"x":1}}',
  ),
);

/** Bytes. */
export const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400 }),
  garbage.map((text) => new TextEncoder().encode(text)),
);

/** Random frames of the WebSocket protocol: headers that are right and wrong, lengths that lie. */
export const frames: fc.Arbitrary<Uint8Array> = fc.oneof(
  bytes,
  fc.tuple(fc.nat(255), fc.nat(255), fc.uint8Array({ maxLength: 300 })).map(([first, second, rest]) =>
    new Uint8Array([first, second, ...rest])
  ),
);

/** A batch, and the seed that makes it again. */
export function sample<T>(of: fc.Arbitrary<T>, seed: number, numRuns: number): T[] {
  return fc.sample(of, { seed, numRuns });
}

/** Whether a text on stdio is a line that is answered: all but empty ones. */
export function isAnswered(line: Uint8Array): boolean {
  const end = line.at(-1) === 13 ? line.length - 1 : line.length;
  return end > 0;
}

/** Lines of a chunk that ends with a line end. */
export function linesOf(chunk: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let index = chunk.indexOf(10); index >= 0; index = chunk.indexOf(10, start)) {
    lines.push(chunk.subarray(start, index));
    start = index + 1;
  }
  return lines;
}

/** The id under which a command will be answered, if it is one that can be echoed. */
export function idOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const id = isObject(value) && Object.hasOwn(value, "id") ? value.id : undefined;
    return typeof id === "string" && id.length >= 1 && id.length <= 128 ? id : undefined;
  } catch {
    return undefined;
  }
}
