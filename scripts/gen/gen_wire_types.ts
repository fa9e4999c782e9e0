// Writes src/protocol/generated, `deno task gen`: the protocol's schemas as plain interfaces.
// JSR takes no inferred types in a public interface, and clients need no schema library to be typed. The schemas
// stay the source; tests/protocol/generated_types_test.ts holds the files to them.
// Usage: deno run -A scripts/gen/gen_wire_types.ts [--check], which only says whether they are stale.

import * as path from "node:path";
import { COMMANDS, type CommandSpec } from "../../src/protocol/schema/commands.ts";
import { ERRORS } from "../../src/protocol/errors.ts";
import { EVENT_SCHEMAS } from "../../src/protocol/events.ts";
import { repositoryRoot } from "../build/bundle.ts";
import { COMMAND_SENTENCES, EVENT_SENTENCES } from "./gen_protocol.ts";
import { comment, plain, Writer } from "./wire_writer.ts";

const SOURCES = ["src/protocol/schema/responses.ts", "src/protocol/schema/results.ts"];
/** Server commands that only read or only concern the connection; the others have effects. */
const HARMLESS = /^(?:get_|list_|hello$|ping$|subscribe$|unsubscribe$|switch_session$|health_check$)/;

const pascal = (name: string): string =>
  name.split("_").map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");

/** What the sources say of each named schema. */
async function sentences(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const file of SOURCES) {
    const text = await Deno.readTextFile(path.join(root, file));
    for (const [, sentence, name] of text.matchAll(/\/\*\* (.+?) \*\/\nexport const (\w+)Schema\b/g)) {
      if (sentence !== undefined && name !== undefined) found.set(name, sentence);
    }
  }
  return found;
}

const sentenceOf = (name: string): string => COMMAND_SENTENCES[name] ?? `The command \`${name}\`.`;

function mapOf(name: string, sentence: string, names: readonly string[], suffix: string): string {
  const lines = names.map((one) => `  /** Of \`${one}\`. */\n  ${one}: ${pascal(one)}${suffix};`);
  return `${comment(sentence)}\nexport interface ${name} {\n${lines.join("\n")}\n}`;
}

const HEAD = "// Generated from the schemas beside this file by `deno task gen`; do not edit.";

const names = [...COMMANDS.keys()];
const events = Object.keys(EVENT_SCHEMAS);

interface Kind {
  readonly about: string;
  readonly declarations: (writer: Writer) => string[];
}

/** What stands in which file. */
const KINDS: Readonly<Record<string, Kind>> = {
  shapes: { about: "What several answers and events share.", declarations: (writer) => writer.named() },
  commands: {
    about: "The commands.",
    declarations: (writer) => [
      ...writer.commandBases(plain(COMMANDS.get("abort")?.schema)),
      ...[...COMMANDS].map(([name, { schema }]) =>
        writer.command(`${pascal(name)}Command`, plain(schema), sentenceOf(name))
      ),
      mapOf("CommandMap", "All commands by name.", names, "Command"),
      "/** Name of a command. */\nexport type WireCommandName = keyof CommandMap;",
    ],
  },
  answers: {
    about: "What commands are answered with.",
    declarations: (writer) => [
      ...[...COMMANDS].map(([name, { result }]) =>
        writer.declare(`${pascal(name)}Data`, plain(result), `What \`${name}\` answers with.`)
      ),
      mapOf("DataMap", "What each command answers with, by its name.", names, "Data"),
      `/** Code of an error, for programs. */\nexport type ErrorCode = ${
        Object.keys(ERRORS).map((code) => `"${code}"`).join(" | ")
      };`,
    ],
  },
  events: {
    about: "Events beyond pi's own.",
    declarations: (writer) => [
      ...events.map((name) => {
        const sentence = EVENT_SENTENCES[name] ?? `\`${name}\`.`;
        return writer.declare(`${pascal(name)}Event`, plain(EVENT_SCHEMAS[name]), sentence);
      }),
      mapOf("EventMap", "Events beyond pi's own, by type.", events, "Event"),
    ],
  },
};

/** The generated interfaces by path: a file for each kind, and one that has them all. */
async function wireTypes(root: string): Promise<Map<string, string>> {
  const known = await sentences(root);
  const texts = new Map<string, string>();
  for (const [file, { about, declarations }] of Object.entries(KINDS)) {
    const writer = new Writer(known);
    const body = declarations(writer).join("\n\n");
    const used = file === "shapes" ? [] : [...writer.used].sort();
    const imports = used.length === 0 ? "" : `import type { ${used.join(", ")} } from "./shapes.ts";\n\n`;
    texts.set(`src/protocol/generated/${file}.ts`, `${HEAD}\n// ${about}\n\n${imports}${body}\n`);
  }
  const all = Object.keys(KINDS).map((file) => `export type * from "./${file}.ts";`).join("\n");
  const about = "The protocol as plain interfaces, for clients and for the package's public interface.";
  return texts.set("src/protocol/generated/mod.ts", `${HEAD}\n// ${about}\n\n${all}\n`);
}

/** What stops something needs no key: stopped twice is stopped. */
const keyed = (spec: CommandSpec): boolean => spec.keyed && !spec.exempt;

function safe(name: string, spec: CommandSpec): boolean {
  if (spec.exempt) return true;
  return !spec.keyed && !spec.mutates && (spec.target === "session" || HARMLESS.test(name));
}

/** The text of command_traits.ts. */
export function commandTraits(): string {
  const list = (which: (name: string, spec: CommandSpec) => boolean): string =>
    [...COMMANDS].filter(([name, spec]) => which(name, spec)).map(([name]) => `\n  "${name}",`).join("");
  return [
    "// Generated from the schemas beside this file by `deno task gen`; do not edit. What a client must know of a command\n" +
    "// to send it again after a lost connection.",
    `/** Commands that a client sends with an \`idempotencyKey\`. */\nexport const KEYED: ReadonlySet<string> = new Set<string>([${
      list((_, spec) => keyed(spec))
    }\n]);`,
    "/** Commands that do no harm when they run twice. */\n" +
    `export const REPEATABLE: ReadonlySet<string> = new Set<string>([${list(safe)}\n]);`,
  ].join("\n\n").replaceAll("([\n])", "([])") + "\n";
}

/** As `deno fmt` would have it. */
async function formatted(text: string, root: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--config", path.join(root, "deno.json"), "--ext", "ts", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt refuses the generated types");
  return new TextDecoder().decode(stdout);
}

/** The generated files by path, as they should be. */
export async function generated(root: string = repositoryRoot()): Promise<Map<string, string>> {
  const texts = (await wireTypes(root)).set("src/protocol/generated/command_traits.ts", commandTraits());
  const entries = [...texts].map(async ([file, text]) => [file, await formatted(text, root)] as const);
  return new Map(await Promise.all(entries));
}

if (import.meta.main) {
  const root = repositoryRoot();
  let stale = 0;
  for (const [file, text] of await generated(root)) {
    const old = await Deno.readTextFile(path.join(root, file)).catch(() => "");
    if (old === text) continue;
    stale++;
    if (Deno.args.includes("--check")) console.error(`${file} is stale; run: deno task gen`);
    else await Deno.writeTextFile(path.join(root, file), text);
  }
  console.log(stale === 0 ? "wire types are up to date" : `wire types: ${stale} files changed`);
  if (stale > 0 && Deno.args.includes("--check")) Deno.exit(1);
}
