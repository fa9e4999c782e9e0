// Does: shows that the check of the texts finds each broken rule, and passes texts that keep the rules.
// Uses: scripts/check/check_text.ts alone. Samples of broken texts are built from pieces, so that the check passes here.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkTexts } from "../../scripts/check/check_text.ts";

/** The pages and files that the samples may refer to. */
const OTHERS: readonly (readonly [file: string, text: string])[] = [
  [
    "docs/PROTOCOL.md",
    "# Wire\n\n## Limits\n\n### Reading slowly\n\n## Limits\n\n```\n## Not a heading\n```\n",
  ],
  ["src/base/text.ts", ""],
  ["tests/base/text_test.ts", ""],
];

/** The findings for one more file. */
function findings(file: string, text: string): string[] {
  return checkTexts(new Map([...OTHERS, [file, text]]), []).map(({ line, message }) => `${line} ${message}`);
}

const PAGE = "docs/PROTOCOL.md";
const SECTION = "\u00a7";
const WORD = ["who", "ever"].join("");
const LONG = Array.from({ length: 41 }, (_, n) => `word${n}`).join(" ");

Deno.test("check of the texts: a reference that leads nowhere is found, with its line", () => {
  const broken: readonly (readonly [file: string, text: string, expected: string])[] = [
    ["src/a.ts", `// See PROTOCOL ${SECTION}3.`, "1 refers to a section by number"],
    ["src/a.ts", `// One\n// ${PAGE}#reading-fast`, `2 ${PAGE}#reading-fast leads nowhere`],
    ["src/a.ts", `// ${PAGE}#not-a-heading`, `1 ${PAGE}#not-a-heading leads nowhere`],
    ["src/a.ts", "// The rules are in ARCHITECTURE.md.", "1 there is no page ARCHITECTURE.md"],
    ["src/a.ts", "/**\n * See src/base/gone.ts.\n */", "2 there is no file src/base/gone.ts"],
    ["src/a.ts", "// gone.ts reads it.", "1 there is no file gone.ts"],
    ["tests/a_test.ts", `const a = "${PAGE}#gone";`, `1 ${PAGE}#gone leads nowhere`],
    ["docs/A.md", "See [limits](PROTOCOL.md#gone).", "1 the link PROTOCOL.md#gone leads to no heading"],
    ["docs/A.md", "\n`src/base/gone.ts`", "2 there is no file src/base/gone.ts"],
    ["docs/A.md", "[a](B.md)", "1 the link B.md leads nowhere"],
  ];
  for (const [file, text, expected] of broken) {
    const found = findings(file, text);
    assertEquals(found.length, 1, text);
    assertStringIncludes(found[0] ?? "", expected, text);
  }
});

Deno.test("check of the texts: a reference that leads somewhere passes", () => {
  const kept: readonly (readonly [file: string, text: string])[] = [
    [
      "src/a.ts",
      "// docs/PROTOCOL.md#reading-slowly, docs/PROTOCOL.md#limits-1, src/base/text.ts, text_test.ts",
    ],
    [
      "src/a.ts",
      "// pi reads AGENTS.md. The build writes dist/npm/a.ts. node:fs, a.b.ts and *.ts are no paths.",
    ],
    ["src/a.ts", 'const a = "src/base/gone.ts"; const b = `gone.ts`;'],
    ["docs/A.md", "[limits](PROTOCOL.md#limits) [here](#here) [web](https://a.b/c.md)\n\n## Here\n"],
    ["docs/A.md", "```ts\n// src/base/gone.ts\n```\n"],
  ];
  for (const [file, text] of kept) assertEquals(findings(file, text), [], text);
});

Deno.test("check of the texts: a word of the list is found in comments, strings and pages, and not in code", () => {
  const says = `says "${WORD}"; name the actor, and use the words of docs/GLOSSARY.md`;
  assertEquals(findings("src/a.ts", `// For ${WORD} reads it.`), [`1 ${says}`]);
  assertEquals(findings("src/a.ts", `\nconst a = \`For \${b} ${WORD}\`;`), [`2 ${says}`]);
  assertEquals(findings("docs/A.md", `\n\nFor ${WORD} reads it.`), [`3 ${says}`]);
  assertEquals(findings("src/a.ts", `const ${WORD} = 1;`), []);
  assertEquals(findings("src/a.ts", "// A folder that is no longer there."), []);
});

Deno.test("check of the texts: a sentence of more than 40 words is found in comments alone", () => {
  const says = "has a sentence of 41 words, 40 at most; one fact a sentence";
  assertEquals(findings("src/a.ts", `// ${LONG}.`), [`1 ${says}`]);
  assertEquals(findings("src/a.ts", `// ${LONG.replace("word20 ", "word20\n// ")}.`), [`1 ${says}`]);
  assertEquals(findings("src/a.ts", `/** ${LONG}. */`), [`1 ${says}`]);
  assertEquals(findings("src/a.ts", `// ${LONG.replace("word20 ", "word20. ")}.`), []);
  assertEquals(findings("src/a.ts", `// ${LONG.replace("word20 ", "word20\n//\n// ")}.`), []);
  assertEquals(findings("src/a.ts", `const a = "${LONG}.";`), []);
});

Deno.test("check of the texts: a conflict that is not resolved is found in every text, also within a line", () => {
  const [ours, theirs] = ["<".repeat(7), ">".repeat(7)];
  for (const marker of [`${ours} HEAD`, `${theirs} branch`]) {
    assertEquals(findings("docs/A.md", `One.\n${marker}\nTwo.`), ["2 a conflict is not resolved"]);
    assertEquals(findings("docs/A.md", `One. ${marker}`), ["1 a conflict is not resolved"]);
  }
  assertEquals(findings("docs/A.md", `${ours}${ours}`), []);
});
