// The JSON Schema document: plain JSON, references that lead somewhere, and text that changes with any schema.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Compile } from "typebox/compile";
import { COMMANDS } from "../../src/protocol/schema/commands.ts";
import { EVENT_SCHEMAS } from "../../src/protocol/events.ts";
import { commandSchema, protocolSchema } from "../../src/protocol/json_schema.ts";
import { arrayAt, isObject, type Json, objectAt, stringAt } from "../support/base/json.ts";

const text = JSON.stringify(protocolSchema());
const document: Json = JSON.parse(text);

/** Every object in a JSON value. */
function* objectsIn(value: Json | undefined): Generator<Record<string, Json | undefined>> {
  if (Array.isArray(value)) { for (const item of value) yield* objectsIn(item); }
  if (!isObject(value)) return;
  yield value;
  for (const item of Object.values(value)) yield* objectsIn(item);
}

Deno.test("schema: every $ref leads to a definition, and every command is referred to once", () => {
  const refs = [...objectsIn(document)].flatMap(({ $ref }) => typeof $ref === "string" ? [$ref] : []);
  const defs = objectAt(document, "$defs");
  for (const ref of refs) {
    assert(ref.startsWith("#/$defs/"), ref);
    assert(Object.hasOwn(defs, ref.slice("#/$defs/".length)), ref);
  }
  assertEquals(refs, [...COMMANDS.keys()].map((name) => `#/$defs/${name}`));
});

Deno.test("schema: it is plain JSON Schema, with no marks of the library that made it", () => {
  assertEquals(stringAt(document, "$schema"), "https://json-schema.org/draft/2020-12/schema");
  const keys = new Set([...objectsIn(document)].flatMap((object) => Object.keys(object)));
  assertEquals([...keys].filter((key) => key.startsWith("~")), []);
  assertEquals(JSON.stringify(protocolSchema()), text, "the same each time");
});

Deno.test("schema: the document holds each schema whole, so a change of any changes the document", () => {
  for (const [name, { schema, result }] of COMMANDS) {
    assertStringIncludes(text, `${JSON.stringify(name)}:${JSON.stringify(schema)}`);
    assertStringIncludes(text, `${JSON.stringify(`${name}.data`)}:${JSON.stringify(result)}`);
  }
  for (const [name, schema] of Object.entries(EVENT_SCHEMAS)) {
    assertStringIncludes(text, `${JSON.stringify(`event.${name}`)}:${JSON.stringify(schema)}`);
  }
});

Deno.test("schema: every command is closed and names its type", () => {
  for (const name of arrayAt(document, "commands")) {
    const schema = objectAt(document, "$defs", String(name));
    assertEquals(schema["additionalProperties"], false, String(name));
    assertEquals(stringAt(schema, "properties", "type", "const"), name);
    assert(arrayAt(schema, "required").includes("type"), String(name));
  }
});

Deno.test("schema: optional fields stay optional once the schema is JSON", () => {
  assertEquals(arrayAt(document, "$defs", "create_session", "required"), ["type"]);
  assertEquals(arrayAt(document, "$defs", "prompt", "required").toSorted(), [
    "message",
    "sessionId",
    "type",
  ]);
});

Deno.test("schema: what a client reads validates as the server does", () => {
  const read = JSON.parse(JSON.stringify(commandSchema("get_messages")));
  const validator = Compile(read);
  assertEquals(validator.Check({ type: "get_messages", sessionId: "a", limit: 1 }), true);
  assertEquals(validator.Check({ type: "get_messages", sessionId: ".." }), false);
  assertEquals(validator.Check({ type: "get_messages", sessionId: "a", x: 1 }), false);
});

Deno.test("schema: one command's schema stands alone, and there is none for other names", () => {
  const schema = commandSchema("bash");
  assertEquals([schema?.["title"], schema?.["type"]], ["bash", "object"]);
  assert(Object.hasOwn(objectAt(schema, "$defs"), "bash.data"));
  for (const name of ["nope", "constructor", "__proto__", "toString", ""]) {
    assertEquals(commandSchema(name), undefined, name);
  }
});
