// The builder brings parked sessions back: only a regular file at the real path that was kept is opened, and four
// files that would block their reader hold up nothing.
import { assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/ipc/session_record.ts";
import { recordOf } from "../server/manager/fakes.ts";
import { turn } from "../support/base/fake_clock.ts";
import { BuilderBench, header, HOOKS } from "./support/session_builder_fixture.ts";

/** A record of the session `a` that drives that file of the bench. */
function left(bench: BuilderBench, name: string, written = true): SessionRecord {
  const sessionFile = `${bench.top}/${name}`;
  const record = recordOf("a", { cwd: `${bench.top}/root`, sessionFile });
  return { ...record, kept: { ...record.kept, written }, file: sessionFile, inMemory: false };
}

async function code(bench: BuilderBench, record: SessionRecord): Promise<string> {
  const asked = bench.requests.length;
  let refused: string | undefined;
  void bench.builder.resume(record, HOOKS).then((one) => refused = one.ok ? "built" : one.failure.code);
  while (refused === undefined && bench.requests.length === asked) await turn();
  return refused ?? "built";
}

Deno.test("resume: a file whose place a link, a folder or a pipe has taken is refused and stays as it is", async () => {
  await using bench = await BuilderBench.make();
  const { top } = bench;
  const text = `${header(`${top}/root`)}{"torn`;
  const outside = await bench.write("outside/s.jsonl", text);
  const other = await bench.write("sessions/other.jsonl", text);
  await Deno.symlink(outside, `${top}/sessions/out.jsonl`);
  await Deno.symlink(other, `${top}/sessions/second.jsonl`);
  await Deno.symlink(`${top}/outside/none.jsonl`, `${top}/sessions/dangling.jsonl`);
  await Deno.symlink(`${top}/outside`, `${top}/sessions/two`);
  await Deno.mkdir(`${top}/sessions/folder.jsonl`);
  await new Deno.Command("mkfifo", { args: [`${top}/sessions/pipe.jsonl`] }).output();
  const names = ["out", "second", "dangling", "two/s", "two/none", "folder", "pipe"];
  for (const name of names) {
    for (const written of [true, false]) {
      assertEquals(await code(bench, left(bench, `sessions/${name}.jsonl`, written)), "path_forbidden", name);
    }
  }
  assertEquals([bench.requests, bench.sent], [[], []], "nothing was claimed");
  assertEquals([Deno.readTextFileSync(outside), Deno.readTextFileSync(other)], [text, text]);
});

Deno.test("resume: the file is claimed by its real path and opened where it was, also behind a linked folder", async () => {
  await using bench = await BuilderBench.make();
  const { top } = bench;
  const real = await bench.write("sessions/one/s.jsonl", header(`${top}/root`));
  await Deno.symlink(`${top}/sessions`, `${top}/root/link`);
  const record = { ...left(bench, "root/link/one/s.jsonl"), file: real };
  assertEquals(await code(bench, record), "built");
  assertEquals(bench.sent.map((message) => message.kind === "claim_file" ? message.file : message.kind), [
    real,
  ]);
  assertEquals(bench.requests.map(({ sessionFile }) => sessionFile), [`${top}/root/link/one/s.jsonl`]);
  bench.owners.set(real, "b");
  assertEquals(await code(bench, record), "session_in_use");
  await Deno.remove(real);
  bench.owners.clear();
  assertEquals(await code(bench, record), "path_not_found");
  assertEquals(await code(bench, { ...record, kept: { ...record.kept, written: false } }), "built");
});
