// How many values a JSON text has, without parsing it.
import { assertEquals } from "@std/assert";
import { valuesOf as count } from "../../src/base/json_shape.ts";

const valuesOf = (text: string): number | undefined => count(text, 50_000, 64);

const LONG = "x".repeat(5_000);

/** A message with so many values beside a long text. */
const withText = (text: string, rest = ""): string => `{"text":${JSON.stringify(text)}${rest}}`;

Deno.test("json shape: what is in a text does not count, whatever it holds", () => {
  for (const text of ["[{,", '"', "\\", '\\"', '[\\\\"{', "é\u{1f600},", "\n,[", '"'.repeat(100)]) {
    assertEquals(valuesOf(withText(LONG + text)), 1, text);
    assertEquals(valuesOf(withText(text + LONG, ',"a":[1,2]')), 4, text);
    assertEquals(valuesOf(withText(LONG + text.repeat(60_000))), 1, text);
  }
});

Deno.test("json shape: a small text is not counted", () => {
  assertEquals(valuesOf("[".repeat(4_096)), 0);
  assertEquals(valuesOf("[".repeat(4_097)), undefined);
});

Deno.test("json shape: too many values and too deep ones are seen, and the largest of each is not", () => {
  const list = (count: number): string => withText(LONG, `,"a":[${Array(count).fill("1").join(",")}]`);
  assertEquals(valuesOf(list(49_997)), 49_999);
  assertEquals(valuesOf(list(49_998)), 50_000);
  assertEquals(valuesOf(list(49_999)), undefined);
  const deep = (depth: number): string => withText(LONG, `,"a":${"[".repeat(depth)}${"]".repeat(depth)}`);
  assertEquals(valuesOf(deep(63)), 65);
  assertEquals(valuesOf(deep(64)), undefined);
  // Many lists beside each other are not deep.
  assertEquals(valuesOf(withText(LONG, `,"a":[${Array(1_000).fill("[]").join(",")}]`)), 2_002);
});

Deno.test("json shape: the end of a broken text ends the count", () => {
  for (const text of ['"', "\\", '"\\', "]}", ",", '"a"b"']) {
    assertEquals(typeof valuesOf(LONG + text), "number", text);
  }
});
