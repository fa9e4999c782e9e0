// Minted tokens over the wire (docs/PROTOCOL.md#roles): what each role may do, what a token for some sessions sees, and how a
// token ends.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import { deadline } from "../../support/base/wait.ts";
import { get, upgrade, upgradeRequest } from "../../support/network/raw_http.ts";
import { writeAll } from "../../support/network/client_frame.ts";
import { arrayAt, at, type JsonObject, numberAt, objectAt, stringAt } from "../../support/base/json.ts";
import { MINIMAL } from "../../protocol/minimal.ts";
import { text } from "../../support/model/model_server.ts";
import { may } from "../../support/server/roles.ts";
import { installDialogs, uiPrompt } from "../../support/extensions/dialog_extension.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, listed, settled, shared } from "../suite.ts";

const test = shared([], (bench) => installDialogs(`${bench.home.agentDir}/extensions`));

/** A token, and a connection that came in with it. */
async function minted(
  bench: Bench,
  admin: WsWire,
  fields: JsonObject,
): Promise<{ wire: WsWire; made: JsonObject }> {
  const made = await admin.ok({ type: "mint_token", ttlMs: 60_000, ...fields });
  const { url } = await bench.server.endpoint();
  const wire = await WsWire.connect(url, stringAt(made, "token"), String(fields.role));
  bench.wires.push(wire);
  return { wire, made };
}

/** The status of an upgrade with that token. */
async function status(bench: Bench, token: string): Promise<number> {
  const { port } = await bench.server.endpoint();
  return (await upgrade(port, { Connection: "Upgrade, close", Authorization: `Bearer ${token}` })).status;
}

test("roles: observe reads, answer answers too, drive prompts too, admin mints too", async (bench) => {
  const admin = await bench.connect("admin");
  const { id } = await bench.session(admin);
  const roles = ["observe", "answer", "drive", "admin"];
  const wires = await Promise.all(roles.map(async (role) => (await minted(bench, admin, { role })).wire));
  const [observe, answer, drive, second] = wires;
  assert(observe && answer && drive && second);
  for (const wire of wires) {
    await wire.ok({ type: "get_state", sessionId: id });
    await wire.ok({ type: "subscribe", sessionId: id });
  }
  const marker = bench.name("role");
  bench.model.script(marker, text(["fine"]));
  for (const wire of [observe, answer]) {
    await wire.refused("forbidden", { type: "prompt", sessionId: id, message: marker });
    await wire.refused("forbidden", { type: "abort", sessionId: id });
    await wire.refused("forbidden", { type: "bash", sessionId: id, command: "touch forbidden" });
    await wire.refused("forbidden", { type: "create_session", sessionId: bench.name() });
    await wire.refused("forbidden", { type: "delete_session", sessionId: id });
  }
  assertEquals((await settled(drive, id, marker)).text, "fine");
  for (const wire of [observe, answer, drive]) {
    await wire.refused("forbidden", { type: "mint_token", role: "observe", ttlMs: 1000 });
    await wire.refused("forbidden", { type: "revoke_token", tokenId: "x" });
  }
  await second.ok({ type: "mint_token", role: "observe", ttlMs: 1000 });
  await drive.ok({
    type: "prompt",
    sessionId: id,
    message: uiPrompt("r.json", [["confirm", "Sure?", "Yes?"]]),
  });
  const requestId = stringAt(await answer.event(id, "extension_ui_request"), "event", "requestId");
  const response = { method: "confirm", confirmed: true };
  await observe.refused("forbidden", { type: "extension_ui_response", sessionId: id, requestId, response });
  await answer.ok({ type: "extension_ui_response", sessionId: id, requestId, response });
});

test("roles: each role with each command of the schema", async (bench) => {
  const admin = await bench.connect("admin");
  const { schema } = await admin.ok({ type: "get_schema" });
  const commands = arrayAt({ schema }, "schema", "commands").map(String);
  for (const role of ["observe", "answer", "drive"] as const) {
    const { wire } = await minted(bench, admin, { role });
    const allowed: string[] = [];
    for (const type of commands) {
      const fields = Object.entries(MINIMAL).find(([name]) => name === type)?.[1] ?? {};
      // A session that there isn't: nothing runs, and the role is checked first.
      const about = Object.hasOwn(fields, "sessionId") ? { sessionId: "no-such-session" } : {};
      const { code } = await wire.request({ type, ...objectAt(fields), ...about }, 60_000);
      assert(code !== "invalid_params", `${type} needs more than tests/protocol/minimal.ts gives it`);
      if (code !== "forbidden") allowed.push(type);
    }
    assertEquals(allowed, commands.filter((type) => may(role, type)), role);
  }
});

test("roles: a token for some sessions learns of no other, by any way", async (bench) => {
  const admin = await bench.connect("admin");
  const own = await bench.session(admin);
  const other = await bench.session(admin);
  const { wire } = await minted(bench, admin, { role: "drive", sessions: [own.id, "mine-later"] });
  assertEquals(await listed(wire), [own.id]);
  const all = await wire.ok({ type: "subscribe", sessionId: "*", snapshot: true });
  assertEquals(Object.keys(all.sessions as JsonObject), [own.id]);
  await admin.ok({ type: "subscribe", sessionId: other.id });
  const marker = bench.name("scope");
  bench.model.script(marker, text(["heard"]));
  await settled(admin, other.id, marker);
  await settled(wire, own.id, marker);
  for (const sessionId of [other.id, "no-such-session"]) {
    for (const type of ["get_state", "subscribe", "delete_session", "list_pending_ui", "create_session"]) {
      await wire.refused("forbidden", { type, sessionId });
    }
  }
  await wire.refused("forbidden", { type: "create_session" });
  await wire.refused("forbidden", { type: "list_stored_sessions" });
  await wire.refused("forbidden", { type: "list_session_files", sessionId: own.id });
  await wire.refused("forbidden", { type: "load_session", sessionId: own.id, sessionPath: "x.jsonl" });
  await wire.ok({ type: "create_session", sessionId: "mine-later", inMemory: true });
  await admin.ok({ type: "delete_session", sessionId: other.id });
  await wire.ok({ type: "delete_session", sessionId: "mine-later" });
  await wire.next((message) => message.type === "session_deleted");
  const heard = JSON.stringify(wire.messages.filter((message) => message.code !== "forbidden"));
  assert(!heard.includes(other.id), "the other session was mentioned");
});

test("roles: a token that is revoked closes its connections with 1008 and opens none", async (bench) => {
  const admin = await bench.connect("admin");
  const { id } = await bench.session(admin);
  const { wire, made } = await minted(bench, admin, { role: "drive" });
  const [token, tokenId] = [stringAt(made, "token"), stringAt(made, "tokenId")];
  await wire.ok({ type: "get_state", sessionId: id });
  assertEquals(await admin.ok({ type: "revoke_token", tokenId }), { revoked: true });
  assertEquals(await wire.closed, { code: 1008, reason: "The token was revoked" });
  assertEquals(await status(bench, token), 401);
  assertEquals(await admin.ok({ type: "revoke_token", tokenId }), { revoked: false });
  await admin.ok({ type: "get_state", sessionId: id });
});

/** A peer that has sent its upgrade but for the last two bytes, so that the server decides once they come. */
class AlmostPeer implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #rest: Uint8Array;

  private constructor(conn: Deno.TcpConn, rest: Uint8Array) {
    this.#conn = conn;
    this.#rest = rest;
  }

  static async begin(port: number, token: string): Promise<AlmostPeer> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const request = upgradeRequest(port, token);
    await writeAll(conn, request.subarray(0, -2));
    return new AlmostPeer(conn, request.subarray(-2));
  }

  finish(): Promise<void> {
    return writeAll(this.#conn, this.#rest);
  }

  /** Whether it was let in, once the server has ended it. */
  async ended(): Promise<boolean> {
    const chunk = new Uint8Array(4096);
    let answer = "";
    for (;;) {
      const count = await this.#conn.read(chunk).catch(() => null);
      answer += String.fromCharCode(...chunk.subarray(0, count ?? 0));
      const isIn = answer.startsWith("HTTP/1.1 101");
      // A close frame with 1008, or an answer of another kind.
      if (count === null || answer.includes("\x03\xf0") || (answer !== "" && !isIn)) return isIn;
    }
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }
}

test("roles: a token that is revoked while sockets are being upgraded leaves none open", async (bench) => {
  const admin = await bench.connect("admin");
  const { port } = await bench.server.endpoint();
  let letIn = 0;
  for (let round = 0; round < 72; round++) {
    const made = await admin.ok({ type: "mint_token", role: "drive", ttlMs: 60_000 });
    const [token, tokenId] = [stringAt(made, "token"), stringAt(made, "tokenId")];
    using peers = new DisposableStack();
    const begun = await Promise.all(Array.from({ length: 48 }, () => AlmostPeer.begin(port, token)));
    for (const peer of begun) peers.use(peer);
    const ended = begun.map((peer) => peer.ended());
    // The gate asks for the token when the last bytes come. The revocation meets another part of them each time.
    const sent = begun.map((peer) => peer.finish());
    await delay(round % 12);
    await Promise.all([admin.ok({ type: "revoke_token", tokenId }), ...sent]);
    const ins = await deadline(Promise.all(ended), 10_000, () => `round ${round}: a socket stays open`);
    letIn += ins.filter((isIn) => isIn).length;
  }
  assert(letIn > 0, "no socket was let in before its token was revoked");
});

test("roles: a token that expires closes its connections with 1008 and opens none", async (bench) => {
  const admin = await bench.connect("admin");
  const before = Date.now();
  const { wire, made } = await minted(bench, admin, { role: "observe", ttlMs: 1500 });
  assert(numberAt(made, "expiresAt") >= before + 1500);
  assertEquals(await wire.closed, { code: 1008, reason: "The token has expired" });
  assert(Date.now() >= numberAt(made, "expiresAt"));
  assertEquals(await status(bench, stringAt(made, "token")), 401);
});

test("roles: a minted token ends with the one it was minted from, at its end and at its revocation", async (bench) => {
  const root = await bench.connect("root");
  const first = await minted(bench, root, { role: "admin", ttlMs: 60_000 });
  const asked = { role: "admin", ttlMs: 24 * 24 * 3_600_000 };
  const second = await minted(bench, first.wire, asked);
  const third = await minted(bench, second.wire, { role: "observe", ttlMs: asked.ttlMs });
  const ends = [first, second, third].map(({ made }) => numberAt(made, "expiresAt"));
  assertEquals(ends, [ends[0], ends[0], ends[0]], "24 days of a token of 60 s end with it");
  const brief = await minted(bench, root, { role: "admin", ttlMs: 1_500 });
  const ofBrief = await minted(bench, brief.wire, asked);
  assertEquals(await ofBrief.wire.closed, { code: 1008, reason: "The token has expired" });
  assertEquals(await root.ok({ type: "revoke_token", tokenId: stringAt(first.made, "tokenId") }), {
    revoked: true,
  });
  for (const { wire, made } of [first, second, third]) {
    assertEquals(await wire.closed, { code: 1008, reason: "The token was revoked" });
    assertEquals(await status(bench, stringAt(made, "token")), 401);
  }
  assertEquals(await status(bench, stringAt(ofBrief.made, "token")), 401);
});

test("roles: a token without ttlMs opens /metrics until it is revoked, and nothing else", async (bench) => {
  const admin = await bench.connect("admin");
  const made = await admin.ok({ type: "mint_token", role: "observe", label: "prometheus" });
  assertEquals(Object.keys(made).toSorted(), ["token", "tokenId"]);
  const { port } = await bench.server.endpoint();
  const headers = { Authorization: `Bearer ${stringAt(made, "token")}` };
  assertEquals((await get(port, "/metrics", headers)).status, 200);
  assertEquals(await status(bench, stringAt(made, "token")), 403);
  await admin.ok({ type: "revoke_token", tokenId: stringAt(made, "tokenId") });
  assertEquals((await get(port, "/metrics", headers)).status, 401);
  for (const fields of [{ role: "drive" }, { role: "admin" }, { role: "observe", sessions: ["a"] }]) {
    await admin.refused("invalid_params", { type: "mint_token", ...fields });
  }
});

test("roles: list_tokens names each token, its use and its connections, and no secret", async (bench) => {
  const admin = await bench.connect("admin");
  const before = Date.now();
  const first = await minted(bench, admin, { role: "admin", label: "Deploy" });
  const second = await minted(bench, first.wire, { role: "answer", sessions: ["s"], label: "Phone" });
  const unused = await admin.ok({ type: "mint_token", role: "observe", ttlMs: 60_000 });
  const { tokens } = await admin.ok({ type: "list_tokens" });
  const ids = [first.made, second.made, unused].map((made) => stringAt(made, "tokenId"));
  const listed = ids.map((id) => arrayAt({ tokens }, "tokens").find((one) => at(one, "tokenId") === id));
  assertEquals(listed.map((one) => at(one, "label")), ["Deploy", "Phone", undefined]);
  assertEquals(listed.map((one) => at(one, "parentId")), [undefined, ids[0], undefined]);
  assertEquals(listed.map((one) => at(one, "connections")), [1, 1, 0]);
  assertEquals(listed.map((one) => at(one, "sessions")), [undefined, ["s"], undefined]);
  assertEquals(listed.map((one) => Number(at(one, "lastUsedAt") ?? 0) >= before), [true, true, false]);
  const text = JSON.stringify(tokens);
  for (const made of [first.made, second.made, unused]) assert(!text.includes(stringAt(made, "token")));
  assert(!text.includes("hash"), text);
  await second.wire.refused("forbidden", { type: "list_tokens" });
});

alone("roles: a new token of the server ends what was minted from the one before", async (bench) => {
  await bench.start();
  const admin = await bench.connect("admin");
  const made: string[] = [];
  for (const fields of [{ role: "admin", ttlMs: 600_000 }, { role: "observe" }]) {
    made.push(stringAt(await admin.ok({ type: "mint_token", ...fields }), "token"));
  }
  const rotate = async (change: () => Promise<void>, env: Record<string, string>): Promise<number[]> => {
    bench.server.signal("SIGTERM");
    await bench.server.exitCode();
    await change();
    await bench.start([], { env });
    const { port } = await bench.server.endpoint();
    const pages = made.map((token) => get(port, "/metrics", { Authorization: `Bearer ${token}` }));
    return (await Promise.all(pages)).map((answer) => answer.status);
  };
  const nothing = (): Promise<void> => Promise.resolve();
  assertEquals(await rotate(nothing, {}), [200, 200], "the same token");
  const file = `${bench.home.stateDir}/token`;
  const old = await Deno.readTextFile(file);
  assertEquals(await rotate(() => Deno.remove(file), {}), [401, 401], "a new file");
  assertMatch(bench.server.stderr, /minted tokens are refused/);
  assertEquals(await rotate(() => Deno.writeTextFile(file, old), {}), [401, 401], "ended for good");
  const again = await bench.connect("again");
  made.push(stringAt(await again.ok({ type: "mint_token", role: "observe" }), "token"));
  const outside = { PI_SERVER_TOKEN: "a-token-from-outside-1" };
  assertEquals(await rotate(nothing, outside), [401, 401, 401], "a token from outside");
});

alone("roles: minted tokens outlive a restart, and no file of the state folder tells them", async (bench) => {
  await bench.start();
  const admin = await bench.connect("admin");
  const made = await admin.ok({ type: "mint_token", role: "observe", sessions: ["a"], ttlMs: 600_000 });
  const token = stringAt(made, "token");
  for await (const { name, isFile } of Deno.readDir(bench.home.stateDir)) {
    if (isFile) assert(!(await Deno.readTextFile(`${bench.home.stateDir}/${name}`)).includes(token), name);
  }
  const first = bench.server;
  first.signal("SIGTERM");
  await first.exitCode();
  await bench.start();
  const { port, url } = await bench.server.endpoint();
  const wire = await WsWire.connect(url, token, "again");
  bench.wires.push(wire);
  await wire.refused("forbidden", { type: "bash", sessionId: "a", command: "true" });
  assertEquals(arrayAt(await wire.ok({ type: "list_sessions" }), "sessions"), []);
  const metrics = await get(port, "/metrics", { Authorization: `Bearer ${token}` });
  assertEquals(metrics.status, 403);
});
