// A worker with a fake factory: what waits for pi, how sessions are built and how many at once, what fails and
// what is left of it, and the questions of a shutdown.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { FromWorker } from "../../src/ipc/messages.ts";
import { SessionWorker } from "../../src/worker/session_worker.ts";
import { specOf } from "../../src/protocol/schema/commands.ts";
import { FakeClock, turn } from "../support/base/fake_clock.ts";
import { FakeAgent } from "./session/fake_agent.ts";
import { fakeRuntime } from "./support/fake_runtime.ts";
import { at, NOBODY } from "./support/fakes.ts";
import { CONFIG, WorkerBench as Bench } from "./support/session_worker_fixture.ts";

const BUILD_MS = specOf("create_session").timeoutMs;

Deno.test("worker: what comes before pi is loaded waits for it, in order", async () => {
  const bench = new Bench();
  const refs = [bench.create("a"), bench.command("a", { type: "get_state" })];
  const attach = bench.ask((ref) => ({ kind: "get_states", ref, snapshots: [] }));
  await turn();
  assertEquals(bench.posted, [{ kind: "load_begun" }], "before the step in which it answers nothing");
  bench.load();
  await turn();
  assertEquals(bench.posted.map(({ kind }) => kind), [
    "load_begun",
    "load_ended",
    "states",
    "model_report",
  ]);
  assertEquals(bench.of("states", attach).map(({ sessions }) => sessions), [[]]);
  at(bench.builds, 0).resolve({ ok: true, value: new FakeAgent() });
  await turn();
  for (const ref of refs) assertEquals(typeof await bench.answer(ref), "object");
});

Deno.test("worker: a ping is answered with the time, also while pi is being loaded", async () => {
  const bench = new Bench();
  bench.create("a");
  const ref = bench.ask((ref) => ({ kind: "ping", ref }));
  await turn();
  assertEquals(bench.of("pong"), [{ kind: "pong", ref, at: bench.clock.now(), bytes: 1000 }]);
});

Deno.test("worker: when pi cannot be loaded, every create says why and nothing is left", async () => {
  const bench = new Bench();
  const early = bench.create("a");
  bench.loading.reject(new Error("no such package"));
  await turn();
  const late = bench.create("a");
  assertEquals([await bench.answer(early), await bench.answer(late)], ["internal", "internal"]);
  const [reply] = bench.of("reply", late);
  assertStringIncludes(JSON.stringify(reply), "no such package");
  assertEquals(await bench.answer(bench.command("a", { type: "get_state" })), "session_not_found");
  assertEquals(bench.of("log").map(({ level }) => level), ["error"]);
  assertEquals(bench.of("load_ended").length, 1, "its turn to load is over");
  assertEquals(bench.clock.pending, 0);
});

Deno.test("worker: create answers once pi's runtime is built, before session_start is through", async () => {
  const bench = await Bench.loaded();
  const ref = bench.create("a", { sessionName: "n", provider: "p", modelId: "m", inMemory: true, cwd: "x" });
  await turn();
  const model = { provider: "p", id: "m" };
  const request = { cwd: "/work/x", inMemory: true, trusted: false, sessionName: "n", model };
  assertEquals(bench.requests, [request]);
  assertEquals(await bench.answer(ref), undefined);
  at(bench.builds, 0).resolve({ ok: true, value: new FakeAgent() });
  const data = await bench.answer(ref);
  assert(typeof data === "object" && data !== null);
  const info = Reflect.get(data, "sessionInfo");
  assertEquals([Reflect.get(data, "sessionId"), info.status, info.sessionVersion, info.seq], [
    "a",
    "live",
    0,
    0,
  ]);
});

Deno.test("worker: provider and modelId go together, and a refused create builds nothing", async () => {
  const bench = await Bench.loaded();
  assertEquals(await bench.answer(bench.create("a", { provider: "p" })), "invalid_params");
  assertEquals(await bench.answer(bench.create("a", { modelId: "m" })), "invalid_params");
  assertEquals(bench.requests, []);
});

Deno.test("worker: a folder outside the roots builds nothing; the default is the first root if need be", async () => {
  const bench = await Bench.loaded({ ...CONFIG, roots: ["/root", "/other"] });
  assertEquals(await bench.answer(bench.create("a", { cwd: "/etc" })), "path_forbidden");
  bench.create("b");
  bench.create("c", { cwd: "/other/x" });
  await turn();
  assertEquals(bench.requests.map(({ cwd }) => cwd).toSorted(), ["/other/x", "/root"]);
});

Deno.test("worker: a folder is trusted when the command or the configuration says so", async () => {
  for (
    const [trustProjects, trustProject, trusted] of [
      [false, undefined, false],
      [true, undefined, true],
      [false, true, true],
      [true, false, false],
    ]
  ) {
    const bench = await Bench.loaded({ ...CONFIG, trustProjects: trustProjects === true });
    bench.create("a", trustProject === undefined ? {} : { trustProject });
    await turn();
    assertEquals(bench.requests.map((request) => request.trusted), [trusted === true]);
  }
});

Deno.test("worker: a create that fails leaves no session, and the id can be tried again", async () => {
  const bench = await Bench.loaded();
  const failed = bench.create("a");
  const waited = bench.command("a", { type: "get_state" });
  await turn();
  at(bench.builds, 0).resolve({ ok: false, failure: { code: "model_not_found", message: "m" } });
  assertEquals([await bench.answer(failed), await bench.answer(waited)], [
    "model_not_found",
    "session_not_found",
  ]);
  const thrown = bench.create("a");
  await turn();
  at(bench.builds, 1).reject(new Error("disk full"));
  assertEquals(await bench.answer(thrown), "agent_error");
  await bench.live("a");
  assertEquals(typeof await bench.answer(bench.command("a", { type: "get_state" })), "object");
});

Deno.test("worker: at most four sessions are built at once, the others in order of arrival", async () => {
  const bench = await Bench.loaded();
  const refs = ["a", "b", "c", "d", "e", "f"].map((id) => bench.create(id, { cwd: `/${id}` }));
  await turn();
  const cwds = (): string => bench.requests.map(({ cwd }) => cwd).join("");
  assertEquals(cwds(), "/a/b/c/d");
  at(bench.builds, 2).resolve({ ok: false, failure: { code: "internal", message: "m" } });
  await turn();
  assertEquals(cwds(), "/a/b/c/d/e", "a failed build makes room");
  at(bench.builds, 0).resolve({ ok: true, value: new FakeAgent() });
  await turn();
  assertEquals(cwds(), "/a/b/c/d/e/f", "and so does a good one");
  assertEquals([await bench.answer(at(refs, 2)), await bench.answer(at(refs, 5))], ["internal", undefined]);
});

Deno.test("worker: a build that hangs times out, makes room, and what it builds late is disposed", async () => {
  const bench = await Bench.loaded();
  const refs = ["a", "b", "c", "d", "e"].map((id) => bench.create(id));
  await bench.clock.advance(BUILD_MS - 1);
  assertEquals([await bench.answer(at(refs, 0)), bench.builds.length], [undefined, 4]);
  await bench.clock.advance(1);
  assertEquals([await bench.answer(at(refs, 0)), bench.builds.length], ["timeout", 5]);
  const agent = new FakeAgent();
  at(bench.builds, 0).resolve({ ok: true, value: agent });
  agent.disposing.resolve();
  await turn();
  assertEquals(agent.calls, ["dispose"]);
  assertEquals(await bench.answer(bench.command("a", { type: "get_state" })), "session_not_found");
});

Deno.test("worker: a session that is deleted is disposed, and its id is free at once", async () => {
  const bench = await Bench.loaded();
  const agent = await bench.live("a");
  assertEquals(await bench.answer(bench.command("a", { type: "delete_session" })), { deleted: true });
  assertEquals(agent.calls, ["start", "dispose"]);
  await bench.live("a");
  assertEquals(typeof await bench.answer(bench.command("a", { type: "get_state" })), "object");
  await bench.clock.advance(5_000);
  assertEquals(bench.clock.pending, 0, "a dispose that hangs is given up");
});

Deno.test("worker: sessions with names of JavaScript's own are sessions", async () => {
  const bench = await Bench.loaded();
  assertEquals(await bench.answer(bench.command("__proto__", { type: "get_state" })), "session_not_found");
  for (const id of ["__proto__", "constructor", "toString"]) await bench.live(id);
  const ref = bench.ask((one) => ({ kind: "get_states", ref: one, snapshots: [] }));
  await turn();
  const ids = bench.of("states", ref).flatMap(({ sessions }) => sessions.map(({ sessionId }) => sessionId));
  assertEquals(ids, ["__proto__", "constructor", "toString"]);
});

Deno.test("worker: attach tells the state at its point of the order, of live sessions alone", async () => {
  const bench = await Bench.loaded();
  await bench.live("a");
  bench.create("building");
  const all = bench.ask((ref) => ({ kind: "get_states", ref, snapshots: [] }));
  const one = bench.ask((ref) => ({ kind: "get_states", ref, snapshots: [], sessionIds: ["building"] }));
  const none = bench.ask((ref) => ({ kind: "get_states", ref, snapshots: [], sessionIds: ["nope"] }));
  await turn();
  const ids = (ref: number) =>
    bench.of("states", ref).map(({ sessions }) => sessions.map((s) => s.sessionId));
  assertEquals([ids(all), ids(one), ids(none)], [[["a"]], [], [[]]]);
  at(bench.builds, -1).resolve({ ok: true, value: new FakeAgent() });
  await turn();
  assertEquals(ids(one), [["building"]], "an attach to a session that is built waits for it");
  const [attached] = bench.of("states", one);
  const part = attached?.sessions[0];
  const info = JSON.parse(part?.infoText ?? "");
  assertEquals([part?.seq, part?.epoch, part?.pendingUi, info.sessionId], [0, info.epoch, [], "building"]);
});

Deno.test("worker: demand reaches its session, and one for a session that is gone is nothing", async () => {
  const bench = await Bench.loaded();
  await bench.live("a");
  bench.worker.receive({ kind: "subscribers", sessionId: "a", demand: { ...NOBODY, subscribers: 3 } });
  bench.worker.receive({ kind: "subscribers", sessionId: "gone", demand: NOBODY });
  const state = await bench.answer(bench.command("a", { type: "get_state" }));
  assertEquals(Reflect.get(Object(state), "subscribers"), 3);
});

Deno.test("worker: busy counts what runs or is built, and stops it only when asked to", async () => {
  const bench = await Bench.loaded();
  const [busy, idle] = [await bench.live("busy"), await bench.live("idle")];
  busy.isBusy = true;
  bench.create("building");
  const count = async (stop: boolean): Promise<unknown> => {
    const ref = bench.ask((one) => ({ kind: "count_busy", ref: one, stop }));
    await turn();
    return bench.of("busy_count", ref).map((one) => one.busy);
  };
  assertEquals([await count(false), busy.calls], [[2], ["start"]]);
  assertEquals(await count(true), [2]);
  assertEquals([busy.calls, idle.calls], [["start", "abort", "abortBash"], ["start"]]);
});

Deno.test("worker: when_idle answers at once if nothing runs, else when the last thing has ended", async () => {
  const bench = await Bench.loaded();
  const idle = (ref: number): number => bench.of("idle", ref).length;
  const nothing = bench.ask((ref) => ({ kind: "await_idle", ref }));
  await turn();
  assertEquals(idle(nothing), 1);
  const agent = await bench.live("a");
  const bash = bench.command("a", { type: "bash", command: "x" });
  const [all, mine, other] = [undefined, ["a"], ["b"]].map((sessionIds) =>
    bench.ask((ref) => ({ kind: "await_idle", ref, ...(sessionIds === undefined ? {} : { sessionIds }) }))
  );
  await turn();
  assertEquals([idle(all ?? 0), idle(mine ?? 0), idle(other ?? 0)], [0, 0, 1]);
  at(agent.bashes, 0).resolve({ ok: true, value: { output: "", cancelled: false, truncated: false } });
  assertEquals(typeof await bench.answer(bash), "object");
  assertEquals([idle(all ?? 0), idle(mine ?? 0)], [1, 1]);
});

Deno.test("worker: when_idle waits for what is being built, also if that fails", async () => {
  const bench = await Bench.loaded();
  bench.create("a");
  const ref = bench.ask((one) => ({ kind: "await_idle", ref: one }));
  await turn();
  assertEquals(bench.of("idle", ref), []);
  at(bench.builds, 0).resolve({ ok: false, failure: { code: "internal", message: "m" } });
  await turn();
  assertEquals(bench.of("idle", ref).length, 1);
});

Deno.test("worker: dispose_all disposes every session within its bound, and answers who waited", async () => {
  const bench = await Bench.loaded();
  const [good, hangs, throws] = [await bench.live("a"), await bench.live("b"), await bench.live("c")];
  const bash = bench.command("a", { type: "bash", command: "x" });
  const ref = bench.ask((one) => ({ kind: "shutdown", ref: one }));
  good.disposing.resolve();
  throws.disposing.reject(new Error("x"));
  await bench.clock.advance(4_999);
  assertEquals([bench.of("shutdown_done"), await bench.answer(bash)], [[], "cancelled"]);
  await bench.clock.advance(1);
  assertEquals(bench.of("shutdown_done", ref).map((one) => [one.disposed, one.failed]), [[1, 2]]);
  assertEquals(hangs.calls.includes("dispose"), true);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("worker: a session that was still being built at dispose_all is disposed when it comes", async () => {
  const bench = await Bench.loaded();
  const ref = bench.create("a");
  await turn();
  bench.ask((one) => ({ kind: "shutdown", ref: one }));
  await turn();
  const agent = new FakeAgent();
  agent.disposing.resolve();
  at(bench.builds, 0).resolve({ ok: true, value: agent });
  assertEquals(await bench.answer(ref), "cancelled");
  assertEquals(agent.calls, ["dispose"]);
});

Deno.test("worker: what arises in one turn leaves in one batch, in order", async () => {
  const clock = new FakeClock();
  const batches: (readonly FromWorker[])[] = [];
  const load = () => Promise.reject(new Error("no"));
  const worker = new SessionWorker(fakeRuntime(clock), load, (batch) => batches.push(batch));
  worker.receive({ kind: "start", config: CONFIG });
  for (const ref of [1, 2, 3]) worker.receive({ kind: "count_busy", ref, stop: false });
  await turn();
  assertEquals(batches.map((batch) => batch.map(({ kind }) => kind)), [["load_begun"], [
    "log",
    "load_ended",
    "model_report",
    "busy_count",
    "busy_count",
    "busy_count",
  ]]);
});
