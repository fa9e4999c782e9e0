// Text that every client can read: what JSON.stringify writes of halves, values that hold some, and cuts.

import { assertEquals, assertThrows } from "@std/assert";
import { cut, mend, toJson, utf8Bytes, wellFormed } from "../../src/base/text.ts";

Deno.test("text: halves become U+FFFD, whole characters and backslashes stay as they are", () => {
  const cases: readonly (readonly [text: string, mended: string])[] = [
    ["plain", "plain"],
    ["😀", "😀"],
    ["a\ud83db", "a\ufffdb"],
    ["\ude00x", "\ufffdx"],
    ["\ud83d", "\ufffd"],
    ["\ude00\ud83d", "\ufffd\ufffd"],
    ["\ud83d\ud83d\ude00", "\ufffd😀"],
    // Source code that names a half holds none.
    ["\\ud83d", "\\ud83d"],
    ["\\\ud83d", "\\\ufffd"],
    ["\\\\ud83d \\\\\ud83d", "\\\\ud83d \\\\\ufffd"],
    ["\\udzzz \\ud7ff", "\\udzzz \\ud7ff"],
    ["\ud7ff\ue000", "\ud7ff\ue000"],
  ];
  for (const [text, mended] of cases) {
    assertEquals(JSON.parse(toJson({ [text]: [text] })), { [mended]: [mended] });
    assertEquals(toJson(text), JSON.stringify(text.toWellFormed()));
  }
});

Deno.test("text: JSON that needs nothing is passed on as it is", () => {
  const json = JSON.stringify({ a: "\\ud83d 😀" });
  assertEquals(wellFormed(json), json);
  assertEquals(toJson(undefined), "null");
  assertThrows(() => toJson(1n));
});

Deno.test("text: a value is mended in place, in lists and plain objects, and in circles", () => {
  const kept = new (class Made {
    text = "\ud83d";
  })();
  const frozen = Object.freeze({ text: "\ud83d" });
  const value: Record<string, unknown> = { list: ["a\ud83d", { deep: "\ude00" }], whole: "😀", kept, frozen };
  value["self"] = value;
  mend(value);
  assertEquals(value["list"], ["a\ufffd", { deep: "\ufffd" }]);
  assertEquals(value["whole"], "😀");
  assertEquals([kept.text, frozen.text], ["\ud83d", "\ud83d"]);
  let nested: unknown = "\ud83d";
  for (let depth = 0; depth < 100_000; depth++) nested = [nested];
  mend(nested);
  mend("\ud83d");
  mend(null);
});

Deno.test("text: a cut falls between characters", () => {
  assertEquals(cut("abc", 3), "abc");
  assertEquals(cut("abc", 2), "ab");
  assertEquals(cut("😀😀", 3), "😀");
  assertEquals(cut("😀😀", 2), "😀");
  assertEquals(cut("😀", 1), "");
  assertEquals(cut("😀", 0), "");
});

Deno.test("text: utf8Bytes is what an encoder makes of a well-formed text", () => {
  for (const text of ["", "abc", "é", "€", "😀", "a😀é€b".repeat(100), "\u07ff\u0800\uffff"]) {
    assertEquals(utf8Bytes(text), new TextEncoder().encode(text).length, text);
  }
});
