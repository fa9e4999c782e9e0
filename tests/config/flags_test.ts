// The table of flags: one for each thing that can be set, each with a variable and a line in the help.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { flagOf, FLAGS, helpText, variableOf } from "../../src/config/flags.ts";
import { LIMIT_NAMES } from "../../src/governor/limits.ts";

Deno.test("flags: help names every flag with what it is about, and the version", () => {
  const lines = helpText("9.8.7").split("\n");
  assertStringIncludes(lines[0] ?? "", "9.8.7");
  for (const { name, about } of FLAGS) {
    const found = lines.filter((line) => new RegExp(`^  --${name}( |$)`).test(line));
    assertEquals(found.length, 1, name);
    assertStringIncludes(found[0] ?? "", about);
  }
});

Deno.test("flags: no line of the help is wider than a screen allows", () => {
  assertEquals(helpText("0").split("\n").filter((line) => line.length > 120), []);
});

Deno.test("flags: each name is there once, and every limit has one", () => {
  const names = FLAGS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  for (const limit of LIMIT_NAMES) assert(names.includes(flagOf(limit)), limit);
});

Deno.test("flags: the variable is the flag in capitals", () => {
  assertEquals(variableOf("max-frame-bytes"), "PI_SERVER_MAX_FRAME_BYTES");
  assertEquals(flagOf("inFlightPerConnection"), "max-in-flight-per-connection");
  assertEquals(
    flagOf("outboxSoftBytes"),
    "outbox-soft-bytes",
    "docs/PROTOCOL.md#limits names these without max",
  );
});
