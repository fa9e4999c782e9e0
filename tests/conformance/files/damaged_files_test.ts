// The check of a session file before pi opens it (docs/PROTOCOL.md#sessions): at load_session, switch_session_file and
// when a parked session goes on. Entries of a newer pi and circles are refused. Damage is repaired and reported. Other
// sessions are served meanwhile.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  arrayAt,
  at,
  type Json,
  type JsonObject,
  messageText,
  objectAt,
  stringAt,
} from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { Entries, header, piTree, writeSession } from "../../support/model/session_file.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const SWITCHER = `export default (pi) => pi.registerCommand("sw", {
  description: "Switches",
  handler: async (path, ctx) => void await ctx.switchSession(path.trim()),
});`;

const test = shared(["--idle-session-ms", "400"], async (bench) => {
  await bench.home.extension("switcher", SWITCHER);
});

const SAID = ["one", "two", "three", "four"];

/** Two questions and their answers. */
function history(): Entries {
  const entries = new Entries();
  entries.user("one");
  entries.assistant("two");
  entries.user("three");
  entries.assistant("four");
  return entries;
}

/** Opens a file in one of the ways that there are; the result is the response, and the session's id. */
type Way = (bench: Bench, wire: Wire, lines: readonly string[]) => Promise<Opened>;

interface Opened {
  readonly id: string;
  readonly path: string;
  readonly response: JsonObject;
}

const joined = (lines: readonly string[]): string => `${lines.join("\n")}\n`;

async function written(bench: Bench, lines: readonly string[]): Promise<{ name: string; path: string }> {
  const name = bench.name("content");
  const cwd = await bench.home.folder(name);
  const path = `${cwd}/${name}.jsonl`;
  const first = JSON.stringify(header(name, cwd));
  await Deno.writeTextFile(path, joined([first, ...lines]));
  return { name, path };
}

const load: Way = async (bench, wire, lines) => {
  const { name, path } = await written(bench, lines);
  const loading = wire.request({ type: "load_session", sessionId: name, sessionPath: path });
  // Right behind it, since a session that no client subscribes to is parked soon.
  await wire.request({ type: "subscribe", sessionId: name });
  return { id: name, path, response: await loading };
};

const change: Way = async (bench, wire, lines) => {
  const { path } = await written(bench, lines);
  const { id } = await bench.watched(wire);
  const response = await wire.request({ type: "switch_session_file", sessionId: id, sessionPath: path });
  return { id, path, response };
};

/** The file becomes what it is while the session is parked; a prompt brings it back. */
const resume: Way = async (bench, wire, lines) => {
  const { name: id, path } = await written(bench, history().all.map((entry) => JSON.stringify(entry)));
  await wire.ok({ type: "load_session", sessionId: id, sessionPath: path });
  const isParked = async () => (await wire.ok({ type: "get_state", sessionId: id })).status === "parked";
  await until(isParked, 15_000, () => `${id} to be parked`);
  const [first = ""] = (await Deno.readTextFile(path)).split("\n");
  await Deno.writeTextFile(path, joined([first, ...lines]));
  const response = await wire.request({ type: "get_messages", sessionId: id });
  return { id, path, response };
};

const WAYS: Readonly<Record<string, Way>> = { load_session: load, switch_session_file: change, resume };

async function texts(wire: Wire, sessionId: string): Promise<string[]> {
  return arrayAt(await wire.ok({ type: "get_messages", sessionId }), "messages").map(messageText);
}

/** A connection that sees the events of sessions to come, and keeps none of them from being parked. */
async function watching(bench: Bench): Promise<Wire> {
  const wire = await bench.connect("watcher");
  await wire.ok({ type: "subscribe", sessionId: "*" });
  return wire;
}

/** A session that shares the worker answers. */
async function served(bench: Bench, wire: Wire, sessionId: string): Promise<void> {
  const marker = bench.name("neighbour");
  bench.model.script(marker, text(["still here"]));
  assertEquals((await settled(wire, sessionId, marker)).text, "still here");
}

/** What only a newer pi writes, and what a refusal calls it. */
const NEWER: Readonly<Record<string, (entries: Entries) => unknown>> = {
  context_edit: (entries) => {
    const [{ id } = { id: "" }] = entries.all;
    return entries.custom({ type: "context_edit", targetId: id ?? "", replacement: null });
  },
  usage: (entries) =>
    entries.custom({ type: "usage", kind: "cache_warm", provider: "p", model: "m", usage: {} }),
  "message:system": (entries) => {
    return entries.custom({ type: "message", message: { role: "system", content: "S", timestamp: 1 } });
  },
  "compaction:keeps-nothing": (entries) => {
    const id = entries.custom({ type: "compaction", summary: "S", tokensBefore: 1 });
    const last = entries.all.at(-1);
    if (last !== undefined) last.firstKeptEntryId = id;
  },
};

const FUTURE = {
  type: "future_entry",
  id: "f0000001",
  parentId: null,
  timestamp: "2025-01-01T12:00:00.000Z",
};

for (const [way, open] of Object.entries(WAYS)) {
  // pi 1.6 skips them as in a terminal, since no engine of the server knows more.
  test(`${way}: entries that no pi here knows are refused by the older one, bytes unchanged`, async (bench) => {
    const wire = await bench.connect();
    const lines = [...history().all, FUTURE].map((entry) => JSON.stringify(entry));
    const { path, response } = await open(bench, wire, lines);
    assertEquals((await Deno.readTextFile(path)).split("\n").slice(1, lines.length + 1), lines);
    if (ON_1_6) return assertEquals(response.success, true, JSON.stringify(response));
    assertEquals(response.code, "session_file_newer", JSON.stringify(response));
    assertEquals(at(response, "data", "newerEntries"), ["future_entry"]);
    for (const words of ["future_entry (line 6)", "--pi 1.6", path]) {
      assertStringIncludes(stringAt(response, "error"), words);
    }
    assertEquals((await Deno.readTextFile(path)).split("\n").slice(1, -1), lines);
  });

  for (const [name, add] of Object.entries(NEWER)) {
    test(`${way}: ${name} is refused by a pi that does not know it, and opened by one that does`, async (bench) => {
      const wire = await bench.connect();
      const entries = history();
      add(entries);
      const { response } = await open(bench, wire, entries.all.map((entry) => JSON.stringify(entry)));
      assertEquals(response.code, ON_1_6 ? undefined : "session_file_newer", JSON.stringify(response));
      if (!ON_1_6) assertEquals(at(response, "data", "newerEntries"), [name]);
    });
  }

  test(`${way}: a damaged line costs itself alone, and the loss is reported before anything is written`, async (bench) => {
    const wire = await bench.connect();
    const watcher = await watching(bench);
    const lines = history().all.map((entry) => JSON.stringify(entry));
    const damaged = [...lines.slice(0, 1), "\0\0\0\0", ...lines.slice(2)];
    const { id, path, response } = await open(bench, wire, damaged);
    assertEquals(response.success, true, JSON.stringify(response));
    const left = ["one", "three", "four"];
    assertEquals(await texts(wire, id), left);
    const repair = objectAt(await wire.ok({ type: "get_state", sessionId: id }), "fileRepair");
    const expected: Json = {
      file: path,
      copy: `${path}.damaged`,
      lostLines: 1,
      lines: [3],
      rejoined: 1,
      message: "line 3 is not JSON; 1 entries name one that is missing and were joined to the nearest",
    };
    assertEquals(repair, expected);
    const [first = ""] = (await Deno.readTextFile(path)).split("\n");
    assertEquals(await Deno.readTextFile(`${path}.damaged`), joined([first, ...damaged]));
    if (way === "load_session") assertEquals(at(response, "data", "sessionInfo", "fileRepair"), expected);
    if (way === "switch_session_file") assertEquals(at(response, "data", "fileRepair"), expected);
    assertEquals(at(await watcher.event(id, "session_file_repaired"), "event", "repair"), expected);
    if (way !== "switch_session_file") await wire.ok({ type: "subscribe", sessionId: id });
    const { issues } = await wire.ok({ type: "health_check" });
    assertStringIncludes(JSON.stringify(issues), `${path}.damaged`);
    assertStringIncludes(bench.server.stderr, "a session file is damaged: line 3");
    const marker = bench.name("goes-on");
    bench.model.script(marker, text(["went on"]));
    await settled(wire, id, marker);
    const { messages } = await piTree(path);
    assertEquals(messages.map(messageText), [...left, marker, "went on"], "another pi reads all of it");
    await wire.ok({ type: "delete_session", sessionId: id });
    const again = await wire.ok({ type: "load_session", sessionId: id, sessionPath: path });
    assertEquals(at(again, "sessionInfo", "fileRepair"), undefined, "it is reported once");
    assertEquals(await texts(wire, id), [...left, marker, "went on"]);
    assertEquals(JSON.stringify((await wire.ok({ type: "health_check" })).issues).includes(path), false);
  });

  test(`${way}: circles, equal ids and nonsense are refused, and a neighbour is served`, async (bench) => {
    const wire = await bench.connect();
    const { id: neighbour } = await bench.watched(wire);
    const [a, b] = history().all;
    assert(a !== undefined && b !== undefined);
    const bad: Readonly<Record<string, readonly JsonObject[]>> = {
      circle: [{ ...a, parentId: b.id ?? null }, b],
      "own parent": [a, { ...b, parentId: b.id ?? null }],
      "equal ids": [a, b, { ...a, parentId: b.id ?? null }],
      "no ids": [a, b].map(({ id: _id, ...rest }) => rest),
    };
    for (const [name, entries] of Object.entries(bad)) {
      const lines = entries.map((entry) => JSON.stringify(entry));
      const { path, response } = await open(bench, wire, lines);
      assertEquals(response.code, "session_file_damaged", `${name}: ${JSON.stringify(response)}`);
      assertEquals((await Deno.readTextFile(path)).split("\n").slice(1, -1), lines, name);
    }
    await served(bench, wire, neighbour);
  });
}

test("list_stored_sessions: what the loaded pi cannot open is marked with what it does not know", async (bench) => {
  const wire = await bench.connect();
  const folder = `${bench.home.agentDir}/sessions`;
  const cwd = await bench.home.folder(bench.name("marked"));
  await writeSession(`${folder}/whole.jsonl`, "whole", cwd, history().all);
  await writeSession(`${folder}/newer.jsonl`, "newer", cwd, [...history().all, FUTURE]);
  const sessions = arrayAt(await wire.ok({ type: "list_stored_sessions", cwd }), "sessions");
  const marks = sessions.map((
    one,
  ) => [at(one, "sessionId"), at(one, "newerEntries"), at(one, "messageCount")]);
  // pi 1.6 skips such entries, as it does in a terminal, and can open the file.
  assertEquals(marks.sort(), [["newer", ON_1_6 ? undefined : ["future_entry"], 4], ["whole", undefined, 4]]);
});

test("load_session: a missing model and its replacement are reported", async (bench) => {
  const wire = await bench.connect();
  const watcher = await watching(bench);
  const entries = new Entries();
  entries.custom({ type: "model_change", provider: "unknown-maker", modelId: "gone" });
  entries.user("one");
  entries.assistant("two");
  for (const entry of entries.all) {
    if (at(entry, "message", "role") === "assistant") {
      Object.assign(entry.message ?? {}, { provider: "unknown-maker", model: "gone" });
    }
  }
  const { id, response } = await load(bench, wire, entries.all.map((entry) => JSON.stringify(entry)));
  const info = objectAt(response, "data", "sessionInfo");
  const told = await watcher.event(id, "model_changed");
  assertEquals(at(told, "event", "model"), at(info, "model"));
});

test("load_session: a whole file is opened as it is, and nothing is reported", async (bench) => {
  const wire = await bench.connect();
  const { id } = await load(bench, wire, history().all.map((entry) => JSON.stringify(entry)));
  assertEquals(await texts(wire, id), SAID);
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).fileRepair, undefined);
});

test("ctx.switchSession: the content of a file is checked and repaired as for clients", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const lines = history().all.map((entry) => JSON.stringify(entry));
  const switchTo = async (path: string): Promise<void> => {
    await wire.ok({ type: "prompt", sessionId: id, message: `/sw ${path}`, waitFor: "settled" });
  };
  const newer = await written(bench, [...lines, JSON.stringify(FUTURE)]);
  const before = await Deno.readTextFile(newer.path);
  await switchTo(newer.path);
  if (ON_1_6) {
    const { sessionFile } = await wire.ok({ type: "get_state", sessionId: id });
    assertEquals(sessionFile, newer.path);
  } else {
    assertStringIncludes(
      stringAt(await wire.event(id, "extension_error"), "event", "error"),
      "future_entry (line 6)",
    );
    assertEquals(await Deno.readTextFile(newer.path), before);
  }
  const damaged = await written(bench, [...lines.slice(0, 1), "{{{", ...lines.slice(2)]);
  await switchTo(damaged.path);
  const told = await wire.event(id, "session_file_repaired");
  assertEquals(at(told, "event", "repair", "lines"), [3]);
  assertEquals(await texts(wire, id), ["one", "three", "four"]);
});
