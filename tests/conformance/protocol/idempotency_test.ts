// Safe retries (docs/PROTOCOL.md#safe-retries): a key runs its command once and gives the same answer again: while it
// runs, after it, on another connection and after a restart. Another command under the key is a conflict. The server
// does not keep a command that did not run.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { arrayAt, at, brief, type JsonObject, numberAt, stringAt } from "../../support/base/json.ts";
import { Gate, status, text } from "../../support/model/model_server.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, listed, shared } from "../suite.ts";

const keyed = shared();

/** The file's lines: how often a keyed bash ran. */
async function lines(path: string): Promise<number> {
  const content = await Deno.readTextFile(path).catch(() => "");
  return content.split("\n").filter((line) => line !== "").length;
}

/** What must be the same in a stored answer: all but the id, and that it says what it is. */
function answer({ id: _id, replayed: _replayed, ...rest }: JsonObject): JsonObject {
  return rest;
}

/** Asks again, and the answer must be the first one's. */
async function replays(wire: Wire, command: JsonObject, first: JsonObject): Promise<void> {
  const again = await wire.request(command);
  assertEquals(again.replayed, true, brief(again));
  assertEquals(answer(again), answer(first));
}

keyed("keys: a retry gets the stored answer with replayed, and nothing runs again", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  const bash = { type: "bash", sessionId: id, command: "echo once >> log", idempotencyKey: "bash" };
  const first = await wire.request(bash);
  assertEquals([first.success, first.replayed], [true, undefined]);
  await replays(wire, bash, first);
  const other = await bench.connect("other");
  await replays(other, bash, first);
  assertEquals(await lines(`${cwd}/log`), 1);
  const name = { type: "set_session_name", sessionId: id, name: "n", idempotencyKey: "name" };
  const named = await wire.request(name);
  await wire.ok({ type: "set_session_name", sessionId: id, name: "later" });
  await replays(wire, name, named);
  assertEquals((await wire.ok({ type: "get_state", sessionId: id })).sessionName, "later");
});

keyed("keys: id, waitFor and waitMs make no other command; every other field does", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const marker = bench.name("same");
  bench.model.script(marker, text(["said"]));
  const prompt = { type: "prompt", sessionId: id, message: marker, idempotencyKey: "p" };
  const first = await wire.request({ ...prompt, id: "one", waitFor: "settled" });
  assertEquals(at(first, "data", "text"), "said");
  await replays(wire, { ...prompt, id: "two", waitFor: "accepted" }, first);
  await replays(wire, { ...prompt, waitFor: "settled", waitMs: 5 }, first);
  // The order of the fields does not matter.
  const { type, ...fields } = prompt;
  await replays(wire, { ...fields, type }, first);
  const others: JsonObject[] = [
    { ...prompt, message: `${marker} more` },
    { ...prompt, streamingBehavior: "steer" },
    { ...prompt, ifSessionVersion: 1 },
    { type: "steer", sessionId: id, message: marker, idempotencyKey: "p" },
    { type: "set_session_name", sessionId: id, name: "n", idempotencyKey: "p" },
  ];
  for (const other of others) {
    const refused = await wire.refused("idempotency_conflict", other);
    assertEquals([refused.retryable, refused.replayed], [false, undefined]);
  }
  assertEquals(bench.model.requests.filter(({ userText }) => userText.includes(marker)).length, 1);
});

keyed("keys: a retry while the first one runs waits for its answer, and gets it too", async (bench) => {
  const [a, b] = [await bench.connect("a"), await bench.connect("b")];
  const { id, cwd } = await bench.session(a);
  const bash = {
    type: "bash",
    sessionId: id,
    command: "echo ran >> log; while [ ! -e go ]; do sleep 0.02; done",
    idempotencyKey: "slow",
  };
  a.send({ ...bash, id: "first" });
  b.send({ ...bash, id: "second" });
  a.send({ ...bash, id: "third" });
  // Behind its own connection's bash, but ahead of its answer: all three are on their way by then.
  await b.ok({ type: "get_state", sessionId: id });
  await a.ok({ type: "ping" });
  assert(!a.messages.some((message) => message.id === "third"));
  await Deno.writeTextFile(`${cwd}/go`, "");
  const first = await a.response("first");
  assertEquals([first.success, first.replayed], [true, undefined]);
  for (const again of [await b.response("second"), await a.response("third")]) {
    assertEquals([again.replayed, answer(again)], [true, answer(first)]);
  }
  assertEquals(await lines(`${cwd}/log`), 1);
});

keyed("keys: the answer is kept for a client that has lost its connection", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await bench.session(wire);
  const bash = {
    type: "bash",
    sessionId: id,
    command: "echo ran >> log; while [ ! -e go ]; do sleep 0.02; done; echo out",
    idempotencyKey: "lost",
  };
  wire.mayLoseResponses = true;
  wire.send({ ...bash, id: "never" });
  const other = await bench.connect("other");
  await other.ok({ type: "get_state", sessionId: id });
  await wire.close();
  await Deno.writeTextFile(`${cwd}/go`, "");
  const again = await other.request(bash);
  assertEquals([again.replayed, at(again, "data", "output")], [true, "out\n"]);
  assertEquals(await lines(`${cwd}/log`), 1);
});

keyed(
  "keys: what was refused did not run, is not kept and may be tried again under its key",
  async (bench) => {
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const marker = bench.name("busy");
    const gate = new Gate();
    bench.model.script(marker, text(["a ", "done"], { gate }));
    await wire.ok({ type: "prompt", sessionId: id, message: marker });
    const compact = { type: "compact", sessionId: id, idempotencyKey: "c" };
    for (let n = 0; n < 2; n++) {
      const busy = await wire.refused("agent_busy", compact);
      assertEquals([busy.retryable, busy.replayed], [true, undefined]);
    }
    gate.open();
    await wire.event(id, "agent_settled");
    assertEquals((await wire.request(compact)).replayed, undefined);
    const stale = {
      type: "set_session_name",
      sessionId: id,
      name: "x",
      ifSessionVersion: 99,
      idempotencyKey: "v",
    };
    for (let n = 0; n < 2; n++) {
      assertEquals((await wire.refused("version_conflict", stale)).replayed, undefined);
    }
    const lost = { type: "abort", sessionId: "no-such-session", idempotencyKey: "a" };
    for (let n = 0; n < 2; n++) {
      assertEquals(
        (await wire.refused("session_not_found", lost)).replayed,
        undefined,
      );
    }
  },
);

keyed("keys: a failure of a command that ran is an answer like any other", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const marker = bench.name("failing");
  const prompt = { type: "prompt", sessionId: id, message: marker, idempotencyKey: "e", waitFor: "settled" };
  bench.model.script(marker, status(400, "no"));
  const first = await wire.refused("agent_error", prompt);
  await replays(wire, prompt, first);
  const waiting = bench.name("waiting");
  const gate = new Gate();
  bench.model.script(waiting, text(["too ", "late"], { gate }));
  const short = { ...prompt, message: waiting, idempotencyKey: "t", waitMs: 1 };
  const late = await wire.refused("timeout", short);
  // It ran, and goes on: a second time would be twice.
  await replays(wire, short, late);
  gate.open();
});

keyed("keys: sessions are created, loaded and deleted once", async (bench) => {
  const wire = await bench.connect();
  const create = { type: "create_session", sessionName: "made once", idempotencyKey: bench.name("create") };
  const first = await wire.request(create);
  const id = stringAt(first, "data", "sessionId");
  const before = await listed(wire);
  await replays(wire, create, first);
  assertEquals(await listed(wire), before);
  const remove = { type: "delete_session", sessionId: id, idempotencyKey: "d" };
  const removed = await wire.request(remove);
  assertEquals(removed.success, true, brief(removed));
  await replays(wire, remove, removed);
  await wire.refused("session_not_found", { type: "delete_session", sessionId: id });
  const named = { type: "create_session", sessionId: bench.name("named"), idempotencyKey: "n" };
  const [one, two] = await Promise.all([wire.request(named), wire.request(named)]);
  assertEquals([one.replayed, two.replayed, answer(two)], [undefined, true, answer(one)]);
  await wire.refused("session_exists", { ...named, idempotencyKey: "n2" });
});

keyed("keys: of one session are strangers in another", async (bench) => {
  const wire = await bench.connect();
  const [a, b] = [await bench.session(wire), await bench.session(wire)];
  const name = (sessionId: string, name: string) => ({
    type: "set_session_name",
    sessionId,
    name,
    idempotencyKey: "shared",
  });
  assertEquals((await wire.request(name(a.id, "a"))).success, true);
  const other = await wire.request(name(b.id, "b"));
  assertEquals([other.success, other.replayed], [true, undefined]);
});

keyed("keys: on commands that only read they mean nothing, and bad ones are invalid", async (bench) => {
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  for (const name of ["one", "two"]) {
    await wire.ok({ type: "set_session_name", sessionId: id, name });
    const state = await wire.request({ type: "get_state", sessionId: id, idempotencyKey: "read" });
    assertEquals([at(state, "data", "sessionName"), state.replayed], [name, undefined]);
  }
  assertEquals((await wire.request({ type: "ping", idempotencyKey: "p" })).success, true);
  for (const idempotencyKey of ["", "k".repeat(129), 7, null]) {
    await wire.refused("invalid_params", { type: "bash", sessionId: id, command: "true", idempotencyKey });
  }
  for (const idempotencyKey of ["__proto__", "constructor", "k".repeat(128), "😀"]) {
    const command = { type: "set_session_name", sessionId: id, name: "odd", idempotencyKey };
    await replays(wire, command, await wire.request(command));
  }
});

keyed("keys: a hundred at once on ten connections run once each", async (bench) => {
  const wires = await Promise.all(Array.from({ length: 10 }, (_, n) => bench.connect(`w${n}`)));
  const { id, cwd } = await bench.session(wires[0] as Wire);
  const answers = await Promise.all(wires.map((wire) =>
    Promise.all(Array.from({ length: 10 }, (_, n) => {
      const command = `echo ${n} >> log`;
      return wire.request({ type: "bash", sessionId: id, command, idempotencyKey: `k${n}` }, 60_000);
    }))
  ));
  assertEquals(answers.flat().filter(({ success }) => success !== true), []);
  assertEquals(answers.flat().filter(({ replayed }) => replayed === undefined).length, 10);
  assertEquals(await lines(`${cwd}/log`), 10);
});

alone(
  "keys: too many are overloaded before anything runs, and none is forgotten for another",
  async (bench) => {
    await bench.start(["--max-idempotency-keys", "3"]);
    const wire = await bench.connect();
    const { id, cwd } = await bench.session(wire);
    const bash = (n: number) => ({
      type: "bash",
      sessionId: id,
      command: `echo ${n} >> log`,
      idempotencyKey: `k${n}`,
    });
    const kept = [await wire.request(bash(0)), await wire.request(bash(1)), await wire.request(bash(2))];
    const refused = await wire.refused("overloaded", bash(3));
    assertEquals([refused.retryable, at(refused, "data", "limit")], [true, "idempotencyKeys"]);
    assert(numberAt(refused, "retryAfterMs") > 23 * 3_600_000);
    for (const [n, first] of kept.entries()) await replays(wire, bash(n), first);
    assertEquals(await lines(`${cwd}/log`), 3);
    await wire.ok({ type: "bash", sessionId: id, command: "true" });
    // What stops something is free of limits.
    await wire.ok({ type: "abort", sessionId: id, idempotencyKey: "stop" });
  },
);

async function restarted(bench: Bench): Promise<Wire> {
  await Deno.remove(`${bench.home.stateDir}/endpoint.json`).catch(() => {});
  await bench.start();
  return await bench.connect("after");
}

alone(
  "keys: answers outlive a restart and a kill, and a command cut short is outcome_unknown",
  async (bench) => {
    await bench.start();
    const before = await bench.connect();
    const { id, cwd } = await bench.session(before);
    const bash = { type: "bash", sessionId: id, command: "echo 1 >> log", idempotencyKey: "done" };
    const first = await before.request(bash);
    const cut = {
      type: "bash",
      sessionId: id,
      command: "echo cut >> cut; sleep 60",
      idempotencyKey: "cut",
    };
    before.mayLoseResponses = true;
    before.send({ ...cut, id: "cut" });
    while (await lines(`${cwd}/cut`) === 0) await before.ok({ type: "ping" });
    await bench.server.kill();
    const after = await restarted(bench);
    await replays(after, bash, first);
    for (let n = 0; n < 2; n++) {
      const unknown = await after.refused("outcome_unknown", cut);
      assertEquals([unknown.retryable, unknown.replayed, at(unknown, "data", "sessionId")], [
        false,
        undefined,
        id,
      ]);
    }
    await after.refused("idempotency_conflict", { ...cut, command: "echo other" });
    bench.server.signal("SIGTERM");
    assertEquals(await bench.server.exitCode(), 0);
    const last = await restarted(bench);
    await replays(last, bash, first);
    await last.refused("outcome_unknown", cut);
    assertEquals([await lines(`${cwd}/log`), await lines(`${cwd}/cut`)], [1, 1]);
  },
);

alone(
  "keys: a journal that is damaged, empty or another's is set aside, never a reason not to start",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const bash = (n: number) => ({
      type: "bash",
      sessionId: id,
      command: `echo ${n}`,
      idempotencyKey: `k${n}`,
    });
    const answers = [await wire.request(bash(0)), await wire.request(bash(1)), await wire.request(bash(2))];
    await bench.server.kill();
    const path = `${bench.home.stateDir}/journal.jsonl`;
    const whole = await Deno.readTextFile(path);
    // The answer to the second one is not what was written.
    await Deno.writeTextFile(path, whole.replace("1\\\\n", "7\\\\n"));
    // The next one dies before it is asked for anything.
    await restarted(bench);
    await bench.server.kill();
    const damaged = await restarted(bench);
    await replays(damaged, bash(0), answers[0] as JsonObject);
    await damaged.refused("outcome_unknown", bash(1));
    await replays(damaged, bash(2), answers[2] as JsonObject);
    await bench.server.kill();
    for (const content of ["", "\0".repeat(500), "not a journal\n", '{"k":"journal","version":9}\n']) {
      await Deno.writeTextFile(path, content);
      const odd = await restarted(bench);
      assertEquals((await odd.request({ type: "create_session", idempotencyKey: "new" })).success, true);
      await bench.server.kill();
    }
    const names = Array.from(Deno.readDirSync(bench.home.stateDir), ({ name }) => name);
    assertEquals(
      names.filter((name) => name.startsWith("journal.jsonl.damaged-")).length >= 3,
      true,
      names.join(),
    );
    assertEquals(
      arrayAt(await (await restarted(bench)).ok({ type: "list_sessions" }), "sessions").length >= 0,
      true,
    );
  },
);

alone(
  "keys: a create that was cut short is outcome_unknown with the id that the server had chosen",
  async (bench) => {
    // It dies at the session's record, when the intent is on disk and the answer is not.
    const dying = await bench.start([], { env: { PI_SERVER_FAULTS: "write:sessions=kill@1" } });
    const before = await bench.connect();
    before.mayLoseResponses = true;
    const cwd = await bench.home.folder("create");
    const create = { type: "create_session", cwd, idempotencyKey: "create" };
    before.send({ ...create, id: "create" });
    await dying.status;
    const after = await restarted(bench);
    const unknown = await after.refused("outcome_unknown", create);
    const sessionId = String(at(unknown, "data", "sessionId"));
    assertMatch(sessionId, /^[0-9a-f-]{36}$/);
    assertEquals(await after.ok({ type: "list_sessions" }), { sessions: [] });
    // A client can create it again under that very id.
    const again = await after.ok({ ...create, sessionId, idempotencyKey: "again" });
    assertEquals(again.sessionId, sessionId);
    await bench.server.kill();
    const last = await restarted(bench);
    assertEquals(at(await last.refused("outcome_unknown", create), "data", "sessionId"), sessionId);
  },
);
