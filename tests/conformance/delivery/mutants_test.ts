// The suite must be able to fail. A filter between server and client injects one fault each: a response is
// dropped, two sessions' events are swapped, a stray line stands on stdout. The checker has to report it, and
// nothing without the fault.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { at, type JsonObject } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { alone, type Bench } from "../suite.ts";

/** What a filter does with one line of the server. */
type Mutation = (line: string, message: JsonObject) => string[];

/** Two sessions take a turn each over a filtered stdio; the checker's faults. */
async function faultsUnder(bench: Bench, mutation: Mutation): Promise<string[]> {
  const server = bench.spawn({ mode: "stdio", args: ["--no-ws"] });
  const wire = server.stdio((line) => mutation(line, JSON.parse(line)));
  await wire.greeting(60_000);
  for (const id of ["left", "right"]) {
    bench.model.script(`turn-${id}`, text(Array.from({ length: 10 }, (_, n) => `${id}${n} `)));
    const cwd = await bench.home.folder(id);
    wire.send({ type: "create_session", id: `c-${id}`, sessionId: id, cwd });
    wire.send({ type: "subscribe", id: `s-${id}`, sessionId: id });
    wire.send({ type: "prompt", id: `p-${id}`, sessionId: id, message: `turn-${id}` });
  }
  wire.send({ type: "ping", id: "last" });
  await wire.close();
  await wire.closed;
  assertEquals(await server.exitCode(), 0);
  return wire.faults();
}

alone("mutants: without a fault the checker reports none", async (bench) => {
  assertEquals(await faultsUnder(bench, (line) => [line]), []);
});

alone("mutants: a dropped response is reported", async (bench) => {
  const faults = await faultsUnder(bench, (line, message) => message.id === "s-right" ? [] : [line]);
  assertStringIncludes(faults.join("\n"), "no response to s-right");
});

alone("mutants: a doubled response is reported", async (bench) => {
  const faults = await faultsUnder(bench, (line, message) => message.id === "last" ? [line, line] : [line]);
  assertStringIncludes(faults.join("\n"), "second response");
});

alone("mutants: two sessions' events swapped are reported", async (bench) => {
  // Holds one text delta of the left session until one of the right comes by; then each gets the other's name.
  let held: JsonObject | undefined;
  let swapped = false;
  const faults = await faultsUnder(bench, (line, message) => {
    const isDelta = at(message, "event", "assistantMessageEvent", "type") === "text_delta";
    if (swapped || !isDelta) return [line];
    if (!held) {
      held = message;
      return [];
    }
    if (held.sessionId === message.sessionId) return [line];
    swapped = true;
    return [
      JSON.stringify({ ...held, event: message.event ?? null }),
      JSON.stringify({ ...message, event: held.event ?? null }),
    ];
  });
  assert(swapped, "the turns did not overlap, nothing was swapped");
  assert(faults.length > 0, "swapped events went unnoticed");
});

alone("mutants: events under another session's id are reported", async (bench) => {
  const other: JsonObject = { left: "right", right: "left" };
  const faults = await faultsUnder(
    bench,
    (line, message) =>
      at(message, "event", "type") === "message_end"
        ? [JSON.stringify({ ...message, sessionId: other[String(message.sessionId)] ?? null })]
        : [line],
  );
  assert(faults.length > 0, "relabelled events went unnoticed");
});

alone("mutants: a stray line on stdout is reported", async (bench) => {
  for (const stray of ["hello from an extension", "{}", "[]", '{"type":"log"}', ""]) {
    const faults = await faultsUnder(
      bench,
      (line, message) => message.id === "last" ? [stray, line] : [line],
    );
    assert(faults.length > 0, `the stray line ${JSON.stringify(stray)} went unnoticed`);
  }
});
