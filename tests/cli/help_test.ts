// The text of `pi-server --help`, and of each subcommand's own: complete, and no wider than a screen of 80 columns.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { command as call } from "../../src/cli/commands/call.ts";
import { programHelp } from "../../src/cli/help.ts";
import { SUBCOMMANDS } from "../../src/cli/subcommands.ts";
import { FLAGS } from "../../src/config/flags.ts";
import { programIo } from "../../src/runtime/terminal/program_io.ts";

const WIDE = 80;

const flat = (text: string): string => text.replaceAll(/\s+/g, " ");

Deno.test("help: names the version, every subcommand and every flag with what it is about, each once", () => {
  const help = programHelp("9.8.7", SUBCOMMANDS);
  const lines = help.split("\n");
  assertStringIncludes(lines[0] ?? "", "9.8.7");
  for (const { name, about } of FLAGS) {
    assertEquals(lines.filter((line) => new RegExp(`^  --${name}( |$)`).test(line)).length, 1, name);
    assertStringIncludes(flat(help), flat(about), name);
  }
  for (const { name, about } of SUBCOMMANDS) {
    assertEquals(lines.filter((line) => line.startsWith(`  ${name} `)).length, 1, name);
    assertStringIncludes(help, about);
  }
});

Deno.test("help: no line is wider than 80 columns", () => {
  assertEquals(programHelp("10.20.30", SUBCOMMANDS).split("\n").filter((line) => line.length > WIDE), []);
});

Deno.test("help of call TYPE: 80 columns for every command of the protocol, usage first", async () => {
  const { help, words } = call;
  assert(typeof help === "function" && typeof words === "function");
  const types = await words();
  assert(types.length > 50);
  for (const type of types) {
    const text = await help([type], programIo());
    assert(text.startsWith(`Usage: pi-server call ${type}`), text);
    assertEquals(text.split("\n").filter((line) => line.length > WIDE || line !== line.trimEnd()), [], type);
  }
});

for (const { name, load } of SUBCOMMANDS) {
  Deno.test(`help of ${name}: 80 columns, usage first, every flag in it`, async () => {
    const { command: { help, flags = [], words = [] } } = await load();
    if (typeof help !== "string") return;
    assert(help.startsWith(`Usage: pi-server ${name}`), help);
    assertEquals(help.split("\n").filter((line) => line.length > WIDE || line !== line.trimEnd()), []);
    for (const flag of flags) assertStringIncludes(help, `--${flag.name}`);
    for (const word of typeof words === "function" ? await words() : words) assertStringIncludes(help, word);
  });
}
