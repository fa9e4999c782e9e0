// Edits of files at rest: a name as pi writes it, the trash, and refusals that leave the file as it is.
import { assert, assertEquals } from "@std/assert";
import { CatalogueBench, header, message } from "./catalogue_bench.ts";

const FILE = "sessions/one/1.jsonl";

async function withOne(text = message("user", "hi")): Promise<[CatalogueBench, string]> {
  const bench = await CatalogueBench.make();
  return [bench, await bench.write(FILE, header(`${bench.top}/root`) + text)];
}

const codeOf = (answer: Awaited<ReturnType<CatalogueBench["ask"]>>): unknown =>
  answer.ok === false ? answer.failure.code : answer.ok;

Deno.test("edits: a name is one more entry behind the last one, and is in the list at once", async () => {
  const [made, file] = await withOne();
  await using bench = made;
  const [last] = (await Deno.readTextFile(file)).trim().split("\n").slice(-1);
  const answer = await bench.ask({ type: "rename", file, name: "A name" });
  assert(answer.ok === true);
  assertEquals(JSON.parse(answer.dataText).session.sessionName, "A name");
  const [entry] = (await Deno.readTextFile(file)).trim().split("\n").slice(-1).map((line) =>
    JSON.parse(line)
  );
  assertEquals([entry.type, entry.name, entry.parentId], [
    "session_info",
    "A name",
    JSON.parse(last ?? "").id,
  ]);
  assertEquals((await bench.sessions()).map(({ sessionName }) => sessionName), ["A name"]);
});

Deno.test("edits: a torn, an old and a newer file get no name, and stay as they are", async () => {
  const torn = '{"type":"message","id":';
  const newer = `${JSON.stringify({ type: "context_edit", id: "e", parentId: null })}\n`;
  for (
    const [text, code] of [[torn, "session_file_damaged"], ["", "session_file_damaged"], [
      newer,
      "session_file_newer",
    ]]
  ) {
    const [made, file] = await withOne(text);
    await using bench = made;
    const before = await Deno.readTextFile(file);
    assertEquals(codeOf(await bench.ask({ type: "rename", file, name: "n" })), code);
    assertEquals(await Deno.readTextFile(file), before);
  }
});

Deno.test("edits: a deleted file goes to the trash beside it, over no other file, and out of the list", async () => {
  const [made, file] = await withOne();
  await using bench = made;
  const trash = `${bench.top}/sessions/one/trash`;
  await bench.sessions();
  for (let time = 0; time < 2; time++) {
    const answer = await bench.ask({ type: "remove", file, permanent: false });
    assert(answer.ok === true);
    const { trashFile } = JSON.parse(answer.dataText);
    assert(time === 0 ? trashFile === `${trash}/1.jsonl` : trashFile.startsWith(`${trash}/1.jsonl.`));
    assert((await Deno.readTextFile(trashFile)).includes("id-1"));
    assertEquals(await bench.ids(), []);
    await bench.write(FILE, header(`${bench.top}/root`));
  }
  assertEquals(((await Deno.stat(trash)).mode ?? 0) & 0o777, 0o700);
  // A file in pi's own folder has its trash there, and lists leave that out.
  const top = await bench.write("sessions/2.jsonl", header(`${bench.top}/root`, "two"));
  await bench.ask({ type: "remove", file: top, permanent: false });
  assertEquals(await bench.ids(), ["id-1"]);
});

Deno.test("edits: a file is removed for good when that is asked for, and a link in place of the trash is refused", async () => {
  const [made, file] = await withOne();
  await using bench = made;
  await Deno.symlink(`${bench.top}/outside`, `${bench.top}/sessions/one/trash`);
  assertEquals(codeOf(await bench.ask({ type: "remove", file, permanent: false })), "internal");
  assertEquals(codeOf(await bench.ask({ type: "remove", file, permanent: true })), true);
  assertEquals((await Array.fromAsync(Deno.readDir(`${bench.top}/outside`))).length, 0);
  assertEquals(
    codeOf(await bench.ask({ type: "remove", file, permanent: true })),
    true,
    "it is gone already",
  );
});

Deno.test("edits: only stored sessions that a list shows can be named", async () => {
  const [made, file] = await withOne();
  await using bench = made;
  const { top } = bench;
  await bench.write("root/5.jsonl", header(`${top}/root`, "elsewhere"));
  await bench.write("sessions/one/3.jsonl", header(`${top}/outside`, "foreign"));
  await bench.write("sessions/one/4.jsonl", "text\n");
  const named = async (path: string): Promise<unknown> => codeOf(await bench.ask({ type: "identify", path }));
  assertEquals(await named(file), true);
  assertEquals(await named("../sessions/one/1.jsonl"), true);
  assertEquals(await named(`${top}/root/5.jsonl`), "path_not_found");
  assertEquals(await named(`${top}/sessions/one/3.jsonl`), "path_not_found");
  assertEquals(await named(`${top}/sessions/one/4.jsonl`), "not_a_session_file");
  assertEquals(await named("/etc/passwd"), "path_forbidden");
});
