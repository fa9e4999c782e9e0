// Framing, envelopes and validation (docs/PROTOCOL.md#framing): what a client may get wrong, and that the connection
// lives on. The same cases on WebSocket and stdio, then what only one of them has.

import { assert, assertEquals, assertMatch, assertObjectMatch, assertStringIncludes } from "@std/assert";
import { type JsonObject, objectAt, stringAt } from "../../support/base/json.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { PI } from "../../support/server/server_process.ts";
import { alone, type Bench, shared } from "../suite.ts";

const FRAME_BYTES = 4096;
const test = shared(["--max-frame-bytes", String(FRAME_BYTES)]);

type Case = (wire: Wire) => Promise<void>;

/** Sends raw text; the response must fail with the code. */
async function refused(
  wire: Wire,
  text: string,
  code: string,
  id: string | null = null,
): Promise<JsonObject> {
  wire.sendRaw(text, [id]);
  const response = await wire.next(
    (message) => message.type === "response" && message.id === (id ?? undefined),
    5000,
    `response to ${text.slice(0, 80)}`,
  );
  assertEquals(
    [response.success, response.code],
    [false, code],
    `${text.slice(0, 200)} → ${JSON.stringify(response)}`,
  );
  return response;
}

const CASES: Record<string, Case> = {
  "bad JSON and JSON that is not an object are invalid_json": async (wire) => {
    for (
      const text of ["{bad", "[1]", '"x"', "42", "null", "true", '{"id":"1"', '{"type":"ping"} {}', "  "]
    ) {
      const response = await refused(wire, text, "invalid_json");
      assertEquals(response.command, "unknown");
      assertEquals(response.retryable, false);
    }
    await wire.ok({ type: "ping" });
  },
  "no type, or one that is not a string, is invalid_params; a valid id is echoed": async (wire) => {
    await refused(wire, "{}", "invalid_params");
    const response = await refused(wire, '{"type":5,"id":"five"}', "invalid_params", "five");
    assertEquals(response.command, "unknown");
    assertStringIncludes(stringAt(response, "error"), "type");
    await refused(wire, '{"id":"none"}', "invalid_params", "none");
  },
  "ids: echoed exactly; too long, empty or no string is invalid_params without id": async (wire) => {
    for (
      const id of ["a", "ä😀", "a\u2028b", "\u0000", "x".repeat(128), "__proto__", "constructor", "toString"]
    ) {
      const response = await wire.request({ type: "ping", id });
      assertEquals([response.id, response.success], [id, true]);
    }
    for (const id of [5, "", "x".repeat(129), null, {}, ["a"]]) {
      const response = await refused(wire, JSON.stringify({ type: "ping", id }), "invalid_params");
      assertEquals([response.command, "id" in response], ["ping", false]);
      assertStringIncludes(stringAt(response, "error"), "id");
    }
  },
  "U+2028 and U+2029 are ordinary characters": async (wire) => {
    wire.sendRaw('{"type":"ping","id":"l\u2028p\u2029"}', ["l\u2028p\u2029"]);
    assertEquals((await wire.response("l\u2028p\u2029")).success, true);
  },
  "unknown commands are unknown_command, tricky names included": async (wire) => {
    for (
      const type of ["no_such_command", "constructor", "__proto__", "toString", "hasOwnProperty", "", "PING"]
    ) {
      const response = await wire.refused("unknown_command", { type });
      assertEquals(response.command, "unknown");
    }
  },
  "__proto__ and constructor are data as keys": async (wire) => {
    const first = await refused(
      wire,
      '{"id":"p1","type":"ping","__proto__":{"polluted":true}}',
      "invalid_params",
      "p1",
    );
    assertStringIncludes(stringAt(first, "error"), "__proto__");
    await refused(wire, '{"id":"p2","type":"ping","constructor":{"prototype":{}}}', "invalid_params", "p2");
    await refused(wire, '{"__proto__":{"type":"ping"},"id":"p3"}', "invalid_params", "p3");
    await refused(
      wire,
      '{"id":"p4","type":"hello","client":{"name":"x","__proto__":{"a":1}}}',
      "invalid_params",
      "p4",
    );
    await wire.ok({ type: "ping" });
  },
  "tricky session ids are unknown sessions, not effects": async (wire) => {
    for (const sessionId of ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"]) {
      const response = await wire.refused("session_not_found", { type: "get_state", sessionId });
      assertEquals(response.sessionId, sessionId);
      await wire.refused("session_not_found", { type: "subscribe", sessionId });
      await wire.refused("session_not_found", { type: "delete_session", sessionId });
      await wire.refused("session_not_found", { type: "prompt", sessionId, message: "x" });
    }
    for (const sessionId of [".", "..", "a/b", "../x", "", "a b", "ä", "x".repeat(129), "a\n", "%2e"]) {
      await wire.refused("invalid_params", { type: "get_state", sessionId });
    }
  },
  "errors name the path, what was expected and what came": async (wire) => {
    const missing = await wire.refused("invalid_params", { type: "prompt", sessionId: "a" });
    assertStringIncludes(stringAt(missing, "error"), "message");
    assertEquals(missing.command, "prompt");
    const wrong = await wire.refused("invalid_params", { type: "prompt", sessionId: "a", message: 5 });
    assertMatch(stringAt(wrong, "error"), /message.*string.*(5|number|integer)/i);
    const unknown = await wire.refused("invalid_params", { type: "ping", colour: "red" });
    assertStringIncludes(stringAt(unknown, "error"), "colour");
    const nested = await wire.refused("invalid_params", {
      type: "prompt",
      sessionId: "a",
      message: "x",
      images: [{ type: "image", data: "AAAA", mimeType: "image/png" }, {
        type: "image",
        data: 7,
        mimeType: "image/png",
      }],
    });
    assertMatch(stringAt(nested, "error"), /images.*1.*data.*string/);
    const choice = await wire.refused("invalid_params", {
      type: "prompt",
      sessionId: "a",
      message: "x",
      streamingBehavior: "later",
    });
    assertMatch(stringAt(choice, "error"), /streamingBehavior.*steer.*followUp/);
    for (const limit of [-1, 1.5, "3", 1e99]) {
      await wire.refused("invalid_params", { type: "get_messages", sessionId: "a", limit });
    }
    await wire.refused("invalid_params", { type: "get_state" });
    await wire.refused("invalid_params", { type: "subscribe", sessionId: "*", updates: "some" });
  },
  "deeply nested JSON harms nothing": async (wire) => {
    const depth = 1500;
    wire.sendRaw(`{"id":"deep","type":"ping","x":${"[".repeat(depth)}${"]".repeat(depth)}}`, ["deep"]);
    assertEquals((await wire.response("deep")).code, "invalid_params");
    await wire.ok({ type: "ping" });
  },
  "a frame of exactly the limit is served": async (wire) => {
    const head = '{"type":"ping","id":"full"';
    wire.sendRaw(`${head}${" ".repeat(FRAME_BYTES - head.length - 1)}}`, ["full"]);
    assertEquals((await wire.response("full")).success, true);
  },
  "the limit counts bytes, not characters": async (wire) => {
    const id = "ä".repeat(100);
    const head = `{"type":"ping","id":"${id}"`;
    const length = new TextEncoder().encode(head).length;
    wire.sendRaw(`${head}${" ".repeat(FRAME_BYTES - length - 1)}}`, [id]);
    assertEquals((await wire.response(id)).success, true);
  },
};

for (const [name, body] of Object.entries(CASES)) {
  test(`framing, WebSocket: ${name}`, async (bench) => await body(await bench.connect()));
}

alone("framing, stdio: all of the above", async (bench) => {
  const wire = await bench.startStdio(["--max-frame-bytes", String(FRAME_BYTES)]);
  for (const [name, body] of Object.entries(CASES)) {
    try {
      await body(wire);
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.stack : error}`);
    }
  }
  await stdioOnly(wire);
});

async function stdioOnly(wire: Wire): Promise<void> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  // CRLF, empty lines, several commands in one write.
  wire.sendRaw(bytes('{"type":"ping","id":"crlf"}\r\n\n\r\n\n{"type":"ping","id":"two"}\n'), ["crlf", "two"]);
  assertEquals((await wire.response("crlf")).success, true);
  assertEquals((await wire.response("two")).success, true);
  // A command cut at every byte, also inside characters of two, three and four bytes.
  const cut = bytes('{"type":"ping","id":"zoë €😀"}\n');
  cut.forEach((byte, index) => wire.sendRaw(new Uint8Array([byte]), index === 0 ? ["zoë €😀"] : []));
  assertEquals((await wire.response("zoë €😀")).success, true);
  // Malformed UTF-8 spoils its line and no other.
  wire.sendRaw(new Uint8Array([...bytes('{"type":"ping","id":"'), 0xff, 0xc3, ...bytes('"}\n')]));
  const malformed = await wire.next((message) => message.type === "response" && message.id === undefined);
  assertEquals(malformed.code, "invalid_json");
  // A lone CR within a line is not a delimiter: JSON allows it as white space.
  wire.sendRaw(bytes('{"type":"ping",\r"id":"cr"}\n'), ["cr"]);
  assertEquals((await wire.response("cr")).success, true);
  // A line that is too long is answered once, the rest of it is dropped, the stream goes on.
  wire.sendRaw(bytes(`{"type":"ping","id":"long","x":"${"y".repeat(FRAME_BYTES)}`));
  wire.sendRaw(bytes(`${"z".repeat(100_000)}"}\n{"type":"ping","id":"after"}\n`), ["after"]);
  const tooLarge = await wire.next((message) => message.type === "response" && message.id === undefined);
  assertEquals(tooLarge.code, "frame_too_large");
  assertStringIncludes(stringAt(tooLarge, "error"), String(FRAME_BYTES));
  assertEquals((await wire.response("after")).success, true);
}

async function raw(
  bench: Bench,
  data: string | Uint8Array,
  answers: (string | null)[] = [null],
): Promise<Wire> {
  const wire = await bench.connect();
  wire.sendRaw(data, answers);
  return wire;
}

test("framing, WebSocket: an empty message is invalid_json", async (bench) => {
  const wire = await bench.connect();
  await refused(wire, "", "invalid_json");
  await wire.ok({ type: "ping" });
});

test("framing, WebSocket: a binary message closes with 1003", async (bench) => {
  const wire = await raw(bench, new TextEncoder().encode('{"type":"ping"}'), []);
  assertEquals((await wire.closed).code, 1003);
});

test("framing, WebSocket: a frame over the limit answers frame_too_large and closes with 1009", async (bench) => {
  const wire = await raw(bench, `{"type":"ping","id":"big","x":"${"y".repeat(FRAME_BYTES)}"}`);
  const response = await wire.next((message) => message.type === "response");
  assertEquals([response.code, response.id, response.retryable], ["frame_too_large", undefined, false]);
  assertEquals((await wire.closed).code, 1009);
});

test("greeting: comes first, with every field", async (bench) => {
  const wire = await bench.connect();
  const other = await bench.connect("other");
  const [first] = wire.messages;
  const data = first?.data;
  assert(typeof data === "object" && data !== null && !Array.isArray(data));
  assertMatch(stringAt(data, "version"), /^\d+\.\d+\.\d+/);
  assertEquals(data.protocolVersion, "1.0");
  assert(Array.isArray(data.transports) && data.transports.includes("websocket"));
  const { url } = await bench.server.endpoint();
  assertEquals(data.endpoints, [{ transport: "websocket", url }]);
  assertMatch(stringAt(data, "schemaHash"), /^sha256-[A-Za-z0-9+/=_-]{20,}$/);
  assertEquals(data.pi, PI);
  assert(Array.isArray(data.capabilities) && data.capabilities.includes("subscribe"));
  assertObjectMatch(objectAt(data, "limits"), { frameBytes: FRAME_BYTES, sessions: 100 });
  assertEquals(stringAt(other.messages[0], "data", "serverId"), stringAt(data, "serverId"));
  assertEquals(wire.protocol, "pi-server.v1");
});

test("hello: 1.0 and later minors are spoken, another major is refused and changes nothing", async (bench) => {
  const wire = await bench.connect();
  const data = await wire.ok({
    type: "hello",
    protocolVersions: ["1.0"],
    client: { name: "acme", version: "3" },
  });
  assertEquals(data.protocolVersion, "1.0");
  assertMatch(stringAt(data, "serverVersion"), /^\d+\.\d+\.\d+/);
  assert(Array.isArray(data.capabilities) && typeof data.limits === "object");
  assertEquals((await wire.ok({ type: "hello" })).protocolVersion, "1.0");
  assertEquals((await wire.ok({ type: "hello", protocolVersions: ["1.7"] })).protocolVersion, "1.0");
  assertEquals((await wire.ok({ type: "hello", protocolVersions: ["3.2", "1.0"] })).protocolVersion, "1.0");
  const refusal = await wire.refused("unsupported_protocol_version", {
    type: "hello",
    protocolVersions: ["2.0", "0.9"],
  });
  assertEquals(refusal.data, { supported: ["1.0"] });
  await wire.ok({ type: "ping" });
  await wire.refused("invalid_params", { type: "hello", protocolVersions: "1.0" });
});

test("get_schema: JSON Schema 2020-12 of all commands or one, with the greeting's hash", async (bench) => {
  const wire = await bench.connect();
  const all = await wire.ok({ type: "get_schema" });
  assertEquals(all.schemaHash, stringAt(wire.messages[0], "data", "schemaHash"));
  const text = JSON.stringify(all.schema);
  assertStringIncludes(text, "https://json-schema.org/draft/2020-12/schema");
  for (const command of ["hello", "create_session", "prompt", "subscribe"]) {
    assertStringIncludes(text, command);
  }
  const one = await wire.ok({ type: "get_schema", command: "set_model" });
  assertStringIncludes(JSON.stringify(one.schema), "modelId");
  for (const command of ["nope", "constructor", "__proto__"]) {
    const response = await wire.request({ type: "get_schema", command });
    assertEquals(response.success, false, JSON.stringify(response));
  }
});

test("two connections may use the same id, and hear only their own answers", async (bench) => {
  const [a, b] = [await bench.connect("a"), await bench.connect("b")];
  const [first, second] = await Promise.all([
    a.request({ type: "ping", id: "same" }),
    b.request({ type: "get_state", id: "same", sessionId: "missing" }),
  ]);
  assertEquals([first.success, second.code], [true, "session_not_found"]);
  assert(Number.isInteger((await a.ok({ type: "ping" })).now));
});
