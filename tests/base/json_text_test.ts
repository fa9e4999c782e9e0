import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { readJsonText } from "../../src/base/json_text.ts";

Deno.test("json text: any JSON is read as JSON.parse reads it, with a mark and comments around it", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const text = JSON.stringify(value, null, 1);
    const plain = readJsonText(text);
    assert(plain.ok && plain.strict);
    const dressed = readJsonText(`\ufeff// begin\n${text}\n/* end */ // last`);
    assert(dressed.ok && !dressed.strict && dressed.trailingComma === undefined);
    assertEquals(JSON.stringify(dressed.value), JSON.stringify(plain.value));
  }));
});

Deno.test("json text: comments and commas inside of strings stay", () => {
  const found = readJsonText('{"a": "// no, ]", /* x */ "b": ["/*", "*/",],}');
  assertEquals(found, {
    ok: true,
    value: { a: "// no, ]", b: ["/*", "*/"] },
    strict: false,
    trailingComma: { line: 1, column: 43 },
  });
});

Deno.test("json text: a fault has its place, and quotes nothing of the text", () => {
  const cases: [string, number, number, RegExp][] = [
    ["", 1, 1, /ends too early/],
    ["{", 1, 2, /ends too early/],
    ['{\n "key": "sk-secret" "b": 1}', 2, 21, /"," or "}"/],
    ['{"key": sk-secret}', 1, 9, /value is expected/],
    ["{key: 1}", 1, 2, /name in double quotes/],
    ['{"a" 1}', 1, 6, /":" is expected/],
    ["[1 2]", 1, 4, /"," or "]"/],
    ["[,]", 1, 2, /value/],
    ['["a', 1, 2, /does not end/],
    ["{} x", 1, 4, /more behind/],
    ["[".repeat(600), 1, 502, /nested/],
  ];
  for (const [text, line, column, what] of cases) {
    const found = readJsonText(text);
    assert(!found.ok, text);
    assertEquals(found.at, { line, column }, text);
    assert(what.test(found.what), found.what);
    assert(!found.what.includes("sk-"), found.what);
  }
});

Deno.test("json text: a name like __proto__ is a field and no prototype", () => {
  const found = readJsonText('{"__proto__": {"x": 1},}');
  assert(found.ok);
  assertEquals(Object.keys(Object(found.value)), ["__proto__"]);
});
