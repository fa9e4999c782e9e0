// Large answers of one connection: a few are under way, others wait for the socket, and the order within a session
// stays as it was sent.
import { assertEquals } from "@std/assert";
import { BULK_AHEAD, SOCKET_WINDOW_BYTES } from "../../../src/governor/limits.ts";
import { turn } from "../../support/base/fake_clock.ts";
import { FakePeer } from "./fakes.ts";
import { RouterBench as Bench } from "./router_fixture.ts";

/** A peer that takes nothing until it drains, and two sessions. */
class SlowPeer {
  readonly bench: Bench;
  readonly wire: FakePeer;
  readonly connection;

  constructor(bench = new Bench(), waits = false) {
    this.bench = bench;
    for (const id of ["a", "b"]) bench.live(id);
    this.wire = new FakePeer(waits);
    this.connection = bench.router.accept(this.wire);
    this.wire.stalled = true;
    this.wire.sent.length = 0;
  }

  send(message: Record<string, unknown>): void {
    this.bench.router.receive(this.connection, JSON.stringify(message));
  }

  /** Ids of the commands that have reached the worker. */
  get reached(): string[] {
    return this.bench.worker.of("command").map(({ command }) => command.id ?? "");
  }

  /** The worker answers a command, with that many bytes. */
  async answer(id: string, bytes = SOCKET_WINDOW_BYTES): Promise<void> {
    const asked = this.bench.worker.of("command").find(({ command }) => command.id === id);
    const dataText = JSON.stringify({ text: "x".repeat(bytes) });
    this.bench.worker.reply(asked?.ref ?? 0, { ok: true, dataText });
    await turn();
  }

  async drain(): Promise<void> {
    this.wire.drain();
    await turn();
  }

  answered(): string[] {
    return this.wire.sent.splice(0).map((text) => String(JSON.parse(text).id));
  }
}

const read = (id: string, sessionId = "a") => ({ id, type: "get_messages", sessionId });

Deno.test("bulk turns: a few commands are passed on, the next when the socket has taken an answer", async () => {
  const peer = new SlowPeer();
  for (const id of ["1", "2", "3", "4"]) peer.send(read(id));
  assertEquals([peer.reached, BULK_AHEAD], [["1", "2"], 2]);
  // The socket has room for the first answer; the second stays in the outbox.
  await peer.answer("1");
  assertEquals(peer.reached, ["1", "2", "3"]);
  await peer.answer("2");
  await peer.answer("3");
  assertEquals([peer.reached, peer.answered()], [["1", "2", "3"], ["1"]]);
  await peer.drain();
  assertEquals([peer.reached, peer.answered()], [["1", "2", "3", "4"], ["2"]]);
  await peer.drain();
  await peer.answer("4");
  await peer.drain();
  assertEquals(peer.answered(), ["3", "4"]);
});

Deno.test("bulk turns: other sessions go on; the same one keeps its order, but for what aborts", () => {
  const peer = new SlowPeer();
  for (const id of ["1", "2", "3"]) peer.send(read(id));
  peer.send({ id: "name", type: "set_session_name", sessionId: "a", name: "n" });
  peer.send({ id: "state", type: "get_state", sessionId: "a" });
  peer.send({ id: "other", type: "get_state", sessionId: "b" });
  peer.send({ id: "abort", type: "abort", sessionId: "a" });
  assertEquals(peer.reached, ["1", "2", "other", "abort"]);
  peer.send({ id: "ping", type: "ping" });
  assertEquals(peer.answered(), ["ping"]);
});

Deno.test("bulk turns: what waited behind a large answer follows it at once, in order", async () => {
  const peer = new SlowPeer();
  for (const id of ["1", "2", "3"]) peer.send(read(id));
  peer.send({ id: "name", type: "set_session_name", sessionId: "a", name: "n" });
  peer.send(read("4", "b"));
  peer.send({ id: "state", type: "get_state", sessionId: "b" });
  await peer.answer("1");
  assertEquals(peer.reached, ["1", "2", "3", "name"]);
  await peer.drain();
  await peer.answer("2");
  assertEquals(peer.reached, ["1", "2", "3", "name", "4", "state"]);
});

Deno.test("bulk turns: a command that waits counts as in flight", () => {
  const peer = new SlowPeer(new Bench({ inFlightPerConnection: 3 }));
  for (const id of ["1", "2", "3", "4"]) peer.send(read(id));
  assertEquals([peer.reached, peer.answered()], [["1", "2"], ["4"]]);
});

Deno.test("bulk turns: on stdio more commands wait than may be in flight", async () => {
  const peer = new SlowPeer(new Bench({ inFlightPerConnection: 3 }), true);
  for (const id of ["1", "2", "3", "4", "5"]) peer.send(read(id));
  assertEquals([peer.reached, peer.answered()], [["1", "2"], []]);
  for (const id of ["1", "2", "3", "4", "5"]) {
    await peer.answer(id);
    await peer.drain();
  }
  assertEquals([peer.reached, peer.answered()], [["1", "2", "3", "4", "5"], ["1", "2", "3", "4", "5"]]);
});

Deno.test("bulk turns: a refused command and a failed one make room as well", async () => {
  const peer = new SlowPeer();
  for (const id of ["x", "y", "z"]) peer.send(read(id, "none"));
  await turn();
  assertEquals(peer.answered().length, 3);
  for (const id of ["1", "2"]) peer.send(read(id));
  assertEquals(peer.reached, ["1", "2"]);
});

Deno.test("bulk turns: after a peer leaves, none of its commands starts, and none stays counted", async () => {
  const bench = new Bench({ inFlightPerConnection: 4 });
  const peer = new SlowPeer(bench);
  for (const id of ["1", "2", "3", "4"]) peer.send(read(id));
  bench.router.closed(peer.connection);
  await peer.answer("1");
  await peer.answer("2");
  assertEquals(peer.reached, ["1", "2"]);
  assertEquals("release" in bench.made.governor.inFlight(peer.connection.id), true);
});

Deno.test("bulk turns: a subscription waits only when it asks for the state", () => {
  const peer = new SlowPeer();
  for (const id of ["1", "2"]) peer.send(read(id));
  peer.send({ id: "live", type: "subscribe", sessionId: "b" });
  peer.send({ id: "state", type: "subscribe", sessionId: "b", snapshot: true });
  const asked = peer.bench.worker.of("get_states").length;
  assertEquals(asked, 1);
});

Deno.test("bulk turns: a reader that asks for much is not given up, one that reads nothing is", async () => {
  const over = { outboxCloseBytes: 10 * SOCKET_WINDOW_BYTES };
  const peer = new SlowPeer(new Bench(over));
  for (let n = 0; n < 20; n++) peer.send(read(`${n}`));
  for (let n = 0; n < 20; n++) {
    await peer.answer(`${n}`, 4 * SOCKET_WINDOW_BYTES);
    await peer.drain();
  }
  assertEquals([peer.answered().length, peer.wire.closes], [20, []]);
  for (let n = 20; n < 25; n++) peer.send(read(`${n}`));
  for (let n = 20; n < 23; n++) await peer.answer(`${n}`, 11 * SOCKET_WINDOW_BYTES);
  assertEquals(peer.wire.closes, [1013]);
});
