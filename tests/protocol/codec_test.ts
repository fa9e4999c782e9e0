// The codec: what each refusal says and echoes, names that are also names of JavaScript, lengths, and every
// command of the table with a minimal good instance.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Codec, type Decoded, exceeds, type LengthLimits } from "../../src/protocol/codec.ts";
import { COMMANDS } from "../../src/protocol/schema/commands.ts";
import { MINIMAL } from "./minimal.ts";

const LIMITS: LengthLimits = { messageChars: 10, commandChars: 5, pathChars: 7 };
const codec = new Codec(LIMITS);
type Refusal = Extract<Decoded, { ok: false }>;

function refused(message: unknown): Refusal {
  const decoded = codec.decode(typeof message === "string" ? message : JSON.stringify(message));
  if (decoded.ok) throw new Error(`accepted: ${JSON.stringify(message)}`);
  return decoded;
}

function accepted(message: unknown): Record<string, unknown> {
  const decoded = codec.decode(typeof message === "string" ? message : JSON.stringify(message));
  if (!decoded.ok) throw new Error(`${JSON.stringify(message)} refused: ${decoded.failure.message}`);
  return { ...decoded.command };
}

/** Asserts the code, and that the sentence has all the words. */
function says(message: unknown, code: string, ...words: string[]): Refusal {
  const refusal = refused(message);
  assertEquals(refusal.failure.code as string, code, refusal.failure.message);
  for (const word of words) assertStringIncludes(refusal.failure.message, word);
  return refusal;
}

Deno.test("codec: the table of minimal instances names every command", () => {
  assertEquals(Object.keys(MINIMAL).sort(), [...COMMANDS.keys()].sort());
});

for (const [type, fields] of Object.entries(MINIMAL)) {
  Deno.test(`codec: ${type} takes its minimal form and an id, and refuses an unknown field`, () => {
    assertEquals(accepted({ type, ...fields }), { type, ...fields });
    assertEquals(accepted({ id: "1", type, ...fields }), { id: "1", type, ...fields });
    const refusal = says({ id: "1", type, ...fields, extra: 1 }, "invalid_params", '"extra"');
    assertEquals([refusal.id, refusal.command], ["1", type]);
    for (const field of Object.keys(fields)) {
      const { [field]: _left, ...rest } = fields;
      says({ type, ...rest }, "invalid_params", `"${field}"`);
    }
  });
}

Deno.test("codec: a text that is not JSON is invalid_json", () => {
  for (const text of ["", " ", "{", "{}}", "\ufeff{}", "NaN", "{'type':'ping'}", '{"type":"ping",}']) {
    const refusal = says(text, "invalid_json");
    assertEquals([refusal.id, refusal.command], [undefined, "unknown"], text);
  }
});

Deno.test("codec: JSON that is not an object is invalid_json and names the kind", () => {
  says("[]", "invalid_json", "an array");
  says("null", "invalid_json", "null");
  says('"ping"', "invalid_json", "ping");
  says("7", "invalid_json", "7");
  says("true", "invalid_json", "true");
});

Deno.test("codec: a type that is missing or no string is invalid_params and names it", () => {
  assertEquals(says({ id: "1" }, "invalid_params", 'Missing field "type"').id, "1");
  says({ type: 1 }, "invalid_params", "/type", "a string", "1");
  says({ type: null }, "invalid_params", "/type", "null");
  says({ type: ["ping"] }, "invalid_params", "/type", "an array");
});

Deno.test("codec: an unknown type is unknown_command, named and clipped", () => {
  const refusal = says({ id: "x", type: "frobnicate" }, "unknown_command", '"frobnicate"');
  assertEquals([refusal.id, refusal.command], ["x", "unknown"]);
  assert(refused({ type: "z".repeat(100_000) }).failure.message.length < 300);
});

for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "valueOf"]) {
  Deno.test(`codec: ${name} is data as type, id, session id, value and key`, () => {
    says(`{"type":"${name}"}`, "unknown_command", name);
    assertEquals(accepted(`{"type":"ping","id":"${name}"}`), { type: "ping", id: name });
    assertEquals(accepted({ type: "get_state", sessionId: name })["sessionId"], name);
    assertEquals(accepted({ type: "get_schema", command: name })["command"], name);
    says(`{"type":"ping","${name}":{"id":"7"}}`, "invalid_params", `"${name}"`);
    says(`{"${name}":{"type":"ping"}}`, "invalid_params", 'Missing field "type"');
    says(`{"type":"get_state","${name}":{"sessionId":"a"}}`, "invalid_params");
    const nested = `{"type":"hello","client":{"name":"x","${name}":1}}`;
    says(nested, "invalid_params", `"${name}"`, "/client");
    assertEquals(Object.hasOwn(Object.prototype, "id"), false);
  });
}

Deno.test("codec: a valid id is echoed with every kind of refusal", () => {
  for (const message of [{}, { type: "nope" }, { type: "ping", x: 1 }, { type: "get_state" }]) {
    assertEquals(refused({ id: "echo", ...message }).id, "echo");
  }
  assertEquals(refused({ id: "e", type: "bash", sessionId: "a", command: "123456" }).id, "e");
});

Deno.test("codec: an id has 1 to 128 characters; another one is refused and not echoed", () => {
  assertEquals(accepted({ type: "ping", id: "x".repeat(128) })["id"], "x".repeat(128));
  for (const id of ["", "x".repeat(129), 7, null, {}, ["a"]]) {
    const refusal = says({ type: "ping", id }, "invalid_params", "/id");
    assertEquals(refusal.id, undefined, JSON.stringify(id));
    assertEquals(refusal.command, "ping");
  }
});

Deno.test("codec: session ids match the pattern, and are never . or ..", () => {
  for (const id of ["a", "A.b_c-9", "...", ".a", "a.", "-", "_", "x".repeat(128)]) {
    assertEquals(accepted({ type: "get_state", sessionId: id })["sessionId"], id);
  }
  const bad = ["", ".", "..", "a/b", "a b", "ä", "a\n", "\na", "a\0", "*", "x".repeat(129), "../a", "%2e"];
  for (const id of bad) says({ type: "get_state", sessionId: id }, "invalid_params", "/sessionId");
});

Deno.test("codec: * is a target of subscribe and unsubscribe alone", () => {
  accepted({ type: "subscribe", sessionId: "*" });
  accepted({ type: "unsubscribe", sessionId: "*" });
  says({ type: "create_session", sessionId: "*" }, "invalid_params", "/sessionId");
  says({ type: "subscribe", sessionId: ".." }, "invalid_params", "/sessionId", '"*"', "..");
  says({ type: "subscribe", sessionId: 5 }, "invalid_params", "/sessionId", "5");
});

Deno.test("codec: a wrong type names the path, what was expected and what came", () => {
  const at = { sessionId: "a" };
  says({ type: "prompt", ...at, message: 5 }, "invalid_params", "/message", "string", "number 5");
  says({ type: "prompt", ...at, message: null }, "invalid_params", "/message", "string", "null");
  says({ type: "get_messages", ...at, limit: 1.5 }, "invalid_params", "/limit", "an integer", "1.5");
  says({ type: "get_messages", ...at, limit: "1" }, "invalid_params", "/limit", "integer", '"1"');
  says({ type: "get_messages", ...at, limit: 0 }, "invalid_params", "/limit", "at least 1", "0");
  says({ type: "get_messages", ...at, limit: 100_001 }, "invalid_params", "/limit", "at most 100000");
  says({ type: "create_session", inMemory: "yes" }, "invalid_params", "/inMemory", "boolean", '"yes"');
  says({ type: "create_session", tools: "bash" }, "invalid_params", "/tools", "array", '"bash"');
  says({ type: "create_session", tools: [1] }, "invalid_params", "/tools/0", "string", "1");
  says({ type: "bash", ...at, command: "" }, "invalid_params", "/command", "at least 1");
  says({ type: "set_session_name", ...at, name: " " }, "invalid_params", "/name", "\\S");
});

Deno.test("codec: a value outside an enumeration lists what is allowed", () => {
  const message = { type: "prompt", sessionId: "a", message: "m", streamingBehavior: "later" };
  says(message, "invalid_params", "/streamingBehavior", '"steer"', '"followUp"', '"later"');
  const level = { type: "create_session", thinkingLevel: "most" };
  says(level, "invalid_params", "/thinkingLevel", '"off"', '"xhigh"', '"most"');
});

Deno.test("codec: of what may be one of several things, the error is about the one that was meant", () => {
  const from = (from: unknown) => ({ type: "subscribe", sessionId: "a", from });
  says(from({ epoch: "e", seq: -1 }), "invalid_params", "/from/seq", "at least 0", "-1");
  says(from({ epoch: "e", seq: "1" }), "invalid_params", "/from/seq", "an integer", '"1"');
  says(from({ epoch: 1, seq: 1 }), "invalid_params", "/from/epoch", "string", "number 1");
  says(from({ epoch: "e" }), "invalid_params", "Missing", '"seq"', "/from");
  says(from({ epoch: "e", seq: 1, more: 1 }), "invalid_params", "Unknown", '"more"', "/from");
  says(
    from({ sessions: { a: { epoch: "e", seq: null } } }),
    "invalid_params",
    "/from/sessions/a/seq",
    "null",
  );
  says(from(5), "invalid_params", "/from", "object", "number 5");
  const answer = (response: unknown) => {
    return { type: "extension_ui_response", sessionId: "a", requestId: "r", response };
  };
  says(answer({ method: "select", value: 3 }), "invalid_params", "/response/value", "string", "number 3");
  says(
    answer({ method: "confirm", confirmed: "y" }),
    "invalid_params",
    "/response/confirmed",
    "boolean",
    '"y"',
  );
  says(answer({ method: "confirm" }), "invalid_params", "Missing", '"confirmed"', "/response");
  says(answer({ method: "cancelled", value: "x" }), "invalid_params", "Unknown", '"value"', "/response");
  says(answer({ method: "guess", value: "x" }), "invalid_params", "/response/method", '"confirm"', '"guess"');
});

Deno.test("codec: errors inside images and the client name their place", () => {
  const prompt = (image: unknown) => ({ type: "prompt", sessionId: "a", message: "m", images: [image] });
  accepted(prompt({ type: "image", data: "aa", mimeType: "image/svg+xml" }));
  says(prompt({ type: "image", data: "aa" }), "invalid_params", '"mimeType"', "/images/0");
  says(
    prompt({ type: "image", data: "aa", mimeType: "image/png", x: 1 }),
    "invalid_params",
    '"x"',
    "/images/0",
  );
  says(prompt({ type: "image", data: "aa", mimeType: "text/plain" }), "invalid_params", "/images/0/mimeType");
  says(prompt({ type: "picture", data: "aa", mimeType: "image/png" }), "invalid_params", "/images/0/type");
  says({ type: "hello", client: {} }, "invalid_params", '"name"', "/client");
  says({ type: "hello", protocolVersions: ["1"] }, "invalid_params", "/protocolVersions/0");
  says({ type: "hello", protocolVersions: [] }, "invalid_params", "/protocolVersions", "at least 1");
});

Deno.test("codec: what came is quoted, and clipped", () => {
  const { failure } = refused({ type: "get_state", sessionId: '"'.repeat(100_000) });
  assert(failure.message.length < 500, `${failure.message.length}`);
});

Deno.test("codec: configurable lengths are exact and name the field", () => {
  const cases: readonly (readonly [Record<string, unknown>, string, number])[] = [
    [{ type: "prompt", sessionId: "a" }, "message", LIMITS.messageChars],
    [{ type: "steer", sessionId: "a" }, "message", LIMITS.messageChars],
    [{ type: "follow_up", sessionId: "a" }, "message", LIMITS.messageChars],
    [{ type: "bash", sessionId: "a" }, "command", LIMITS.commandChars],
    [{ type: "create_session" }, "cwd", LIMITS.pathChars],
  ];
  for (const [message, field, most] of cases) {
    accepted({ ...message, [field]: "x".repeat(most) });
    const long = { ...message, [field]: "x".repeat(most + 1) };
    says(long, "invalid_params", `/${field}`, `at most ${most} `, `${most + 1}`);
  }
});

Deno.test("codec: ifSessionVersion is an integer from 0 on, on session commands alone", () => {
  assertEquals(accepted({ type: "abort", sessionId: "a", ifSessionVersion: 0 })["ifSessionVersion"], 0);
  says({ type: "abort", sessionId: "a", ifSessionVersion: -1 }, "invalid_params", "/ifSessionVersion");
  says({ type: "ping", ifSessionVersion: 0 }, "invalid_params", '"ifSessionVersion"');
});

Deno.test("codec: decoding deep nesting is a refusal and no crash", () => {
  const deep = `{"type":"prompt","sessionId":"a","message":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
  assertEquals(["invalid_json", "invalid_params"].includes(refused(deep).failure.code), true);
});

Deno.test("codec: exceeds counts UTF-8 bytes and is exact at the limit", () => {
  assertEquals([exceeds("abc", 3), exceeds("abcd", 3)], [false, true]);
  assertEquals([exceeds("ää", 4), exceeds("ää", 3)], [false, true]);
  assertEquals([exceeds("😀", 4), exceeds("😀", 3)], [false, true]);
  assertEquals([exceeds("\ud800", 3), exceeds("\ud800", 2)], [false, true]);
  assertEquals([exceeds("", 0), exceeds("x", 0)], [false, true]);
});

Deno.test("codec: a dialog's answer in the form of pi's RPC mode says what to send", () => {
  const type = "extension_ui_response";
  const where = ["requestId", "sessionId"];
  says({ type, id: "1", value: "yes" }, "invalid_params", ...where, '{"method":"select","value":');
  says(
    { type, id: "1", sessionId: "a", confirmed: true },
    "invalid_params",
    ...where,
    '{"method":"confirm","confirmed":true}',
  );
  says({ type, id: "1", cancelled: true }, "invalid_params", ...where, '{"method":"cancelled"}');
  const nested = { type, sessionId: "a", requestId: "r", response: { confirmed: true } };
  says(nested, "invalid_params", '{"method":"confirm"');
  says({ type, sessionId: "a", response: { method: "cancelled" } }, "invalid_params", "requestId");
});

Deno.test("codec: a message with too many values, or too deep ones, is refused unread", () => {
  const fields = Array.from({ length: 60_000 }, (_, n) => `"k${n}":1`).join(",");
  const deep = `${"[".repeat(30_000)}${"]".repeat(30_000)}`;
  for (const rest of [fields, `"sessions":${deep}`]) {
    const refusal = says(`{"type":"ping","id":"1",${rest}}`, "invalid_params", "50000 values", "64 deep");
    assertEquals([refusal.command, refusal.id], ["unknown", undefined]);
    const named = says(`{"id":"1","type":"ping",${rest}}`, "invalid_params");
    assertEquals([named.command, named.id], ["ping", "1"], "a client waits for the answer to its own id");
    const unknown = says(`{"id":"1","type":"dance",${rest}}`, "invalid_params");
    assertEquals([unknown.command, unknown.id], ["unknown", "1"]);
  }
});

Deno.test("codec: a subscription names the cursor of each session that the server may hold", () => {
  const sessions = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, seq) => [`session-${seq}`, { epoch: crypto.randomUUID(), seq }]),
  );
  const text = JSON.stringify({ type: "subscribe", sessionId: "*", from: { sessions } });
  assertEquals(codec.decode(text).ok, false);
  assertEquals(new Codec(LIMITS, 20_000).decode(text).ok, true);
});

Deno.test("codec: a fault among very many values is not looked for", () => {
  const message = (count: number): unknown => ({
    type: "ping",
    id: "1",
    extra: Array(count).fill("x".repeat(10)),
  });
  says(message(1_000), "invalid_params", 'Unknown field "extra"');
  const refusal = says(message(3_000), "invalid_params", "get_schema");
  assertEquals([refusal.id, refusal.failure.message.includes("extra")], ["1", false]);
});
