// The list of stored sessions: which folders are looked at, whose sessions are shown, orders, filters, and pages.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ListPlace } from "../../src/ipc/catalogue_messages.ts";
import { CatalogueBench, header, message } from "./catalogue_bench.ts";

/** A bench with sessions `sub`, `root`, `elsewhere` and `nowhere`, newest first. */
async function filled(): Promise<CatalogueBench> {
  const bench = await CatalogueBench.make();
  const { top } = bench;
  await bench.write("sessions/one/1.jsonl", header(`${top}/root/sub`, "sub"), 1_700_000_004);
  await bench.write("sessions/one/2.jsonl", header(`${top}/root`, "root"), 1_700_000_003);
  await bench.write("sessions/3.jsonl", header(`${top}/outside`, "elsewhere"), 1_700_000_002);
  await bench.write("sessions/4.jsonl", header("", "nowhere"), 1_700_000_001);
  await bench.write("root/5.jsonl", header(`${top}/root`, "not-in-a-session-folder"));
  return bench;
}

Deno.test("catalogue: sessions of allowed folders are listed, newest first, up to the limit", async () => {
  await using bench = await filled();
  assertEquals(await bench.ids(), ["sub", "root", "nowhere"]);
  const page = await bench.page({}, { limit: 2 });
  assert(typeof page !== "string" && page.next !== undefined);
  assertEquals(page.sessions.map(({ sessionId }) => sessionId), ["sub", "root"]);
  assertEquals(await bench.ids(page.next), ["nowhere"]);
});

Deno.test("catalogue: a folder lists only its own sessions, in any spelling, and a folder without sessions lists none", async () => {
  await using bench = await filled();
  await Deno.symlink(`${bench.top}/root/sub`, `${bench.top}/root/alias`);
  for (const cwd of ["sub", `${bench.top}/root/sub`, "./alias", "sub/../sub/"]) {
    assertEquals(await bench.ids({ cwd }), ["sub"], cwd);
  }
  assertEquals(await bench.ids({ cwd: "." }), ["root", "nowhere"]);
  assertEquals(await bench.ids({ cwd: "gone" }), [], "it may be gone, and its sessions are still wanted");
});

Deno.test("catalogue: a folder outside the roots is forbidden", async () => {
  await using bench = await filled();
  for (const cwd of ["../outside", "/", "/etc"]) assertEquals(await bench.ids({ cwd }), "path_forbidden");
});

Deno.test("catalogue: sessions of a folder that is gone are listed", async () => {
  await using bench = await filled();
  await Deno.remove(`${bench.top}/root/sub`);
  assertEquals(await bench.ids(), ["sub", "root", "nowhere"]);
});

Deno.test("catalogue: a driven file names its session, also in a folder that is reached by a link", async () => {
  await using bench = await filled();
  const { top, catalogue } = bench;
  catalogue.visibility.owners.set(`${top}/sessions/one/2.jsonl`, "a");
  const owners = async () => (await bench.sessions()).map(({ liveSessionId }) => liveSessionId);
  assertEquals(await owners(), [undefined, "a", undefined]);
  assertEquals([await bench.ids({ status: "in_use" }), await bench.ids({ status: "free" })], [["root"], [
    "sub",
    "nowhere",
  ]]);
  await Deno.rename(`${top}/sessions`, `${top}/root/moved`);
  await Deno.symlink(`${top}/root/moved`, `${top}/sessions`);
  catalogue.visibility.owners.set(`${top}/root/moved/one/2.jsonl`, "b");
  assertEquals(await owners(), [undefined, "b", undefined]);
});

Deno.test("catalogue: no link leads a list out of the roots, or into the state folder", async () => {
  await using bench = await CatalogueBench.make((top) => ({
    roots: [`${top}/root`, `${top}/sessions`],
    closed: [`${top}/sessions/state`],
  }));
  const { top } = bench;
  await Deno.mkdir(`${top}/sessions/state`);
  await bench.write("sessions/one/own.jsonl", header(`${top}/root`, "own"));
  await bench.write("root/linked.jsonl", header(`${top}/root`, "linked"));
  await bench.write("outside/secret.jsonl", header(`${top}/root`, "secret"));
  await bench.write("sessions/state/kept.jsonl", header(`${top}/root`, "kept"));
  await Deno.symlink(`${top}/outside`, `${top}/sessions/two`);
  for (const target of ["outside/secret", "root/linked", "sessions/state/kept"]) {
    await Deno.symlink(`${top}/${target}.jsonl`, `${top}/sessions/one/${target.replaceAll("/", "-")}.jsonl`);
  }
  assertEquals((await bench.ids() as string[]).toSorted(), ["linked", "own"]);
});

Deno.test("catalogue: pipes, folders, broken files and those of other kinds are passed over, and no pipe is opened", async () => {
  await using bench = await filled();
  const { top } = bench;
  await bench.write("sessions/one/broken.jsonl", '{"type":"session","id":');
  await bench.write("sessions/one/empty.jsonl", "");
  await bench.write("sessions/one/notes.txt", header(`${top}/root`, "notes"));
  await Deno.mkdir(`${top}/sessions/one/folder.jsonl`);
  const made = await new Deno.Command("mkfifo", { args: [`${top}/sessions/one/pipe.jsonl`] }).output();
  assert(made.success);
  assertEquals(await bench.ids(), ["sub", "root", "nowhere"]);
  assert(!bench.read.includes("pipe.jsonl"), bench.read.join());
  // Another file takes the place of a listed one.
  await Deno.remove(`${top}/sessions/one/1.jsonl`);
  await new Deno.Command("mkfifo", { args: [`${top}/sessions/one/1.jsonl`] }).output();
  assertEquals(await bench.ids(), ["root", "nowhere"]);
});

Deno.test("catalogue: a folder that cannot be read is left out, and logged once", async () => {
  await using bench = await CatalogueBench.make(undefined, (files) => ({
    ...files,
    entries: (folder) =>
      folder.endsWith("/one") ? Promise.reject(new Error("EACCES")) : files.entries(folder),
  }));
  await bench.write("sessions/4.jsonl", header("", "nowhere"));
  for (let time = 0; time < 2; time++) assertEquals(await bench.ids(), ["nowhere"]);
  assertEquals(bench.warnings.length, 1);
});

Deno.test("catalogue: a session shows name, first and last message, counts, cost and model", async () => {
  await using bench = await CatalogueBench.make();
  const usage = { cost: { total: 0.25 } };
  const answer = (text: string) =>
    message("assistant", [{ type: "text", text }], { usage, provider: "p", model: "m" });
  const name = (name: string): string => `${JSON.stringify({ type: "session_info", name })}\n`;
  const lines = [message("user", "Hello"), answer("one"), name("old"), message("user", [{ type: "image" }])];
  const path = await bench.write(
    "sessions/one/1.jsonl",
    [header(`${bench.top}/root`), ...lines, answer("two"), name(" new ")].join(""),
  );
  const modifiedAt = new Date(1_700_000_000_000).toISOString();
  assertEquals(await bench.sessions(), [{
    sessionId: "id-1",
    sessionName: "new",
    sessionFile: path,
    sessionPath: path,
    cwd: `${bench.top}/root`,
    createdAt: "2025-01-02T03:04:05.000Z",
    modifiedAt,
    messageCount: 4,
    firstMessage: "Hello",
    lastMessage: "two",
    costUsd: 0.5,
    model: { provider: "p", id: "m" },
  }]);
});

Deno.test("catalogue: each order, and text in name, first message or folder, in any case", async () => {
  await using bench = await CatalogueBench.make();
  const { top } = bench;
  const session = async (id: string, created: number, name: string | undefined, cost: number, at: number) => {
    const head = header(`${top}/root`, id).replace("2025-01-02", `2025-01-0${created}`);
    const spent = message("assistant", "x", { usage: { cost: { total: cost } } });
    const named = name === undefined ? "" : `${JSON.stringify({ type: "session_info", name })}\n`;
    await bench.write(`sessions/one/${id}.jsonl`, head + message("user", `About ${id}`) + spent + named, at);
  };
  await session("a", 1, "Zoo", 0, 1_700_000_003);
  await session("b", 2, undefined, 2, 1_700_000_001);
  await session("c", 3, "apes", 1, 1_700_000_002);
  const orders = { activity: "a c b", created: "c b a", name: "c a b", cost: "b c a" } as const;
  for (const sort of ["activity", "created", "name", "cost"] as const) {
    await bench.sessions();
    assertEquals((await bench.ids({ sort }) as string[]).join(" "), orders[sort], sort);
  }
  for (
    const [text, found] of [["zoo", ["a"]], ["about b", ["b"]], ["/root", ["a", "c", "b"]], [
      "no",
      [],
    ]] as const
  ) {
    assertEquals(await bench.ids({ text }), [...found], text);
  }
  bench.catalogue.visibility.archived.add(`${top}/sessions/one/c.jsonl`);
  assertEquals([await bench.ids({ archived: true }), await bench.ids({ archived: false })], [["c"], [
    "a",
    "b",
  ]]);
});

Deno.test("catalogue: a page is bounded in bytes, and the next one goes on", async () => {
  await using bench = await CatalogueBench.make();
  for (const n of [1, 2, 3]) {
    const text = header(`${bench.top}/root`, `s${n}`) + message("user", "x".repeat(900));
    await bench.write(`sessions/one/${n}.jsonl`, text, 1_700_000_000 - n);
  }
  const found: unknown[] = [];
  let from: ListPlace | undefined;
  do {
    const page = await bench.page(from ?? {}, { maxBytes: 3_000 });
    assert(typeof page !== "string" && page.sessions.length === 1);
    found.push(page.sessions[0]?.sessionId);
    from = page.next;
  } while (from !== undefined);
  assertEquals(found, ["s1", "s2", "s3"]);
});

Deno.test("catalogue: paging while files come, change and go gives each session that stayed exactly once", async () => {
  const change = fc.record({
    id: fc.integer({ min: 0, max: 25 }).map((n) => `s${n}`),
    what: fc.constantFrom("create", "rename", "delete"),
    name: fc.string({ maxLength: 3 }),
    at: fc.integer({ min: 1_700_000_000, max: 1_700_001_000 }),
  });
  const step = fc.record({
    changes: fc.array(change, { maxLength: 5 }),
    limit: fc.integer({ min: 1, max: 4 }),
  });
  const sort = fc.constantFrom("activity", "created", "name", "cost");
  const steps = fc.array(step, { minLength: 20, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(sort, steps, async (sort, steps) => {
      await using bench = await CatalogueBench.make();
      const write = (id: string, name: string, at: number): Promise<string> => {
        const named = `${JSON.stringify({ type: "session_info", name })}\n`;
        const cost = message("assistant", "x", { usage: { cost: { total: at % 7 } } });
        return bench.write(`sessions/one/${id}.jsonl`, header(`${bench.top}/root`, id) + cost + named, at);
      };
      const present = new Set<string>();
      for (let n = 0; n < 12; n++) {
        present.add(`s${n}`);
        await write(`s${n}`, `n${n}`, 1_700_000_000 + n);
      }
      await bench.sessions();
      const stayed = new Set(present);
      const seen: string[] = [];
      let from: ListPlace | undefined;
      for (const { changes, limit } of steps) {
        const page = await bench.page(from ?? { sort }, { limit, exact: false });
        assert(typeof page !== "string");
        seen.push(...page.sessions.map(({ sessionId }) => sessionId));
        from = page.next;
        if (from === undefined) break;
        for (const { id, what, name, at } of changes) {
          const file = `${bench.top}/sessions/one/${id}.jsonl`;
          if (what === "delete") {
            if (!present.delete(id)) continue;
            stayed.delete(id);
            await Deno.remove(file);
          } else if (present.has(id) || what === "create") {
            present.add(id);
            await write(id, name, at);
          }
        }
        await bench.catalogue.index.look();
      }
      assertEquals(from, undefined, "the list has an end");
      assertEquals(new Set(seen).size, seen.length, "none comes twice");
      for (const one of stayed) assert(seen.includes(one), `${one} was missed: ${seen}`);
    }),
    { numRuns: 20 },
  );
});
