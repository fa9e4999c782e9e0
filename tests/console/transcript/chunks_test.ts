// Cutting a growing text into chunks: the same chunks whole or piece by piece, and nothing lost.
import { assert, assertEquals } from "@std/assert";
import { ChunkedText } from "../../../src/console/transcript/chunks.ts";

const TEXT = [
  "# Title",
  "",
  "First paragraph",
  "over two lines.",
  "",
  "- item",
  "",
  "  more of it",
  "- another",
  "",
  "Between.",
  "```ts",
  "const a = 1;",
  "",
  "# not a title",
  "```",
  "After.",
  "",
  "1. one",
  "   ~~~",
  "   code",
  "   ~~~",
  "2. two",
  "",
  "The end",
].join("\n");

const all = (text: ChunkedText): string => text.chunks.join("") + text.tail;

Deno.test("chunks end at blank lines, and a code block is a chunk of its own", () => {
  const { chunks, tail } = new ChunkedText(TEXT);
  assertEquals(chunks, [
    "# Title\n\n",
    "First paragraph\nover two lines.\n\n",
    "- item\n\n  more of it\n- another\n\n",
    "Between.\n",
    "```ts\nconst a = 1;\n\n# not a title\n```\n",
    "After.\n\n",
  ]);
  // A line counts when it is whole.
  assertEquals(tail, "1. one\n   ~~~\n   code\n   ~~~\n2. two\n\nThe end");
});

Deno.test("pieces of any size make the chunks of the whole text", () => {
  const whole = new ChunkedText(TEXT);
  for (let size = 1; size < 40; size++) {
    const text = new ChunkedText();
    for (let at = 0; at < TEXT.length; at += size) text.append(TEXT.slice(at, at + size));
    assertEquals([...text.chunks, text.tail], [...whole.chunks, whole.tail], `pieces of ${size}`);
  }
});

Deno.test("no character is lost, whatever comes", () => {
  const parts = ["a", "\n", "\n\n", "```", "~~~", "  ", "- ", "1. ", "[x]: y", "`", "text "];
  let seed = 3;
  for (let round = 0; round < 300; round++) {
    const text = new ChunkedText();
    let sent = "";
    for (let i = 0; i < 60; i++) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      const part = parts[seed % parts.length] ?? "";
      sent += part;
      text.append(part);
    }
    assertEquals(all(text), sent);
  }
});

Deno.test("a code block without an end counts as one", () => {
  const text = new ChunkedText("Look:\n\n```ts\nconst a = 1;\nconst b");
  assertEquals(text.openCode, { language: "ts", code: "const a = 1;\nconst b" });
  text.append(" = 2;\n```\n");
  assertEquals(text.openCode, undefined);
});

Deno.test("a definition keeps its text together, up to a size", () => {
  const text = new ChunkedText("See [x].\n\n[x]: https://example.com\n\nMore.\n\nEnd");
  assert(text.chunks.length <= 1);
  const huge = new ChunkedText(`[x]: https://example.com\n\n${"line of text\n\n".repeat(10_000)}`);
  assert(huge.chunks.every((chunk) => chunk.length < 25_000), "a chunk has a bound");
});
