// The table: every command that the server's own schema lists, with one input that it accepts and one that it
// refuses. A command without a case fails, so nothing can be added untested. The cases are in `cases.ts`.

import { assert, assertEquals } from "@std/assert";
import { Compile } from "typebox/compile";
import { arrayAt, at, brief, type JsonObject, objectAt } from "../../support/base/json.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { Bench, conformance, listed, TARGET } from "../suite.ts";
import { CASES } from "../cases.ts";

/** The server whose schema says what there is to test. It lives until the file's end. */
async function started(): Promise<{ bench: Bench; schema: JsonObject }> {
  const bench = await Bench.make();
  await installDialogs(`${bench.home.agentDir}/extensions`);
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  await bench.start(["--root", sessions]);
  const wire = await bench.connect();
  const data = await wire.ok({ type: "get_schema" });
  await bench.judge();
  return { bench, schema: objectAt(data, "schema") };
}

const { bench, schema } = await started();
const names = arrayAt(schema, "commands").map(String);
const rows = new Map<string, { good: string; bad: string }>();

/** Faults of a value against one definition of the schema. */
function faultsOf(definition: string, value: unknown): string[] {
  const validator = Compile(objectAt(schema, "$defs", definition));
  if (validator.Check(value)) return [];
  return validator.Errors(value).map((error) => `${error.instancePath || "/"} ${error.message}`);
}

/** One side of a case as a whole command. */
async function commandOf(wire: Wire, name: string, side: "good" | "bad"): Promise<JsonObject> {
  const entry = CASES.get(name);
  if (!entry) throw new Error(`the schema has the command "${name}", cases.ts has no case for it`);
  const { id, cwd } = await bench.watched(wire);
  const make = side === "good" ? entry.good : entry.bad.make;
  const fields = await make({ bench, wire, id, cwd });
  const required = at(schema, "$defs", name, "required");
  const needsSession = Array.isArray(required) && required.includes("sessionId");
  return { type: name, ...(needsSession ? { sessionId: id } : {}), ...fields };
}

async function isAccepted(wire: Wire, name: string): Promise<void> {
  const command = await commandOf(wire, name, "good");
  assertEquals(faultsOf(name, command), [], `the good input of ${name} is not valid by the schema`);
  const response = await wire.request(command, 60_000);
  assertEquals(response.success, true, `${name} was not accepted: ${brief(response)}`);
  assertEquals(response.command, name);
  assertEquals(faultsOf(`${name}.data`, response.data), [], `data of ${name}: ${brief(response.data)}`);
}

async function isRefused(wire: Wire, name: string, code: string): Promise<void> {
  const command = await commandOf(wire, name, "bad");
  const before = at(await stateOf(wire, command), "data", "sessionVersion");
  const response = await wire.request(command, 60_000);
  assertEquals([response.success, response.code], [false, code], brief(response));
  assertEquals(response.command, name);
  // What was refused left the session as it was.
  assertEquals(at(await stateOf(wire, command), "data", "sessionVersion"), before);
}

/** The state of the command's session, if it names one that exists. */
async function stateOf(wire: Wire, { sessionId }: JsonObject): Promise<JsonObject> {
  const known = typeof sessionId === "string" && /^[\w-]+$/.test(sessionId);
  return known ? await wire.request({ type: "get_state", sessionId }) : {};
}

for (const name of names) {
  conformance(`table: ${name}`, async () => {
    const row = { good: "FAILED", bad: "FAILED" };
    rows.set(name, row);
    try {
      const wire = await bench.connect();
      if (CASES.get(name)?.inCluster !== true) await isAccepted(wire, name);
      row.good = "accepted";
      const code = CASES.get(name)?.bad.code ?? "";
      await isRefused(wire, name, code);
      row.bad = code;
      await bench.judge();
    } finally {
      await cleared();
    }
  });
}

/** Deletes what the case has made: a server holds a limited number of sessions. */
async function cleared(): Promise<void> {
  for (const wire of bench.wires.splice(0)) await wire.close();
  const wire = await bench.connect("broom");
  for (const sessionId of await listed(wire)) await wire.ok({ type: "delete_session", sessionId });
  await bench.judge();
}

conformance("table: the schema names each command once and defines it and its data", () => {
  assertEquals(names.length, new Set(names).size);
  for (const name of names) {
    assertEquals(at(schema, "$defs", name, "properties", "type", "const"), name);
    assert(at(schema, "$defs", `${name}.data`) !== undefined, `${name} has no result schema`);
  }
  return Promise.resolve();
});

Deno.test.afterAll(async () => {
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const line = (command: string, good: string, bad: string) =>
    `${command.padEnd(width)}${good.padEnd(10)}${bad}`;
  const table = names.map((name) => line(name, rows.get(name)?.good ?? "-", rows.get(name)?.bad ?? "-"));
  console.log([`commands on ${TARGET}:`, line("command", "good", "bad"), ...table].join("\n"));
  await bench[Symbol.asyncDispose]();
});
