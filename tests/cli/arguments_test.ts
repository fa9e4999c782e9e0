// The arguments of subcommands: flags with and without values, words, and what is said of wrong ones.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { columns, parseArguments } from "../../src/cli/arguments.ts";
import { fieldNamed, fieldsOf, valueFor } from "../../src/cli/command_fields.ts";
import { UsageError } from "../../src/cli/subcommand.ts";
import { ageOf, durationOf, printable, sizeOf, table } from "../../src/cli/tables.ts";
import { commandSchema } from "../../src/protocol/mod.ts";

/** What a `UsageError` says. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "nothing was thrown";
}

const FLAGS = [
  { name: "json", about: "" },
  { name: "model", value: "P/M", about: "" },
  { name: "answer", value: "HOW", about: "", choices: ["ask", "first"] },
];

Deno.test("arguments: values follow their flag or are glued to it, -- ends the flags, - is a word", () => {
  const parsed = parseArguments(["a", "--model", "x", "--json", "--model=y=z", "-", "--", "--json2"], FLAGS);
  assertEquals(parsed.words, ["a", "-", "--json2"]);
  assertEquals([parsed.has("json"), parsed.text("model"), parsed.list("model")], [true, "y=z", ["x", "y=z"]]);
  assertEquals([parsed.has("answer"), parsed.text("answer"), parsed.list("answer")], [false, undefined, []]);
});

Deno.test("arguments: a value may begin with a dash", () => {
  assertEquals(parseArguments(["--model", "-x"], FLAGS).text("model"), "-x");
});

Deno.test("arguments: wrong ones are named, with the nearest right one", () => {
  for (
    const [args, says] of [
      [["--jsn"], "did you mean --json?"],
      [["-j"], "-j: there is no such flag"],
      [["--model"], "expected P/M"],
      [["--model="], "expected P/M"],
      [["--json=yes"], "takes no value"],
      [["--answer", "frist"], "did you mean first?"],
    ] as const
  ) assertStringIncludes(refusal(() => parseArguments(args, FLAGS)), says);
});

Deno.test("columns: 80 wide, a long term has a line of its own, nothing ends in a space", () => {
  const lines = columns([["--a", "word ".repeat(30).trim()], [`--${"b".repeat(40)}`, "c"], ["--d", ""]]).join(
    "\n",
  ).split("\n");
  assertEquals(lines.filter((line) => line.length > 80 || line !== line.trimEnd()), []);
  assertEquals(lines.at(-1), "  --d");
});

Deno.test("fields of a command: kinds, choices, and flags in either spelling", () => {
  const fields = fieldsOf(commandSchema("create_session") ?? {});
  const of = (name: string) => fieldNamed(name, fields, []);
  assertEquals([of("session-id").name, of("sessionId").name], ["sessionId", "sessionId"]);
  assertEquals(valueFor(of("sessionName"), "42"), "42");
  assertEquals(valueFor(of("inMemory"), "false"), false);
  assertEquals(valueFor(of("tools"), '["a"]'), ["a"]);
  assertStringIncludes(refusal(() => valueFor(of("inMemory"), "maybe")), "true or false");
  assertStringIncludes(refusal(() => valueFor(of("thinkingLevel"), "hihg")), "did you mean high?");
  assertStringIncludes(refusal(() => of("sesionId")), "did you mean --sessionId?");
  const [limit] = fieldsOf(commandSchema("get_messages") ?? {}).filter(({ name }) => name === "limit");
  assertEquals(limit === undefined ? undefined : [valueFor(limit, "5"), limit.shown], [5, "N"]);
});

Deno.test("tables: columns, ages, sizes and times as a person writes them", () => {
  assertEquals(table([["A", "BB"], ["ccc", ""]]), "A    BB\nccc\n");
  assertEquals(printable("a\u001b[31mb\nc\u0007"), "a [31mb c ");
  assertEquals([ageOf(-5), ageOf(59_999), ageOf(3_599_000), ageOf(7_200_000), ageOf(1e9)], [
    "0s",
    "59s",
    "59m",
    "2h",
    "11d",
  ]);
  assertEquals([sizeOf(1500), sizeOf(12_345_678), sizeOf(2.5e9)], ["2 KB", "12 MB", "2.5 GB"]);
  assertEquals(["90s", "1.5h", "7d", "soon", "5", "-1h"].map(durationOf), [
    90_000,
    5_400_000,
    604_800_000,
    ...Array(3),
  ]);
});
