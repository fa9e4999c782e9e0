// Where a gateway sends what creates a session: the node with room, the one that its key names, or that one's heir.
import { assert, assertEquals } from "@std/assert";
import { turn } from "../../support/base/fake_clock.ts";
import { deferred } from "../../../src/base/async/deferred.ts";
import { encodeSuccess } from "../../../src/protocol/envelope.ts";
import { GatewayBench as Bench } from "./gateway_bench.ts";

Deno.test("gateway: a burst of creates spreads, its own node included, and each keyed one is where its key says", async () => {
  const bench = new Bench({ g: {}, a: { load: 0.02 }, b: { load: 0.01 } });
  const ids = Array.from({ length: 30 }, (_, index) => String(index));
  for (const id of ids) bench.create(id, { idempotencyKey: `k${id}` });
  await turn();
  await turn();
  const first = structuredClone(bench.got);
  for (const [node, got] of Object.entries(first)) {
    assert(got.length >= 7 && got.length <= 13, JSON.stringify(first));
    for (const id of got) assertEquals(bench.remembered.get(`admin_k${id}`), node);
  }
  // A repetition arrives at the same node, whatever has room by then.
  for (const id of ids) bench.create(id, { idempotencyKey: `k${id}` });
  await turn();
  await turn();
  const twice = Object.fromEntries(Object.entries(first).map(([node, got]) => [node, got.toSorted()]));
  assertEquals(
    Object.fromEntries(
      Object.entries(bench.got).map(([node, got]) => [node, got.slice(twice[node]?.length).toSorted()]),
    ),
    twice,
  );
  await bench.end();
});

Deno.test("gateway: the heir of a node that is gone gets the repetitions that name it, and nothing new", async () => {
  const bench = new Bench({ a: {}, b: {} });
  bench.create("1", { node: "a", idempotencyKey: "k" });
  bench.create("2", { node: "a", sessionId: "s", idempotencyKey: "l" });
  await turn();
  await turn();
  assertEquals(bench.got, { a: ["2", "1"] });
  bench.kill("a");
  // No node has taken its sessions over yet.
  bench.create("3", { node: "a", idempotencyKey: "k" });
  await turn();
  assertEquals(bench.codes.includes("3:node_unavailable"), true);
  bench.heirs.set("a", "b");
  bench.bucket.set("session.s", JSON.stringify({ node: "b", state: "s-b" }));
  bench.create("4", { node: "a", idempotencyKey: "k" });
  bench.create("5", { node: "a", sessionId: "s", idempotencyKey: "l" });
  await turn();
  await turn();
  assertEquals(bench.got["b"]?.toSorted(), ["4", "5"]);
  bench.create("6", { node: "a", idempotencyKey: "new" });
  bench.create("7", { node: "a" });
  bench.create("8", { node: "a", sessionId: "t", idempotencyKey: "m" });
  await turn();
  await turn();
  for (const id of ["6", "7", "8"]) assert(bench.codes.includes(`${id}:node_unavailable`), id);
  assertEquals(bench.got["b"]?.length, 2);
  await bench.end();
});

Deno.test("gateway: without NATS a new session stays here, though the others have more room and seem to live", async () => {
  const bench = new Bench({ g: { load: 1 }, a: {} });
  bench.create("1", {});
  bench.connected = false;
  bench.create("2", {});
  bench.create("3", { idempotencyKey: "k" });
  bench.create("4", { node: "a" });
  await turn();
  await turn();
  assertEquals([bench.got["a"], bench.got["g"]?.toSorted()], [["1"], ["2", "3"]]);
  assertEquals(bench.codes.includes("4:node_unavailable"), true);
  await bench.end();
});

Deno.test("gateway: a node that ends waits for the bucket, and answers the commands that still wait for it", async () => {
  const bench = new Bench({ a: {}, b: {} });
  const bucket = deferred<void>();
  bench.bucket.answers = bucket.promise;
  bench.create("1", { idempotencyKey: "k" });
  bench.create("2", { sessionId: "s", idempotencyKey: "l" });
  bench.send({ type: "prompt", id: "3", sessionId: "s", message: "hello" });
  bench.send({ type: "delete_session", id: "4", sessionId: "t", idempotencyKey: "m" });
  bench.send({ type: "subscribe", id: "5", sessionId: "u" });
  let answered = false;
  void bench.gateway.whenAnswered().then(() => answered = true);
  await turn();
  assertEquals([answered, bench.codes], [false, []]);
  bench.gateway.farewell();
  assertEquals(bench.codes, ["1", "2", "3", "4", "5"].map((id) => `${id}:shutting_down`));
  // The late answer of the bucket has nothing to go on with.
  bucket.resolve();
  await turn();
  await turn();
  assertEquals([answered, bench.codes.length, bench.got], [true, 5, {}]);
  await bench.end();
});

Deno.test("gateway: a node that ends waits for commands that went on once the bucket had answered", async () => {
  const bench = new Bench({ a: {} });
  const bucket = deferred<void>();
  bench.bucket.answers = bucket.promise;
  bench.answers = (_, { id }) => encodeSuccess({ id, command: "create_session" }, '{"sessionId":"s"}');
  bench.create("1", { sessionId: "s", idempotencyKey: "k" });
  const answered = bench.gateway.whenAnswered();
  bucket.resolve();
  await answered;
  assertEquals([bench.got, bench.peer.sent.length], [{ a: ["1"] }, 1]);
  await bench.end();
});
