// The builder: what is checked before pi sees a folder or a file, which file belongs to whom, how many sessions
// are built at once, and what becomes of those that take too long.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { specOf } from "../../src/protocol/schema/commands.ts";
import { turn } from "../support/base/fake_clock.ts";
import { BuilderBench, header } from "./support/session_builder_fixture.ts";
import { FakeAgent } from "./session/fake_agent.ts";
import { at } from "./support/fakes.ts";

const CREATE = { type: "create_session", sessionId: "a" } as const;
const BUILD_MS = specOf("load_session").timeoutMs;

/** A load under the id `a`. */
function load(sessionPath: string, sessionId = "a") {
  return { type: "load_session", sessionId, sessionPath } as const;
}

Deno.test("builder: four sessions are built at once, the next when one is built, fails or throws", async () => {
  await using bench = await BuilderBench.make();
  const outcomes = ["1", "2", "3", "4", "5", "6", "7"].map((name) =>
    bench.build({ ...CREATE, sessionName: name })
  );
  await bench.asked(4);
  for (let turns = 0; turns < 50; turns++) await turn();
  const names = (): string[] => bench.requests.map(({ sessionName }) => sessionName ?? "").toSorted();
  assertEquals(names(), ["1", "2", "3", "4"]);
  at(bench.builds, 1).resolve({ ok: true, value: new FakeAgent() });
  await bench.asked(5);
  at(bench.builds, 0).resolve({ ok: false, failure: { code: "model_not_found", message: "m" } });
  await bench.asked(6);
  at(bench.builds, 2).reject(new Error("disk full"));
  await bench.asked(7);
  assertEquals(bench.requests.slice(4).map(({ sessionName }) => sessionName), ["5", "6", "7"], "in order");
  for (const index of [3, 4, 5, 6]) at(bench.builds, index).resolve({ ok: true, value: new FakeAgent() });
  const codes = (await Promise.all(outcomes)).map((one) => one.ok ? "ok" : one.failure.code);
  assertEquals(codes.toSorted(), ["agent_error", "model_not_found", "ok", "ok", "ok", "ok", "ok"]);
  assertEquals([bench.clock.pending, bench.strays], [0, []]);
  assertStringIncludes(bench.logs.join(), "disk full");
});

Deno.test("builder: a refused command frees its place among the four", async () => {
  await using bench = await BuilderBench.make();
  for (let time = 0; time < 6; time++) {
    assertEquals((await bench.refusal({ ...CREATE, cwd: "nope" }))[0], "path_not_found");
  }
  void bench.build(CREATE);
  await bench.asked(1);
});

Deno.test("builder: the time of a build starts with it, and what comes too late is disposed", async () => {
  await using bench = await BuilderBench.make();
  const outcomes = [1, 2, 3, 4, 5].map(() => bench.build(CREATE));
  await bench.asked(4);
  await bench.clock.advance(BUILD_MS - 1);
  assertEquals([bench.requests.length, bench.clock.pending], [4, 4], "the fifth has not started");
  await bench.clock.advance(1);
  const codes = (await Promise.all(outcomes.slice(0, 4))).map((one) => one.ok ? "ok" : one.failure.code);
  assertEquals(codes, Array(4).fill("timeout"));
  const [late, failed] = [new FakeAgent(), new Error("too late as well")];
  at(bench.builds, 0).resolve({ ok: true, value: late });
  at(bench.builds, 1).reject(failed);
  at(bench.builds, 2).resolve({ ok: false, failure: { code: "no_model", message: "m" } });
  await turn();
  assertEquals([bench.strays.length, bench.strays[0] === late], [1, true]);
  await bench.asked(5);
  const timely = new FakeAgent();
  at(bench.builds, 4).resolve({ ok: true, value: timely });
  assertEquals(await outcomes[4], { ok: true, value: timely });
  assertEquals([bench.strays.length, bench.clock.pending], [1, 0]);
});

Deno.test("builder: a create passes on exactly the fields that the client sent", async () => {
  await using bench = await BuilderBench.make();
  void bench.build(CREATE);
  await bench.asked(1);
  const more = { sessionName: "n", provider: "p", modelId: "m", thinkingLevel: "low", tools: ["bash"] };
  void bench.build({ ...CREATE, ...more, inMemory: true, trustProject: true, cwd: "sub" });
  await bench.asked(2);
  const { top } = bench;
  const model = { provider: "p", id: "m" };
  assertEquals(bench.requests, [
    { cwd: `${top}/root`, inMemory: false, trusted: false },
    {
      cwd: `${top}/root/sub`,
      inMemory: true,
      trusted: true,
      sessionName: "n",
      model,
      thinkingLevel: "low",
      tools: ["bash"],
    },
  ]);
  assertEquals(bench.sent, [], "a new session has no file to claim yet");
});

Deno.test("builder: provider and modelId go together", async () => {
  await using bench = await BuilderBench.make();
  for (const half of [{ provider: "p" }, { modelId: "m" }]) {
    const [code, sentence] = await bench.refusal({ ...CREATE, ...half });
    assertEquals(code, "invalid_params");
    for (const word of ["provider", "modelId"]) assertStringIncludes(sentence, word);
  }
  assertEquals(bench.requests, []);
});

Deno.test("builder: a create outside the roots is forbidden, unless it named no folder and there is a root", async () => {
  await using bench = await BuilderBench.make((top) => ({
    cwd: `${top}/outside`,
    roots: [`${top}/root`, `${top}/sessions`],
  }));
  void bench.build(CREATE);
  await bench.asked(1);
  assertEquals(at(bench.requests, 0).cwd, `${bench.top}/root`);
  for (const cwd of [".", `${bench.top}/outside`, "../outside", "/etc"]) {
    assertEquals((await bench.refusal({ ...CREATE, cwd }))[0], "path_forbidden", cwd);
  }
});

Deno.test("builder: without roots the server's folder and pi's session folders are the roots", async () => {
  await using bench = await BuilderBench.make(() => ({}));
  for (const cwd of [".", "sub", "../sessions/one"]) void bench.build({ ...CREATE, cwd });
  await bench.asked(3);
  assertEquals((await bench.refusal({ ...CREATE, cwd: "../outside" }))[0], "path_forbidden");
});

Deno.test("builder: a load claims the file by its canonical path, repairs it and goes on with it", async () => {
  await using bench = await BuilderBench.make();
  const { top } = bench;
  const path = await bench.write("sessions/one/s.jsonl", `${header(`${top}/root/sub`)}{"torn`);
  await Deno.symlink(path, `${top}/root/alias`);
  void bench.build(load("alias"));
  await bench.asked(1);
  const request = { sessionFile: path, cwd: `${top}/root/sub`, inMemory: false, trusted: false };
  const copy = `${path}.damaged`;
  const message = "line 2 is not JSON";
  const repair = { file: path, copy, lostLines: 1, lines: [2], rejoined: 0, message };
  assertEquals(bench.requests, [{ ...request, repair }]);
  assertEquals(bench.sent, [{ kind: "claim_file", ref: 1, sessionId: "a", file: path }]);
  const head = header(`${top}/root/sub`);
  assertEquals([Deno.readTextFileSync(path), Deno.readTextFileSync(copy)], [head, `${head}{"torn`]);
  assertStringIncludes(bench.logs.join(), message);
});

Deno.test("builder: a session whose header names no folder runs in the server's", async () => {
  await using bench = await BuilderBench.make();
  await bench.write("root/s.jsonl", header(""));
  void bench.build(load("s.jsonl"));
  await bench.asked(1);
  assertEquals(at(bench.requests, 0).cwd, `${bench.top}/root`);
});

Deno.test("builder: a load of what is missing, outside, or no session is refused, and the file left alone", async () => {
  await using bench = await BuilderBench.make();
  const { top } = bench;
  await bench.write("root/notes.txt", "notes");
  await bench.write("root/empty.jsonl", "");
  await bench.write("outside/s.jsonl", header(`${top}/root`));
  await Deno.symlink(`${top}/outside/s.jsonl`, `${top}/root/out`);
  const cases = [
    ["nope.jsonl", "path_not_found"],
    ["sub", "path_not_found"],
    ["~/s.jsonl", "path_not_found"],
    ["notes.txt", "not_a_session_file"],
    ["empty.jsonl", "not_a_session_file"],
    ["../outside/s.jsonl", "path_forbidden"],
    ["../outside/nope.jsonl", "path_forbidden"],
    ["out", "path_forbidden"],
  ] as const;
  for (const [path, code] of cases) assertEquals((await bench.refusal(load(path)))[0], code, path);
  assertEquals([bench.requests, bench.sent], [[], []]);
  const texts = ["root/notes.txt", "root/empty.jsonl"].map((name) => Deno.readTextFileSync(`${top}/${name}`));
  assertEquals(texts, ["notes", ""]);
});

Deno.test("builder: a session whose folder is gone, or is outside the roots, is not loaded", async () => {
  await using bench = await BuilderBench.make();
  const { top } = bench;
  const cases = [[`${top}/root/gone`, "path_not_found"], [`${top}/outside`, "path_forbidden"]] as const;
  for (const [cwd, code] of cases) {
    const text = `${header(cwd)}{"torn`;
    await bench.write("root/s.jsonl", text);
    const [refused, sentence] = await bench.refusal(load("s.jsonl"));
    assertEquals(refused, code);
    assertStringIncludes(sentence, cwd);
    assertEquals(Deno.readTextFileSync(`${top}/root/s.jsonl`), text, "the file is as it was");
  }
  assertEquals([bench.requests, bench.sent], [[], []], "and no session claimed it");
});

Deno.test("builder: a file that another session drives is session_in_use, and left alone", async () => {
  await using bench = await BuilderBench.make();
  const text = `${header(bench.top + "/root")}{"torn`;
  const path = await bench.write("root/s.jsonl", text);
  bench.owners.set(path, "other");
  const outcome = await bench.build(load("s.jsonl"));
  assertEquals(outcome.ok ? undefined : [outcome.failure.code, outcome.failure.data], [
    "session_in_use",
    { sessionId: "other" },
  ]);
  assertEquals([bench.requests, Deno.readTextFileSync(path)], [[], text]);
  bench.owners.set(path, "a");
  void bench.build(load("s.jsonl"));
  await bench.asked(1);
});

Deno.test("builder: inspect tells the canonical path and the header, or why not", async () => {
  await using bench = await BuilderBench.make();
  const path = await bench.write("sessions/one/s.jsonl", header("/anywhere", "the-id"));
  await Deno.symlink(path, `${bench.top}/root/alias`);
  const found = await bench.builder.inspect("alias");
  assertEquals(found.ok ? [found.value.path, found.value.header.id] : found.failure.code, [path, "the-id"]);
  const code = async (name: string): Promise<string> => {
    const outcome = await bench.builder.inspect(name);
    return outcome.ok ? "ok" : outcome.failure.code;
  };
  assertEquals([await code("nope"), await code("/etc/passwd")], ["path_not_found", "path_forbidden"]);
});

Deno.test("builder: pi's own path of a file becomes canonical, also before the file exists", async () => {
  await using bench = await BuilderBench.make();
  const { top } = bench;
  await Deno.symlink(`${top}/sessions`, `${top}/root/link`);
  assertEquals(
    await bench.builder.canonical(`${top}/root/link/one/new.jsonl`),
    `${top}/sessions/one/new.jsonl`,
  );
  assertEquals(await bench.builder.canonical(`${top}/root/s.jsonl`), `${top}/root/s.jsonl`);
  assertEquals(await bench.builder.canonical(`${top}/nope/s.jsonl`), `${top}/nope/s.jsonl`);
});
