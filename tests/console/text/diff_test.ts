// Differences by line, and those that pi's edit tool tells.
import { assert, assertEquals } from "@std/assert";
import { type DiffLine, lineDiff, readDiff } from "../../../src/console/text/diff.ts";

const short = (lines: readonly DiffLine[]): string[] => {
  const signs = { same: " ", added: "+", removed: "-", gap: "~" };
  return lines.map(({ kind, text }) => `${signs[kind]}${text}`);
};

Deno.test("a changed line is removed and added, and its neighbours stay", () => {
  assertEquals(short(lineDiff("a\nb\nc\n", "a\nB\nc\n")), [" a", "-b", "+B", " c"]);
});

Deno.test("a text is made from nothing, and nothing from a text", () => {
  assertEquals(short(lineDiff("", "a\nb")), ["+a", "+b"]);
  assertEquals(short(lineDiff("a\nb", "")), ["-a", "-b"]);
  assertEquals(lineDiff("", ""), []);
});

Deno.test("removed and same lines make the old text, added and same lines the new one", () => {
  let seed = 7;
  const random = (most: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % most;
  for (let round = 0; round < 200; round++) {
    const make = (): string[] => Array.from({ length: random(12) }, () => "abcd"[random(4)] ?? "");
    const [before, after] = [make(), make()];
    const lines = lineDiff(before.join("\n"), after.join("\n"));
    const side = (kind: DiffLine["kind"]): string =>
      lines.filter((line) => line.kind === "same" || line.kind === kind).map(({ text }) => text).join("\n");
    assertEquals(side("removed"), before.join("\n"));
    assertEquals(side("added"), after.join("\n"));
  }
});

Deno.test("two large texts without a common line are shown as a whole", () => {
  const large = (word: string): string => Array.from({ length: 3000 }, (_, i) => `${word} ${i}`).join("\n");
  const lines = lineDiff(large("old"), large("new"));
  assertEquals(lines.length, 6000);
  assert(lines.slice(0, 3000).every(({ kind }) => kind === "removed"));
});

Deno.test("the text of pi's edit tool is read with signs, numbers and gaps", () => {
  const diff = " 1 export {\n-2   old\n+2   new\n   ...\n 12 }";
  assertEquals(readDiff(diff), [
    { kind: "same", number: 1, text: "export {" },
    { kind: "removed", number: 2, text: "  old" },
    { kind: "added", number: 2, text: "  new" },
    { kind: "gap", number: undefined, text: "..." },
    { kind: "same", number: 12, text: "}" },
  ]);
});
