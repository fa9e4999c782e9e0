// The builder's list of stored sessions: which folders are looked at, whose sessions are shown, what is live.
import { assertEquals } from "@std/assert";
import { BuilderBench, header } from "./session_builder_fixture.ts";

/** Ids of what is listed, `!` and the live session behind those that are live; or the code. */
async function listed(bench: BuilderBench, fields: { cwd?: string; limit?: number } = {}): Promise<unknown> {
  const outcome = await bench.builder.listStored({ type: "list_stored_sessions", ...fields });
  if (!outcome.ok) return outcome.failure.code;
  return outcome.value.sessions.map(({ sessionId, liveSessionId }) =>
    liveSessionId === undefined ? sessionId : `${sessionId}!${liveSessionId}`
  );
}

/** A bench with sessions `sub`, `root`, `elsewhere` and `nowhere`, newest first. */
async function filled(): Promise<BuilderBench> {
  const bench = await BuilderBench.make();
  const { top } = bench;
  await bench.write("sessions/one/1.jsonl", header(`${top}/root/sub`, "sub"), 1_700_000_004);
  await bench.write("sessions/one/2.jsonl", header(`${top}/root`, "root"), 1_700_000_003);
  await bench.write("sessions/3.jsonl", header(`${top}/outside`, "elsewhere"), 1_700_000_002);
  await bench.write("sessions/4.jsonl", header("", "nowhere"), 1_700_000_001);
  await bench.write("root/5.jsonl", header(`${top}/root`, "not-in-a-session-folder"));
  return bench;
}

Deno.test("stored sessions: those of allowed folders are listed, newest first, up to the limit", async () => {
  await using bench = await filled();
  assertEquals(await listed(bench), ["sub", "root", "nowhere"]);
  assertEquals(await listed(bench, { limit: 2 }), ["sub", "root"]);
});

Deno.test("stored sessions: a folder picks its own, however it is written; none is an empty list", async () => {
  await using bench = await filled();
  await Deno.symlink(`${bench.top}/root/sub`, `${bench.top}/root/alias`);
  for (const cwd of ["sub", `${bench.top}/root/sub`, "./alias", "sub/../sub/"]) {
    assertEquals(await listed(bench, { cwd }), ["sub"], cwd);
  }
  assertEquals(await listed(bench, { cwd: "." }), ["root", "nowhere"]);
  assertEquals(await listed(bench, { cwd: "gone" }), [], "it may be gone, and its sessions are still wanted");
});

Deno.test("stored sessions: a folder outside the roots is forbidden", async () => {
  await using bench = await filled();
  for (const cwd of ["../outside", "/", "/etc"]) assertEquals(await listed(bench, { cwd }), "path_forbidden");
});

Deno.test("stored sessions: those of a folder that is gone are listed", async () => {
  await using bench = await filled();
  await Deno.remove(`${bench.top}/root/sub`);
  assertEquals(await listed(bench), ["sub", "root", "nowhere"]);
});

Deno.test("stored sessions: what is live says by whom", async () => {
  await using bench = await filled();
  bench.learn(`${bench.top}/sessions/one/2.jsonl`, "a");
  assertEquals(await listed(bench), ["sub", "root!a", "nowhere"]);
});

Deno.test("stored sessions: what is live says so in a session folder that is reached by a link, too", async () => {
  await using bench = await filled();
  const { top } = bench;
  await Deno.rename(`${top}/sessions`, `${top}/root/moved`);
  await Deno.symlink(`${top}/root/moved`, `${top}/sessions`);
  // Claims are made under canonical paths.
  bench.learn(await bench.builder.canonical(`${top}/sessions/one/2.jsonl`), "a");
  assertEquals(await listed(bench), ["sub", "root!a", "nowhere"]);
});

Deno.test("stored sessions: no link leads a list out of the roots, or into the state folder", async () => {
  await using bench = await BuilderBench.make((top) => ({
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
  assertEquals((await listed(bench) as string[]).toSorted(), ["linked", "own"]);
});
