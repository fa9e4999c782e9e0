// Untyped values, read without trust; objects without their undefined fields.
import { assertEquals } from "@std/assert";
import { defined, tryParse, tryParseRecord } from "../../src/base/json.ts";

Deno.test("json: a text that is not JSON has no value, and a list is not a record", () => {
  assertEquals([tryParse("[1]"), tryParse("[1"), tryParse(""), tryParse(undefined)], [
    [1],
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals([tryParseRecord('{"a":1}'), tryParseRecord("[1]"), tryParseRecord("null")], [
    { a: 1 },
    undefined,
    undefined,
  ]);
});

Deno.test("json: `defined` drops undefined fields alone", () => {
  const missing: string | undefined = undefined;
  assertEquals(Object.keys(defined({ a: 0, b: missing, c: null, d: "" })), ["a", "c", "d"]);
});
