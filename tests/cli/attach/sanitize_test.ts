// No control character but a line end gets past the sanitizer, whatever is around it.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { guardLine, sanitize, sanitizeLine } from "../../../src/cli/attach/view/sanitize.ts";

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

Deno.test("sequences go as a whole, what they style stays", () => {
  assertEquals(sanitize("\x1b[31mred\x1b[0m and \x1b]8;;http://a\x07link\x1b]8;;\x1b\\."), "red and link.");
  assertEquals(sanitize("\x1b]0;title\x07a\x1bPq...\x1b\\b\x1b(Bc\x9b1md\x1b_Gi=1;AAAA\x1b\\e"), "abcde");
  assertEquals(sanitize("a\x1b[2Jb\x1b[10;10Hc\x1b[?1049hd\x1bce"), "abcde");
});

Deno.test("an unfinished sequence hides nothing of what follows", () => {
  assertEquals(sanitize("a\x1b]0;never ends"), "a]0;never ends");
  assertEquals(sanitize("a\x1b[12"), "a[12");
  assertEquals(sanitize("a\x1b"), "a");
});

Deno.test("line ends become LF, tabs blanks, halves of characters a mark", () => {
  assertEquals(sanitize("a\r\nb\rc\u2028d\te"), "a\nb\nc\nd    e");
  assertEquals(sanitize("a\ud83d b"), "a\ufffd b");
  assertEquals(sanitize("👩‍👩‍👧 日本 é"), "👩‍👩‍👧 日本 é");
  assertEquals(sanitizeLine(" a\n\nb "), "a b");
});

Deno.test("a drawn line keeps colours and the cursor's mark, and loses everything else", () => {
  assertEquals(guardLine("\x1b[1;31mred\x1b[0m\x1b_pi:c\x07x"), "\x1b[1;31mred\x1b[0m\x1b_pi:c\x07x");
  assertEquals(guardLine("a\x1b[2Jb\x1b]0;t\x07c\x9b1md\n"), "a[2Jb]0;tc1md");
});

Deno.test("no text whatever gets a control character through", () => {
  const pieces = fc.constantFrom(
    "\x1b",
    "[",
    "]",
    "0;",
    "31",
    "m",
    "\x07",
    "\\",
    "\x9b",
    "P",
    "\u202e",
    "a",
    "\n",
    "\x1b[",
    "é",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string({ unit: "binary" })), { maxLength: 8 }), (parts) => {
      const text = parts.join("");
      assert(!CONTROL.test(sanitize(text)));
      const rest = guardLine(text).replaceAll("\x1b_pi:c\x07", "");
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f]/.test(rest.replaceAll(/\x1b\[[\d;]*m/g, "")));
    }),
  );
});

Deno.test("a megabyte of beginnings of sequences takes no time to speak of", () => {
  for (const piece of ["\x1b]", "\x1bP", "\x1b[", "\x9d", "\x1b_x"]) {
    const started = performance.now();
    sanitize(piece.repeat(1_000_000 / piece.length));
    assert(performance.now() - started < 5000, JSON.stringify(piece));
  }
});
