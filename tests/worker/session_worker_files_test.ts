// A worker between its agents and the server thread: session files that are inspected, claimed and reported, lists, and
// dialogs that clients find in the state of their session.
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Question } from "../../src/worker/session/dialogs.ts";
import type { SessionState } from "../../src/ipc/messages.ts";
import type { Files } from "../../src/runtime/runtime.ts";
import { turn } from "../support/base/fake_clock.ts";
import { header } from "./support/session_builder_fixture.ts";
import { FakeAgent } from "./session/fake_agent.ts";
import { EVERYWHERE } from "./support/fake_runtime.ts";
import { at, DELTA } from "./support/fakes.ts";
import { CONFIG, WorkerBench } from "./support/session_worker_fixture.ts";
import { FileOwners } from "../../src/server/manager/file_claims.ts";

const CONFIRM: Question = { method: "confirm", title: "Sure?", fields: { message: "m" } };

/** Folders, and files that hold a session header with that id. */
function filesWith(ids: ReadonlyMap<string, string>): Files {
  return {
    ...EVERYWHERE,
    stat: (path) => {
      const kind = ids.has(path) ? "file" as const : "directory" as const;
      return Promise.resolve({ kind, size: 1, modifiedAt: 0 });
    },
    list: (folder) => {
      const names = [...ids.keys()].filter((path) => path.startsWith(`${folder}/`));
      return Promise.resolve(names.map((path) => path.slice(folder.length + 1)));
    },
    async *chunks(path) {
      const id = await Promise.resolve(ids.get(path));
      if (id === "broken") throw new Error("disk error");
      yield new TextEncoder().encode(id === undefined ? "no session" : header("/work", id));
    },
    ensureTrailingNewline: () => Promise.resolve(),
    copyMode: () => Promise.resolve(),
  };
}

/** The state of the sessions at this point of the order. */
async function attach(bench: WorkerBench, sessionIds?: readonly string[]): Promise<readonly SessionState[]> {
  const ref = bench.ask((one) => ({
    kind: "get_states",
    ref: one,
    snapshots: [],
    ...(sessionIds === undefined ? {} : { sessionIds }),
  }));
  await turn();
  return at(bench.of("states", ref), 0).sessions;
}

Deno.test("worker: a file is inspected with its id, or one of ours where no client could name it", async () => {
  const ids = new Map([["/work/good", "the-id"], ["/work/dots", ".."], ["/work/slash", "a/b"], [
    "/work/no",
    "",
  ]]);
  const bench = await WorkerBench.loaded(CONFIG, filesWith(ids));
  const found = async (sessionPath: string): Promise<unknown> => {
    const ref = bench.ask((one) => ({ kind: "read_header", ref: one, sessionPath }));
    await turn();
    return bench.of("header", ref).map(({ id, file }) => [id, file])[0] ?? await bench.answer(ref);
  };
  assertEquals(await found("good"), ["the-id", "/work/good"]);
  for (const [index, name] of ["dots", "slash", "no"].entries()) {
    assertEquals(await found(name), [`u${index + 1}`, `/work/${name}`], "no id that clients could not send");
  }
  assertEquals([await found("sub"), await found("bad\0")], ["path_not_found", "path_forbidden"]);
});

Deno.test("worker: a file that breaks off while it is read is a refusal and no crash", async () => {
  const bench = await WorkerBench.loaded(CONFIG, filesWith(new Map([["/work/f", "broken"]])));
  const ref = bench.ask((one) => ({ kind: "read_header", ref: one, sessionPath: "f" }));
  assertEquals(await bench.answer(ref), "internal");
  assertStringIncludes(JSON.stringify(bench.of("reply", ref)), "disk error");
  const command = { type: "load_session", sessionId: "a", sessionPath: "f" } as const;
  const load = bench.ask((one) => ({ kind: "create_session", ref: one, demand: DELTA, command }));
  assertEquals(await bench.answer(load), "agent_error");
});

Deno.test("worker: a load asks whose the file is, and goes on with the answer", async () => {
  const bench = await WorkerBench.loaded(CONFIG, filesWith(new Map([["/work/f", "x"]])));
  const load = (sessionId: string): number => {
    const command = { type: "load_session", sessionId, sessionPath: "f" } as const;
    return bench.ask((ref) => ({ kind: "create_session", ref, demand: DELTA, command }));
  };
  const refused = load("a");
  await turn();
  const claim = at(bench.of("claim_file"), 0);
  assertEquals([claim.sessionId, claim.file, bench.builds.length], ["a", "/work/f", 0]);
  bench.worker.receive({ kind: "claim_result", ref: claim.ref, owner: "b" });
  assertEquals(await bench.answer(refused), "session_in_use");
  const loaded = load("a");
  await turn();
  bench.worker.receive({ kind: "claim_result", ref: at(bench.of("claim_file"), 1).ref });
  await turn();
  assertEquals(bench.requests.map(({ sessionFile }) => sessionFile), ["/work/f"]);
  at(bench.builds, 0).resolve({ ok: true, value: new FakeAgent() });
  assertEquals(Reflect.get(Object(await bench.answer(loaded)), "sessionId"), "a");
});

Deno.test("worker: the file of a session is reported, and no longer after its end", async () => {
  const bench = await WorkerBench.loaded();
  await bench.live("a");
  const { fileChanged } = at(bench.hooks, 0);
  fileChanged("/sessions/one.jsonl");
  await turn();
  fileChanged(undefined);
  await turn();
  assertEquals(bench.of("session_file"), [
    { kind: "session_file", sessionId: "a", file: "/sessions/one.jsonl" },
    { kind: "session_file", sessionId: "a" },
  ]);
  bench.command("a", { type: "delete_session" });
  fileChanged("/sessions/two.jsonl");
  await turn();
  assertEquals(bench.of("session_file").length, 2);
});

for (const end of ["cancelled", "failed"] as const) {
  Deno.test(`worker: a file is free for others when the switch to it has ${end}`, async () => {
    const bench = await WorkerBench.loaded(CONFIG, filesWith(new Map([["/work/new", "x"]])));
    const agent = await bench.live("a");
    at(bench.hooks, 0).fileChanged("/sessions/old");
    agent.history.switchFile = () =>
      Promise.resolve(
        end === "cancelled"
          ? { ok: true, value: { cancelled: true } }
          : { ok: false, failure: { code: "agent_error", message: "m" } },
      );
    const ref = bench.command("a", { type: "switch_session_file", sessionPath: "/work/new" });
    await turn();
    bench.worker.receive({ kind: "claim_result", ref: at(bench.of("claim_file"), 0).ref });
    assertEquals(await bench.answer(ref), end === "cancelled" ? { cancelled: true } : "agent_error");
    // The server thread's file owners after all reports of the worker.
    const book = new FileOwners(() => {});
    for (const message of bench.posted) {
      if (message.kind === "claim_file") book.claim(message.file, message.sessionId);
      if (message.kind === "session_file") book.setFile(message.sessionId, message.file);
    }
    assertEquals([book.owner("/sessions/old"), book.owner("/work/new")], ["a", undefined]);
  });
}

Deno.test("worker: files are refused as long as pi could not be loaded", async () => {
  const bench = new WorkerBench();
  bench.loading.reject(new Error("no such package"));
  const refs = [
    bench.ask((ref) => ({ kind: "read_header", ref, sessionPath: "f" })),
    bench.ask((ref) => ({ kind: "command", ref, connection: 1, command: { type: "get_available_models" } })),
  ];
  for (const ref of refs) {
    assertEquals(await bench.answer(ref), "internal");
    assertStringIncludes(JSON.stringify(bench.of("reply", ref)), "no such package");
  }
});

Deno.test("worker: an open dialog is in its session's state until it is answered", async () => {
  const bench = await WorkerBench.loaded();
  for (const id of ["a", "b"]) await bench.live(id);
  const answer = at(bench.hooks, 0).ask(CONFIRM);
  const [first, second] = await attach(bench);
  const pending = (first?.pendingUi ?? []).map((text) => JSON.parse(text));
  assertEquals([pending.length, pending[0].method, pending[0].sessionId], [1, "confirm", "a"]);
  assertEquals(second?.pendingUi, []);
  const { requestId } = pending[0];
  const response = { method: "confirm", confirmed: true };
  const ref = bench.command("a", { type: "extension_ui_response", requestId, response });
  assertEquals([await bench.answer(ref), await answer], [{}, true]);
  assertEquals((await attach(bench, ["a"])).map(({ pendingUi }) => pendingUi), [[]]);
});

Deno.test("worker: a session that is replaced behind its port cancels its dialogs as the session's", async () => {
  const bench = await WorkerBench.loaded();
  await bench.live("a");
  const hooks = at(bench.hooks, 0);
  const answer = hooks.ask(CONFIRM);
  hooks.replacing();
  assertEquals(await answer, undefined);
  await bench.clock.advance(10);
  const [resolved] = bench.of("events").flatMap(({ events }) => events).slice(-1);
  assertEquals(JSON.parse(resolved?.text ?? "").event.by, "session");
  void hooks.ask(CONFIRM);
  assertEquals((await attach(bench)).map(({ pendingUi }) => pendingUi.length), [1], "the next one can ask");
});

Deno.test("worker: dialogs beyond the configured number are cancelled", async () => {
  const bench = await WorkerBench.loaded({ ...CONFIG, pendingUi: 2 });
  await bench.live("a");
  const { ask } = at(bench.hooks, 0);
  void ask(CONFIRM);
  void ask(CONFIRM);
  assertEquals(await ask(CONFIRM), undefined);
  assertEquals((await attach(bench)).map(({ pendingUi }) => pendingUi.length), [2]);
});

Deno.test("worker: a dialog that cannot be encoded harms no other session and no other question", async () => {
  const bench = await WorkerBench.loaded();
  for (const id of ["a", "b"]) await bench.live(id);
  // So does an extension that asks with a number of its own kind where a text belongs.
  void at(bench.hooks, 0).ask({ ...CONFIRM, fields: { message: 1n } });
  const attached = await attach(bench);
  assertEquals(attached.map(({ sessionId }) => sessionId), ["a", "b"]);
});

Deno.test("worker: events and dialogs of an agent whose session is gone are dropped", async () => {
  const bench = await WorkerBench.loaded();
  await bench.live("a");
  const { emit, ask, replacing } = at(bench.hooks, 0);
  assertEquals(await bench.answer(bench.command("a", { type: "delete_session" })), { deleted: true });
  const before = bench.posted.length;
  emit({ type: "agent_start" });
  replacing();
  assertEquals(await ask(CONFIRM), undefined);
  await turn();
  assertEquals(bench.posted.length, before);
});
