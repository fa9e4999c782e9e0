// The index: never older than the file, read again in part where possible, private, and harmless to lose.
import { assert, assertEquals } from "@std/assert";
import { CatalogueBench, header, message } from "./catalogue_bench.ts";

const FILE = "sessions/one/1.jsonl";

async function withOne(): Promise<CatalogueBench> {
  const bench = await CatalogueBench.make();
  await bench.write(FILE, header(`${bench.top}/root`) + message("user", "first") + message("user", "second"));
  return bench;
}

/** Count, first and last message of the one session. */
async function only(bench: CatalogueBench): Promise<unknown> {
  const [session, ...more] = await bench.sessions();
  assertEquals(more, []);
  return [session?.messageCount, session?.firstMessage, session?.lastMessage];
}

Deno.test("index: a file that has not changed is read once, also after a restart", async () => {
  await using bench = await withOne();
  for (let time = 0; time < 2; time++) assertEquals(await only(bench), [2, "first", "second"]);
  assertEquals(bench.read, ["1.jsonl"]);
  await bench.restart();
  assertEquals([await only(bench), bench.read], [[2, "first", "second"], []]);
});

Deno.test("index: what was appended is in the next answer, and only that is read", async () => {
  await using bench = await withOne();
  await only(bench);
  const path = `${bench.top}/${FILE}`;
  const { size } = await Deno.stat(path);
  await Deno.writeTextFile(path, message("user", "third"), { append: true });
  await Deno.utime(path, 1_700_000_001, 1_700_000_001);
  assertEquals(await only(bench), [3, "first", "third"]);
  assertEquals(bench.read, ["1.jsonl", `1.jsonl@${size - 32}`]);
  await bench.restart(async () => {
    await Deno.writeTextFile(path, message("user", "fourth"), { append: true });
    await Deno.utime(path, 1_700_000_002, 1_700_000_002);
  });
  assertEquals(await only(bench), [4, "first", "fourth"]);
});

Deno.test("index: a line that was not whole is read as a whole later", async () => {
  await using bench = await withOne();
  const path = `${bench.top}/${FILE}`;
  const [begin, end] = ['{"type":"message","message":{"role":"user",', '"content":"third"}}\n'];
  await Deno.writeTextFile(path, begin, { append: true });
  assertEquals(await only(bench), [2, "first", "second"]);
  await Deno.writeTextFile(path, end, { append: true });
  assertEquals(await only(bench), [3, "first", "third"]);
});

Deno.test("index: a file that was rewritten is read as a whole, whatever its size and time", async () => {
  await using bench = await withOne();
  await only(bench);
  const path = `${bench.top}/${FILE}`;
  const size = (await Deno.stat(path)).size;
  // Longer, and with another beginning.
  await bench.write(
    FILE,
    header(`${bench.top}/root`) + message("user", "x".repeat(800)) + message("user", "y"),
  );
  assert(size < 800);
  assertEquals(await only(bench), [2, "x".repeat(800), "y"]);
  // The same size and time, in another file.
  const text = await Deno.readTextFile(path);
  await bench.write("other", text.replaceAll("xx", "zz"));
  await Deno.rename(`${bench.top}/other`, path);
  assertEquals(await only(bench), [2, "z".repeat(800), "y"]);
  // The same size in the same moment.
  await Deno.writeTextFile(path, text);
  await bench.sessions();
  await Deno.writeTextFile(path, text.replace('"y"', '"z"'));
  assertEquals((await only(bench) as unknown[])[2], "z");
});

Deno.test("index: a damaged, foreign or deleted index is made again", async () => {
  await using bench = await withOne();
  await only(bench);
  for (
    const spoil of [
      (path: string) => Deno.remove(path),
      (path: string) => Deno.writeTextFile(path, '{"format":1,"engine":"0.73","rows":[{"path":7}'),
      (path: string) => Deno.writeTextFile(path, '{"format":1,"engine":"0.73","rows":[{"path":7},null,[]]}'),
      (path: string) => Deno.writeTextFile(path, '{"format":1,"engine":"1.6","rows":[]}'),
      (path: string) => Deno.writeTextFile(path, '{"format":9}'),
      async (path: string) => {
        await Deno.remove(path);
        await Deno.symlink("/etc/passwd", path);
      },
    ]
  ) {
    await bench.restart(async () => {
      for await (const { name } of Deno.readDir(`${bench.top}/index`)) {
        await spoil(`${bench.top}/index/${name}`);
      }
    });
    assertEquals([await only(bench), bench.read], [[2, "first", "second"], ["1.jsonl"]]);
  }
});

Deno.test("index: its files are for the owner alone", async () => {
  await using bench = await withOne();
  await only(bench);
  await bench.restart();
  const modes: unknown[] = [];
  for await (const { name } of Deno.readDir(`${bench.top}/index`)) {
    modes.push(((await Deno.stat(`${bench.top}/index/${name}`)).mode ?? 0) & 0o777);
  }
  assertEquals(modes, [0o600]);
});

Deno.test("index: rows of files that are gone leave it", async () => {
  await using bench = await withOne();
  await only(bench);
  await bench.restart(() => Deno.remove(`${bench.top}/${FILE}`));
  assertEquals(await bench.ids(), []);
  await bench.restart();
  for await (const { name } of Deno.readDir(`${bench.top}/index`)) {
    assert(!(await Deno.readTextFile(`${bench.top}/index/${name}`)).includes("first"));
  }
});

Deno.test("index: the background reads the rest, and says how far it is", async () => {
  await using bench = await CatalogueBench.make();
  for (let n = 0; n < 40; n++) {
    await bench.write(`sessions/one/${n}.jsonl`, header(`${bench.top}/root`, `s${n}`));
  }
  const page = await bench.page({}, { limit: 1, exact: false });
  assert(typeof page !== "string");
  assertEquals(page.index.files, 40);
  while (bench.catalogue.index.progress.indexed < 40) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(bench.read.length, 40, "each file is read once");
});

Deno.test("index: a very long line is counted, and not kept", async () => {
  await using bench = await CatalogueBench.make();
  const image = message("user", [{ type: "image", data: "x".repeat(2_000_000) }]);
  await bench.write(FILE, header(`${bench.top}/root`) + image + message("user", "behind it"));
  assertEquals(await only(bench), [2, "behind it", "behind it"]);
});
