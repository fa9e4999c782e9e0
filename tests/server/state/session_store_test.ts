// Records on disk: what is put is there, a file cut at any byte costs one session and no other, and a disk that
// refuses is tried again.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { SessionStore } from "../../../src/server/state/session_store.ts";
import { files } from "../../../src/runtime/common.ts";
import type { Files } from "../../../src/runtime/runtime.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { keptLog, recordOf } from "../manager/fakes.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");

/** A store over a folder of its own. */
function storeOf(folder: string, over: Partial<Files> = {}) {
  const clock = new FakeClock();
  const { log, records } = keptLog();
  const store = new SessionStore({ files: { ...files, ...over }, clock, log, folder, sha256 });
  return { store, clock, records };
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-store-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const idsIn = async (folder: string): Promise<string[]> => {
  const records = await storeOf(folder).store.load(true);
  return records.map(({ info }) => info.sessionId).sort();
};

Deno.test("session store: what is put comes back whole, the last of many wins, what is removed is gone", () =>
  inFolder(async (folder) => {
    const { store } = storeOf(folder);
    await store.load(true);
    const tricky = ["a", "__proto__", "constructor", "A", "a.b", "-"];
    await Promise.all(tricky.map((id) => store.put(recordOf(id, { seq: 1 }))));
    await Promise.all([2, 3, 4].map((seq) => store.put(recordOf("a", { seq }))));
    await store.remove("A");
    const records = await storeOf(folder).store.load(true);
    assertEquals(records.map(({ info }) => info.sessionId).sort(), tricky.filter((id) => id !== "A").sort());
    assertEquals(records.find(({ info }) => info.sessionId === "a"), recordOf("a", { seq: 4 }));
    assertEquals(await storeOf(folder).store.load(false), []);
  }));

Deno.test("session store: one put after the other is carried out, each as soon as the last is", () =>
  inFolder(async (folder) => {
    const { store } = storeOf(folder);
    await store.load(true);
    for (let seq = 0; seq < 20; seq++) await store.put(recordOf("a", { seq }));
    await store.remove("a");
    await store.put(recordOf("a", { seq: 99 }));
    assertEquals((await storeOf(folder).store.load(true)).map(({ info }) => info.seq), [99]);
  }));

Deno.test("session store: a record that is cut at any byte, or changed at any, is set aside alone", () =>
  inFolder(async (folder) => {
    const { store } = storeOf(folder);
    await store.load(true);
    await store.put(recordOf("whole"));
    const [kept] = [...Deno.readDirSync(folder)].map(({ name }) => name);
    await store.put(recordOf("cut"));
    const name = [...Deno.readDirSync(folder)].map((entry) => entry.name).find((one) => one !== kept) ?? "";
    const text = await Deno.readTextFile(`${folder}/${name}`);
    // The last line end is not part of the record.
    for (let length = 0; length < text.length - 1; length += length < 120 ? 1 : 37) {
      await Deno.writeTextFile(`${folder}/${name}`, text.slice(0, length));
      assertEquals(await idsIn(folder), ["whole"], `cut at ${length}`);
    }
    for (let at = 0; at < text.length - 1; at += 29) {
      const changed = text.slice(0, at) + (text[at] === "#" ? "*" : "#") + text.slice(at + 1);
      await Deno.writeTextFile(`${folder}/${name}`, changed);
      assertEquals(await idsIn(folder), ["whole"], `changed at ${at}`);
    }
    await Deno.writeTextFile(`${folder}/${name}`, text);
    assertEquals(await idsIn(folder), ["cut", "whole"]);
    await Deno.writeTextFile(`${folder}/${name}`, text.replace('"format":1', '"format":2'));
    const { store: older, records } = storeOf(folder);
    assertEquals((await older.load(true)).length, 1);
    assert(records.join().includes("newer server"));
  }));

Deno.test("session store: a temporary file of a server that was killed is removed, and a record under another's name is not believed", () =>
  inFolder(async (folder) => {
    const { store } = storeOf(folder);
    await store.load(true);
    await store.put(recordOf("a"));
    const [name = ""] = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    await Deno.copyFile(`${folder}/${name}`, `${folder}/other.json`);
    await Deno.writeTextFile(`${folder}/${name}.123.0123abcd`, "half");
    assertEquals(await idsIn(folder), ["a"]);
    assertEquals(
      [...Deno.readDirSync(folder)].map((entry) => entry.name).sort(),
      [name, "other.json.aside"].sort(),
    );
  }));

Deno.test("session store: a disk that refuses is reported once, rejects, and is tried again with the latest state", () =>
  inFolder(async (folder) => {
    let full = true;
    const { store, clock, records } = storeOf(folder, {
      writePrivate: (path, text) =>
        full ? Promise.reject(new Error("ENOSPC")) : files.writePrivate(path, text),
    });
    await store.load(true);
    await assertRejects(() => store.put(recordOf("a", { seq: 1 })));
    await assertRejects(() => store.put(recordOf("a", { seq: 2 })));
    assertEquals([store.problem, records.length], ["ENOSPC", 1]);
    full = false;
    await clock.advance(5_000);
    await store.close();
    const [record] = await storeOf(folder).store.load(true);
    assertEquals([record?.info.seq, store.problem], [2, undefined]);
  }));

Deno.test("session store: what is none of its own is set aside, and none of it keeps the others from coming back", () =>
  inFolder(async (top) => {
    const folder = `${top}/sessions`;
    await Deno.writeTextFile(folder, "a file in its place");
    const { store, records } = storeOf(folder);
    await store.load(true);
    await store.put(recordOf("a"));
    const [name = ""] = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    for (const foreign of ["notes.txt", `${name}.bak`, `${name}~`]) {
      await Deno.writeTextFile(`${folder}/${foreign}`, "mine");
    }
    await Deno.mkdir(`${folder}/folder`);
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe.json`] }).output();
    assertEquals(await idsIn(folder), ["a"]);
    assertEquals(await idsIn(folder), ["a"], "once more");
    assertEquals(
      [...Deno.readDirSync(folder)].map((entry) => entry.name).sort(),
      ["folder.aside", name, `${name}.bak.aside`, `${name}~.aside`, "notes.txt.aside", "pipe.json.aside"]
        .sort(),
    );
    assertEquals(await Deno.readTextFile(`${folder}/notes.txt.aside`), "mine");
    assertEquals(await Deno.readTextFile(`${folder}.aside`), "a file in its place");
    assert(records.join().includes("it is not a folder"));
  }));

Deno.test("session store: trouble stays until all that is owed is written, whatever else works meanwhile", () =>
  inFolder(async (folder) => {
    let full = true;
    const { store, clock } = storeOf(folder, {
      writePrivate: (path, text) =>
        full ? Promise.reject(new Error("EACCES")) : files.writePrivate(path, text),
    });
    await store.load(true);
    await assertRejects(() => store.put(recordOf("a")));
    await assertRejects(() => store.put(recordOf("b")));
    // Of a session that never came to be.
    await store.remove("b");
    assertEquals(store.problem, "EACCES");
    await clock.advance(5_000);
    assertEquals(store.problem, "EACCES");
    full = false;
    await clock.advance(5_000);
    await store.close();
    assertEquals(store.problem, undefined);
    assertEquals(await idsIn(folder), ["a"]);
  }));
