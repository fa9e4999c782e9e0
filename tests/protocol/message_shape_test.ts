// How many values a message has, told before it is parsed.
import { assertEquals } from "@std/assert";
import { valuesOf } from "../../src/protocol/message_shape.ts";

const LONG = "x".repeat(5_000);

/** A message with so many values beside a long text. */
const withText = (text: string, rest = ""): string => `{"text":${JSON.stringify(text)}${rest}}`;

Deno.test("message shape: what is in a text does not count, whatever it holds", () => {
  for (const text of ["[{,", '"', "\\", '\\"', '[\\\\"{', "é\u{1f600},", "\n,[", '"'.repeat(100)]) {
    assertEquals(valuesOf(withText(LONG + text)), 1, text);
    assertEquals(valuesOf(withText(text + LONG, ',"a":[1,2]')), 4, text);
    assertEquals(valuesOf(withText(LONG + text.repeat(60_000))), 1, text);
  }
});

Deno.test("message shape: a small text is not counted", () => {
  assertEquals(valuesOf("[".repeat(4_096)), 0);
  assertEquals(valuesOf("[".repeat(4_097)), undefined);
});

Deno.test("message shape: too many values and too deep ones are seen, and the largest of each is not", () => {
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

Deno.test("message shape: a text that is no JSON ends all the same", () => {
  for (const text of ['"', "\\", '"\\', "]}", ",", '"a"b"']) {
    assertEquals(typeof valuesOf(LONG + text), "number", text);
  }
});
