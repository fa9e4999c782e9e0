// `pi-server call TYPE`: sends any one command of the protocol and prints its answer as JSON.
// Used by: the dispatch (src/cli/subcommands.ts). Uses: the schemas of src/protocol; of a command that only a newer
// server knows, the schema that the server returns.
import { didYouMean } from "../../config/nearest.ts";
import { isRecord } from "../../base/json.ts";
import type { Client, FieldsOf, WireCommandName } from "../../client/mod.ts";
import { columns, helpOf, parseArguments, SERVER_FLAGS, usageOf } from "../arguments.ts";
import { type Field, fieldNamed, fieldsOf, propertiesOf, valueFor } from "../command_fields.ts";
import { connectTo, findServer, olderServer, serverOptions } from "../find_server.ts";
import { textOfInput } from "../prompt_text.ts";
import { EXIT_FAILED, EXIT_OK, type Io, type Subcommand, UsageError } from "../subcommand.ts";

const FLAGS = [
  { name: "data", about: "print the answer's `data` alone" },
  ...SERVER_FLAGS,
];
const OWN_NAMES = FLAGS.map(({ name }) => name);

type Fields = Record<string, unknown>;

/** The user's words: the command, the flags of every call, and what is left for the command's fields. */
interface Written {
  readonly type: string;
  readonly own: readonly string[];
  readonly rest: readonly string[];
}

/** Takes the flags of every call out; the first word is the command. Throws `UsageError` without one. */
function split(args: readonly string[]): Written {
  const own: string[] = [];
  const rest: string[] = [];
  let type: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    const name = /^--([^=]+)/.exec(arg)?.[1];
    const flag = FLAGS.find((one) => one.name === name);
    if (flag !== undefined) {
      own.push(arg);
      if ("value" in flag && !arg.includes("=")) own.push(...args.slice(++at, at + 1));
    } else if (type === undefined) {
      if (arg.startsWith("-")) throw new UsageError(`${arg}: the command comes before its fields`);
      type = arg;
    } else rest.push(arg);
  }
  if (type === undefined) throw new UsageError("name the command, such as: pi-server call list_sessions");
  return { type, own, rest };
}

/** The fields that were given as flags, and the words between them, which are JSON. */
interface Given {
  readonly flags: readonly (readonly [field: Field, text: string])[];
  readonly json: readonly string[];
}

function readFields(rest: readonly string[], fields: readonly Field[]): Given {
  const flags: [Field, string][] = [];
  const json: string[] = [];
  for (let at = 0; at < rest.length; at++) {
    const arg = rest[at] ?? "";
    const [, name, glued] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === undefined) {
      if (arg.startsWith("-") && arg !== "-") {
        throw new UsageError(`${arg}: fields are written as --name value`);
      }
      json.push(arg);
      continue;
    }
    const field = fieldNamed(name, fields, OWN_NAMES);
    const next = rest[at + 1];
    if (glued !== undefined) flags.push([field, glued]);
    else if (field.kinds.has("boolean")) {
      // A switch: `--inMemory` alone is true.
      const says = next !== undefined && !/^[-{]/.test(next);
      flags.push([field, says ? next : "true"]);
      if (says) at++;
    } else if (next === undefined) throw new UsageError(`--${name}: expected ${field.shown} after it`);
    else {
      flags.push([field, next]);
      at++;
    }
  }
  return { flags, json };
}

/** Names of all commands that this program knows. */
function commandsOf({ commands }: Readonly<Record<string, unknown>>): readonly string[] {
  return Array.isArray(commands) ? commands.map(String).sort() : [];
}

/** The command's schema: the one of this program, else the server's. */
async function schemaOf(
  type: string,
  client: () => Promise<Client>,
): Promise<Readonly<Record<string, unknown>>> {
  const { commandSchema, protocolSchema } = await import("../../protocol/mod.ts");
  const known = commandSchema(type);
  if (known !== undefined) return known;
  const near = didYouMean(type, commandsOf(protocolSchema()));
  // Only a newer server can know it; without one there is nothing to ask.
  const asked = await client().then((one) => one.request("get_schema", { command: type })).catch(() =>
    undefined
  );
  if (asked !== undefined && isRecord(asked.schema)) return asked.schema;
  throw new UsageError(`${type}: the protocol has no such command${near || "; see pi-server call --help"}`);
}

async function givenJson(texts: readonly string[], io: Io): Promise<Fields> {
  let fields: Fields = {};
  for (const text of texts) {
    let value: unknown;
    try {
      value = JSON.parse(text === "-" ? await textOfInput(io) : text);
    } catch {
      value = undefined;
    }
    if (!isRecord(value)) {
      throw new UsageError(`expected a JSON object with the command's fields, got "${text.slice(0, 60)}"`);
    }
    fields = { ...fields, ...value };
  }
  return fields;
}

function withFlags(json: Fields, flags: Given["flags"], fields: readonly Field[], type: string): Fields {
  const result: Fields = { ...json };
  const lists = new Map<string, unknown[]>();
  for (const [field, text] of flags) {
    if (field.items !== undefined && !text.startsWith("[")) {
      const list = lists.get(field.name) ?? [];
      lists.set(field.name, list);
      list.push(valueFor(field.items, text));
      result[field.name] = list;
    } else result[field.name] = valueFor(field, text);
  }
  const missing = fields.filter(({ name, required }) => required && !(name in result));
  if (missing.length > 0) {
    throw new UsageError(
      `${type} needs ${missing.map(({ name, shown }) => `--${name} ${shown}`).join(" and ")}`,
    );
  }
  return result;
}

async function answer(
  client: Client,
  type: string,
  fields: Fields,
  dataOnly: boolean,
  io: Io,
): Promise<number> {
  const print = (value: unknown): Promise<void> =>
    io.stdout.write(`${JSON.stringify(value, null, io.stdout.isTerminal ? 2 : undefined)}\n`);
  const { type: _type, id: _id, idempotencyKey, ...rest } = fields;
  try {
    const { data, sessionVersion, replayed } = await client.exchange(
      // The words of the user: the server judges them.
      type as WireCommandName,
      rest as FieldsOf<WireCommandName>,
      typeof idempotencyKey === "string" ? { idempotencyKey } : {},
    );
    await print(
      dataOnly ? data : {
        type: "response",
        command: type,
        success: true,
        ...(sessionVersion === undefined ? {} : { sessionVersion }),
        ...(replayed ? { replayed } : {}),
        data,
      },
    );
    return EXIT_OK;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "RequestError") throw error;
    const [code, retryable, data] = ["code", "retryable", "data"].map((name) => Reflect.get(error, name));
    const older = code === "unknown_command" || code === "invalid_params" ? olderServer(client) : "";
    if (!dataOnly) {
      await print({
        type: "response",
        command: type,
        success: false,
        error: error.message,
        code,
        retryable,
        ...(data === undefined ? {} : { data }),
      });
    }
    await io.stderr.write(`pi-server call: ${error.message} (${code})${older}\n`);
    return EXIT_FAILED;
  }
}

/** A list of words in lines of at most 80 columns. */
function listed(words: readonly string[]): string {
  const width = Math.max(...words.map((word) => word.length)) + 2;
  const each = Math.max(1, Math.floor(78 / width));
  const lines: string[] = [];
  for (let at = 0; at < words.length; at += each) {
    lines.push(`  ${words.slice(at, at + each).map((word) => word.padEnd(width)).join("").trimEnd()}`);
  }
  return lines.join("\n");
}

async function help(args: readonly string[], io: Io): Promise<string> {
  const { protocolSchema } = await import("../../protocol/mod.ts");
  const type = args.find((arg) => !arg.startsWith("-"));
  if (type !== undefined) {
    const schema = await schemaOf(type, async () => {
      const { own } = split(args);
      return await connectTo(io, await findServer(io, serverOptions(parseArguments(own, FLAGS))));
    });
    return helpOfType(type, schema);
  }
  const commands = commandsOf(protocolSchema());
  const general = helpOf({
    usage: ["call TYPE [--field value …] [JSON]", "call TYPE --help"],
    about:
      "Sends one command of the protocol and prints the answer as JSON. A field is a flag, or a part of a " +
      "JSON object; - reads that object from stdin. docs/PROTOCOL.md says what each command does.",
    flags: FLAGS,
    examples: [
      ["pi-server call list_sessions --data", "the sessions that the server holds"],
      ['pi-server call create_session --sessionId a --cwd "$PWD"', "a new session in this folder"],
      [`pi-server call prompt '{"sessionId":"a","message":"Hi"}'`, "the fields as JSON"],
    ],
    exitCodes: [["1", "the answer has success: false, or there is no server"]],
  });
  return `${general}\nCommands:\n${listed(commands)}\n`;
}

function helpOfType(type: string, schema: Readonly<Record<string, unknown>>): string {
  const fields = fieldsOf(schema);
  const defs = isRecord(schema["$defs"]) ? schema["$defs"] : {};
  const results = propertiesOf(defs[`${type}.data`]);
  const required = fields.filter((field) => field.required);
  return [
    usageOf(`call ${type}`, required.map(({ name, shown }) => `--${name} ${shown}`)),
    "",
    "Fields:",
    ...columns(fields.map(({ name, shown, about }) => [`--${name} ${shown}`, about] as const)),
    "",
    ...results.length === 0 ? [] : ["Fields of the answer's data:", listed(results), ""],
    `docs/PROTOCOL.md says what ${type} does.`,
    "Flags that every call has: pi-server call --help",
    "",
  ].join("\n");
}

/** The command's fields as they were written. Throws `UsageError`, which leads to the help of that command. */
async function filledIn({ type, rest }: Written, fields: readonly Field[], io: Io): Promise<Fields> {
  try {
    const { flags, json } = readFields(rest, fields);
    return withFlags(await givenJson(json, io), flags, fields, type);
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(error.message, type) : error;
  }
}

/** The subcommand. */
export const command: Subcommand = {
  flags: FLAGS,
  async words() {
    const { protocolSchema } = await import("../../protocol/mod.ts");
    return commandsOf(protocolSchema());
  },
  help,
  async run(args, io) {
    const written = split(args);
    const parsed = parseArguments(written.own, FLAGS);
    const options = serverOptions(parsed);
    let client: Client | undefined;
    const connected = async (): Promise<Client> =>
      client ??= await connectTo(io, await findServer(io, options));
    try {
      const { type } = written;
      const filled = await filledIn(written, fieldsOf(await schemaOf(type, connected)), io);
      return await answer(await connected(), type, filled, parsed.has("data"), io);
    } finally {
      await client?.close();
    }
  },
};
