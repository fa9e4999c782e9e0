// Reading a long history: entries in pages from both ends, answers within the bytes that a client takes, and large
// texts and images by reference, over the wire and over HTTP.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  arrayAt,
  at,
  type Json,
  type JsonObject,
  numberAt,
  objectAt,
  stringAt,
} from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { Entries, longHistory, writeSession } from "../../support/model/session_file.ts";
import { SMALL_FRAME, SmallFrames } from "../../support/network/small_frames.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, shared } from "../suite.ts";

const test = shared();
let sessions = 0;

/** Loads a session with those entries; its id, and its file. */
async function loaded(bench: Bench, wire: Wire, entries: Entries): Promise<{ id: string; path: string }> {
  const id = `pages-${++sessions}-x`;
  const path = `${await bench.home.folder(id)}/${id}.jsonl`;
  await writeSession(path, id, await bench.home.folder(id), entries.all);
  const data = await wire.ok({ type: "load_session", sessionPath: path }, 120_000);
  return { id: stringAt(data, "sessionId"), path };
}

const idsOf = (entries: readonly Json[]): string[] => entries.map((entry) => stringAt(entry, "id"));

/** The entries of the file that pi has added nothing to yet. */
const ours = (ids: readonly string[], entries: Entries): string[] => {
  const known = new Set(entries.all.map(({ id }) => id));
  return ids.filter((id) => known.has(id));
};

/** All entries, page by page. */
async function paged(wire: Wire, first: JsonObject): Promise<{ ids: string[]; pages: number }> {
  const pages: string[][] = [];
  for (let next: JsonObject | undefined = first; next !== undefined;) {
    const data: JsonObject = await wire.ok(next);
    const ids = idsOf(arrayAt(data, "entries"));
    const { more, nextSince, nextBefore } = data;
    assertEquals(more === true, nextSince !== undefined || nextBefore !== undefined);
    if (first.since === undefined) pages.unshift(ids);
    else pages.push(ids);
    next = more !== true
      ? undefined
      : first.since === undefined
      ? { ...first, before: nextBefore ?? null }
      : { ...first, since: nextSince ?? null };
  }
  return { ids: pages.flat(), pages: pages.length };
}

test("history pages: entries from the end backwards and from the start forwards are the same", async (bench) => {
  const wire = await bench.connect();
  const entries = longHistory(200);
  const { id } = await loaded(bench, wire, entries);
  const all = entries.all.map((entry) => stringAt(entry, "id"));
  const read = { type: "get_entries", sessionId: id };
  const backwards = await paged(wire, { ...read, limit: 7 });
  const forwards = await paged(wire, { ...read, since: null, limit: 7 });
  assertEquals(ours(backwards.ids, entries), all);
  assertEquals(forwards.ids, backwards.ids);
  assert(backwards.pages >= 29 && forwards.pages >= 29);
  const bounded = await paged(wire, { ...read, maxBytes: 16_384 });
  assertEquals(bounded.ids, backwards.ids);
  assert(bounded.pages > 3, `${bounded.pages} pages`);
  // The branch is the way from the root to the leaf.
  const branch = await paged(wire, { ...read, scope: "branch", limit: 9 });
  assert(branch.ids.length < backwards.ids.length);
  const tree = await wire.ok({ type: "get_tree", sessionId: id });
  const parents = new Map(arrayAt(tree, "nodes").map((node) => [at(node, "entryId"), at(node, "parentId")]));
  const way: Json[] = [];
  for (let next = tree.currentLeafId; typeof next === "string"; next = parents.get(next)) way.unshift(next);
  assertEquals(branch.ids, way);
  assertEquals((await paged(wire, { ...read, scope: "branch", since: null, limit: 9 })).ids, way);
  // Between two cursors.
  const some = await wire.ok({ ...read, since: all[10] ?? null, before: all[15] ?? null });
  assertEquals(idsOf(arrayAt(some, "entries")), all.slice(11, 15));
  assertEquals([some.more, some.nextSince], [undefined, undefined]);
});

test("history pages: an entry is what pi keeps, and what a compaction hides is there", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  const old = entries.user("long ago");
  entries.assistant("yes");
  const kept = entries.user("kept");
  entries.assistant("still");
  entries.custom({ type: "compaction", summary: "they talked", firstKeptEntryId: kept, tokensBefore: 9 });
  entries.user("after");
  const { id } = await loaded(bench, wire, entries);
  const messages = await wire.ok({ type: "get_messages", sessionId: id });
  assert(!JSON.stringify(messages).includes("long ago"));
  const data = await wire.ok({ type: "get_entries", sessionId: id, scope: "branch" });
  const [first] = arrayAt(data, "entries");
  assertEquals([at(first, "id"), at(first, "parentId")], [old, null]);
  assertStringIncludes(JSON.stringify(at(first, "message")), "long ago");
  assertEquals(objectAt(first, "message"), objectAt(entries.all[0], "message"));
});

test("history pages: cursors that lead nowhere have their codes", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  const root = entries.user("root");
  const fork = entries.assistant("here it forks");
  const left = entries.user("left");
  const leftLeaf = entries.assistant("left answer");
  entries.leaf = fork;
  entries.user("right");
  entries.assistant("right answer");
  const { id } = await loaded(bench, wire, entries);
  const read = { type: "get_entries", sessionId: id };
  for (const scope of ["tree", "branch"]) {
    for (const field of ["since", "before"]) {
      const refusal = await wire.refused("entry_not_found", { ...read, scope, [field]: "no-such" });
      assertStringIncludes(stringAt(refusal, "error"), `/${field}`);
    }
  }
  const gone = await wire.refused("entry_not_on_branch", { ...read, scope: "branch", since: leftLeaf });
  assertEquals(at(gone, "data", "commonEntryId"), fork);
  assertStringIncludes(stringAt(gone, "error"), fork);
  await wire.refused("entry_not_on_branch", { ...read, scope: "branch", before: left });
  // The whole tree still knows it, and the entry of both is a way to go on.
  assert(arrayAt(await wire.ok({ ...read, since: leftLeaf }), "entries").length >= 2);
  const rest = await wire.ok({ ...read, scope: "branch", since: stringAt(gone, "data", "commonEntryId") });
  assertStringIncludes(JSON.stringify(rest), "right answer");
  assert(!JSON.stringify(rest).includes("left answer"));
  // The client learns it when the session leaves the branch under it.
  const before = await wire.ok({ ...read, scope: "branch", limit: 1 });
  await wire.ok({ type: "navigate_tree", sessionId: id, targetId: root, options: { summarize: false } });
  const cursor = stringAt(before, "leafId");
  await wire.refused("entry_not_on_branch", { ...read, scope: "branch", since: cursor });
});

const png = (n: number, bytes: number): { data: string; bytes: Uint8Array } => {
  const raw = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) raw[i] = (i * 31 + n * 7 + (i >> 8)) & 255;
  const parts: string[] = [];
  for (let i = 0; i < bytes; i += 30_000) {
    parts.push(btoa(String.fromCharCode(...raw.subarray(i, i + 30_000))));
  }
  return { data: parts.join(""), bytes: raw };
};

/** A user's message with an image. */
function withImage(entries: Entries, words: string, data: string): string {
  const content: Json[] = [{ type: "text", text: words }, { type: "image", data, mimeType: "image/png" }];
  return entries.custom({ type: "message", message: { role: "user", content, timestamp: 1 } });
}

const hexOf = async (bytes: Uint8Array): Promise<string> => {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

const refIn = (message: Json | undefined, index: number, field: string): JsonObject =>
  objectAt(arrayAt(message, "content")[index], field, "contentRef");

test("history pages: a large image and a large text go by reference, and come back whole", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  const image = png(1, 200_001);
  const long = `ä😀${"long ".repeat(40_000)}`;
  withImage(entries, "look", image.data);
  entries.assistant(long);
  entries.user("short");
  const { id } = await loaded(bench, wire, entries);
  const plain = await wire.ok({ type: "get_messages", sessionId: id });
  assertEquals(at(arrayAt(plain, "messages")[0], "content", 1, "data"), image.data);
  const data = await wire.ok({ type: "get_messages", sessionId: id, refs: true });
  const [first, second, third] = arrayAt(data, "messages");
  assertEquals(at(third, "content"), [{ type: "text", text: "short" }]);
  const imageRef = refIn(first, 1, "data");
  const textRef = refIn(second, 0, "text");
  const utf8 = new TextEncoder().encode(long);
  assertEquals(imageRef, {
    hash: await hexOf(image.bytes),
    kind: "image",
    size: image.bytes.length,
    mediaType: "image/png",
  });
  assertEquals(textRef, { hash: await hexOf(utf8), kind: "text", size: utf8.length });
  // In pieces of odd sizes.
  for (const [ref, bytes] of [[imageRef, image.bytes], [textRef, utf8]] as const) {
    const pieces: number[] = [];
    for (let offset: unknown = 0; typeof offset === "number";) {
      const hash = stringAt(ref, "hash");
      const piece = await wire.ok({ type: "get_content", sessionId: id, ref: hash, offset, length: 70_001 });
      assertEquals([piece.offset, piece.size], [offset, bytes.length]);
      for (const char of atob(stringAt(piece, "data"))) pieces.push(char.charCodeAt(0));
      offset = piece.nextOffset;
    }
    assertEquals(await hexOf(Uint8Array.from(pieces)), stringAt(ref, "hash"));
  }
  // Entries and snapshots name the same content.
  const page = await wire.ok({ type: "get_entries", sessionId: id, refs: true });
  const entry = arrayAt(page, "entries").find((one) => at(one, "message", "role") === "user");
  assertEquals(refIn(at(entry, "message"), 1, "data"), imageRef);
  const { snapshot } = await wire.ok({ type: "subscribe", sessionId: id, snapshot: true, refs: true });
  assertEquals(refIn(arrayAt(snapshot, "messages")[0], 1, "data"), imageRef);
  // Faults.
  const read = { type: "get_content", sessionId: id, ref: stringAt(imageRef, "hash") };
  await wire.refused("content_not_found", { ...read, ref: "0".repeat(64) });
  const { id: other } = await bench.session(wire);
  await wire.refused("content_not_found", { ...read, sessionId: other });
  await wire.refused("invalid_params", { ...read, ref: "../../etc/passwd" });
  await wire.refused("invalid_params", { ...read, offset: image.bytes.length + 1 });
  await wire.refused("invalid_params", { type: "subscribe", sessionId: id, refs: true, updates: "full" });
});

test("history pages: a reference outlives the parking of its session", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  const image = png(3, 100_000);
  withImage(entries, "look", image.data);
  entries.assistant("nice");
  const { id, path } = await loaded(bench, wire, entries);
  const hash = await hexOf(image.bytes);
  // No client has asked for the reference yet, so the session has to search for it.
  const piece = await wire.ok({ type: "get_content", sessionId: id, ref: hash });
  assertEquals([piece.size, piece.nextOffset], [100_000, undefined]);
  await wire.ok({ type: "delete_session", sessionId: id });
  await wire.refused("session_not_found", { type: "get_content", sessionId: id, ref: hash });
  const again = await wire.ok({ type: "load_session", sessionPath: path });
  const same = { type: "get_content", sessionId: stringAt(again, "sessionId"), ref: hash };
  assertEquals(stringAt(await wire.ok(same), "data"), stringAt(piece, "data"));
});

test("history pages: GET /content has ranges, an ETag and the rights of the token", async (bench) => {
  const wire = await bench.connect();
  const entries = new Entries();
  const image = png(2, 700_000);
  withImage(entries, "look", image.data);
  entries.assistant("x".repeat(100_000));
  const { id } = await loaded(bench, wire, entries);
  const hash = await hexOf(image.bytes);
  const base = (await bench.server.endpoint()).url.replace(/^ws/, "http");
  const url = `${base}content/${id}/${hash}`;
  const own = await bench.server.token();
  const ask = (headers: Record<string, string> = {}, method = "GET", at = url): Promise<Response> =>
    fetch(at, { method, headers: { authorization: `Bearer ${own}`, ...headers } });
  const whole = await ask();
  assertEquals([whole.status, whole.headers.get("content-type")], [200, "image/png"]);
  assertEquals(whole.headers.get("content-length"), "700000");
  assertEquals(whole.headers.get("etag"), `"${hash}"`);
  assertEquals(whole.headers.get("x-content-type-options"), "nosniff");
  assertEquals(new Uint8Array(await whole.arrayBuffer()), image.bytes);
  for (
    const [range, first, last] of [
      ["bytes=0-9", 0, 9],
      ["bytes=699990-", 699_990, 699_999],
      ["bytes=-5", 699_995, 699_999],
      ["bytes=5-9999999", 5, 699_999],
    ] as const
  ) {
    const part = await ask({ range });
    assertEquals([part.status, part.headers.get("content-range")], [206, `bytes ${first}-${last}/700000`]);
    assertEquals(new Uint8Array(await part.arrayBuffer()), image.bytes.subarray(first, last + 1));
  }
  const beyond = await ask({ range: "bytes=700000-" });
  assertEquals([beyond.status, beyond.headers.get("content-range")], [416, "bytes */700000"]);
  assertStringIncludes(await beyond.text(), "700000 bytes");
  for (const range of ["bytes=0-1,4-5", "lines=1-2", "bytes=9-3"]) {
    const all = await ask({ range });
    assertEquals([range, all.status], [range, 200]);
    await all.body?.cancel();
  }
  const known = await ask({ "if-none-match": `"${hash}"` });
  assertEquals([known.status, await known.text()], [304, ""]);
  const stale = await ask({ range: "bytes=0-9", "if-range": '"other"' });
  assertEquals(stale.status, 200);
  await stale.body?.cancel();
  const head = await ask({}, "HEAD");
  assertEquals([head.status, head.headers.get("content-length"), await head.text()], [200, "700000", ""]);
  const words = await ask(
    {},
    "GET",
    `${base}content/${id}/${await hexOf(new TextEncoder().encode("x".repeat(100_000)))}`,
  );
  assertEquals(words.headers.get("content-type"), "text/plain; charset=utf-8");
  assertEquals((await words.text()).length, 100_000);
  // Faults.
  const status = async (answer: Promise<Response>): Promise<[number, string]> => {
    const { status, text } = await answer.then(async (one) => ({
      status: one.status,
      text: await one.text(),
    }));
    return [status, text.split(":")[0] ?? ""];
  };
  assertEquals(await status(ask({}, "GET", `${base}content/${id}/${"0".repeat(64)}`)), [
    404,
    "content_not_found",
  ]);
  assertEquals(await status(ask({}, "GET", `${base}content/nope/${hash}`)), [404, "session_not_found"]);
  assertEquals((await status(ask({}, "GET", `${base}content/${id}/abc`)))[0], 404);
  assertEquals((await status(ask({}, "POST")))[0], 404);
  assertEquals((await status(fetch(url)))[0], 401);
  assertEquals((await status(ask({ authorization: "Bearer wrong-token-of-mine" })))[0], 401);
  // A token for some sessions reads these alone.
  const mint = async (fields: JsonObject): Promise<string> =>
    stringAt(await wire.ok({ type: "mint_token", role: "observe", ...fields }), "token");
  const mine = await mint({ ttlMs: 60_000, sessions: [id] });
  const theirs = await mint({ ttlMs: 60_000, sessions: ["another"] });
  assertEquals((await status(ask({ authorization: `Bearer ${mine}` }, "HEAD")))[0], 200);
  assertEquals((await status(ask({ authorization: `Bearer ${theirs}` })))[0], 403);
  assertEquals(
    (await status(ask({ authorization: `Bearer ${mine}` }, "GET", `${base}content/nope/${hash}`)))[0],
    403,
  );
  assertEquals((await status(ask({ authorization: `Bearer ${await mint({})}` })))[0], 403);
});

test("history pages: events of a subscriber with refs name what is large", async (bench) => {
  const [wire, plain] = [await bench.connect(), await bench.connect("plain")];
  const { id } = await bench.session(wire);
  const subscribed = await wire.ok({ type: "subscribe", sessionId: id, refs: true });
  await plain.ok({ type: "subscribe", sessionId: id });
  const marker = bench.name("refs");
  const words = `${marker} ${"w".repeat(200_000)}`;
  bench.model.script(marker, text(["done"]));
  await wire.ok({ type: "prompt", sessionId: id, message: words, waitFor: "settled" }, 60_000);
  const isEnd = (message: JsonObject): boolean =>
    at(message, "event", "type") === "message_end" && at(message, "event", "message", "role") === "user";
  const endOf = (of: Wire): Promise<JsonObject> => of.next(isEnd);
  const [brief, full] = [await endOf(wire), await endOf(plain)];
  assertEquals(at(full, "event", "message", "content", 0, "text"), words);
  const ref = refIn(at(brief, "event", "message"), 0, "text");
  assertEquals(ref.hash, await hexOf(new TextEncoder().encode(words)));
  assert(JSON.stringify(brief).length < 2_000);
  // A replay has the same form, also for a connection that was not there.
  const late = await SmallFrames.connect((await bench.server.endpoint()).url, await bench.server.token());
  const from = { epoch: stringAt(subscribed, "epoch"), seq: numberAt(subscribed, "seq") };
  const data = await late.ok({ type: "subscribe", sessionId: id, from, refs: true });
  assertEquals(data.mode, "replay");
  // The answer to a ping comes after the replayed events.
  await late.ok({ type: "ping" });
  late.close();
  const replayed = late.events.find((message) => isEnd(message));
  assertEquals(refIn(at(replayed, "event", "message"), 0, "text"), ref);
});

/** How many images an exported page leaves out: its data is JSON in base64. */
function sentencesIn(html: string): number {
  const data = /<script id="session-data"[^>]*>([^<]*)<\/script>/.exec(html)?.[1] ?? "";
  return atob(data).split("[This page leaves an image out: image/png, 2.9 MiB]").length - 1;
}

alone("history pages: a client with frames of 1 MiB reads 40 images of 4 MB", async (bench) => {
  await bench.start(["--max-host-memory-bytes", "6GiB"]);
  const wire = await bench.connect();
  const entries = new Entries();
  const hashes: string[] = [];
  for (let n = 0; n < 40; n++) {
    const image = png(n, 3_000_000);
    hashes.push(await hexOf(image.bytes));
    withImage(entries, `image ${n}`, image.data);
    entries.assistant(`seen ${n}`);
  }
  const { id } = await loaded(bench, wire, entries);
  // An ordinary client: every answer fits its frame, and says what is left out.
  const frame = 10 * 1024 * 1024;
  const page = await wire.ok({ type: "get_messages", sessionId: id });
  assert(JSON.stringify(page).length < frame);
  assertEquals([page.truncated, arrayAt(page, "messages").length], [true, 5]);
  const { snapshot } = await wire.ok({ type: "subscribe", sessionId: id, snapshot: true });
  assert(JSON.stringify(snapshot).length < frame);
  assertEquals([at(snapshot, "truncated"), at(snapshot, "before")], [true, 77]);
  const exported = await wire.ok({ type: "export_html", sessionId: id });
  assertEquals(exported.imagesLeftOut, 32);
  const html = await Deno.readTextFile(stringAt(exported, "path"));
  assertEquals(sentencesIn(html), 32);
  // A small one reads everything.
  const small = await SmallFrames.connect((await bench.server.endpoint()).url, await bench.server.token());
  try {
    const form = { sessionId: id, refs: true, maxBytes: SMALL_FRAME };
    const state = await small.ok({ type: "subscribe", snapshot: true, ...form });
    assertEquals(arrayAt(state, "snapshot", "messages").length, 80);
    const all = await small.ok({ type: "get_messages", ...form });
    const seen = arrayAt(all, "messages").filter((message) => at(message, "role") === "user");
    assertEquals(seen.map((message) => refIn(message, 1, "data").hash), hashes);
    for (const hash of [hashes[0] ?? "", hashes[39] ?? ""]) {
      assertEquals(await hexOf(await small.content(id, hash)), hash);
    }
    // Events too, live and replayed.
    const marker = bench.name("small");
    bench.model.script(marker, text([marker, "z".repeat(900_000), "y".repeat(900_000)]));
    const { epoch, seq } = state;
    await small.ok({ type: "prompt", sessionId: id, message: marker });
    await small.event("agent_settled");
    await small.ok({
      type: "subscribe",
      sessionId: id,
      refs: true,
      maxBytes: SMALL_FRAME,
      from: { epoch: epoch ?? "", seq: seq ?? 0 },
    });
    const last = await small.ok({ type: "get_messages", ...form, limit: 1 });
    const ref = refIn(arrayAt(last, "messages")[0], 0, "text");
    assertEquals(ref.size, marker.length + 1_800_000);
    assert(small.largest <= SMALL_FRAME, `${small.largest} bytes`);
  } finally {
    small.close();
  }
}, 560_000);
