// Standard input and output with streams in memory: back-pressure instead of refusals, what passes held
// commands, and the ends of both sides.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Limits } from "../../../src/governor/limits.ts";
import type { Connection } from "../../../src/server/router/connection.ts";
import { Router } from "../../../src/server/router/router.ts";
import { StdioTransport } from "../../../src/server/transports/stdio.ts";
import { makeManager } from "../manager/fakes.ts";
import { turn } from "../../support/base/fake_clock.ts";
import { CURSORS, GREETING } from "../../support/server/greeting.ts";

const encoder = new TextEncoder();

/** A parent process: its end of both pipes, and the reports of the transport. */
class Bench {
  readonly made: ReturnType<typeof makeManager>;
  readonly router: Router;
  readonly transport: StdioTransport;
  readonly ends: boolean[] = [];
  readonly writes: string[] = [];
  connection: Connection | undefined;
  broken = 0;
  givenUp = 0;
  isRead = true;
  /** Chunks that the transport has read. */
  taken = 0;
  /** Holds the next write back until it is settled. */
  gate: PromiseWithResolvers<void> | undefined;
  readonly #chunks: (Uint8Array | undefined)[] = [];
  #fed = Promise.withResolvers<void>();

  constructor(over: Partial<Limits> = {}) {
    this.made = makeManager(over);
    const { manager, governor, log, clock } = this.made;
    this.router = new Router({
      manager,
      governor,
      log,
      clock,
      greeting: () => GREETING,
      schema: { all: {}, hash: "h" },
      cursors: CURSORS,
    });
    this.router.open();
    this.transport = new StdioTransport({
      clock,
      router: this.router,
      frameBytes: governor.limits.frameBytes,
      // Without a high-water mark a chunk leaves the parent only when the transport asks for it.
      input: new ReadableStream({ pull: (controller) => this.#pull(controller) }, { highWaterMark: 0 }),
      output: { write: (bytes) => this.#write(bytes) },
      isRead: () => Promise.resolve(this.isRead),
      ended: (connection, spoken) => {
        this.connection = connection;
        this.ends.push(spoken);
      },
      broken: () => this.broken++,
      givenUp: () => this.givenUp++,
    });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.gate?.promise;
    this.writes.push(new TextDecoder().decode(bytes));
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#chunks.length === 0) await this.#fed.promise;
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return controller.close();
    this.taken++;
    controller.enqueue(chunk);
  }

  async #offer(...chunks: (Uint8Array | undefined)[]): Promise<void> {
    this.#chunks.push(...chunks);
    this.#fed.resolve();
    this.#fed = Promise.withResolvers();
    await turn();
  }

  feed(...texts: string[]): Promise<void> {
    return this.#offer(...texts.map((text) => encoder.encode(text)));
  }

  async send(...messages: unknown[]): Promise<void> {
    await this.feed(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
  }

  eof(): Promise<void> {
    return this.#offer(undefined);
  }

  /** `id:code` or `id:ok` of each response that was written. */
  codes(): string[] {
    const lines = this.writes.splice(0).join("").split("\n").filter((line) => line !== "");
    const messages = lines.map((line) => JSON.parse(line)).filter(({ type }) => type === "response");
    return messages.map(({ id, success, code }) => `${id}:${success ? "ok" : code}`);
  }

  /** A session and a bash that fills the one place there is. */
  async full(): Promise<void> {
    await this.send({ id: "c", type: "create_session", sessionId: "a" });
    const worker = this.made.workers.worker();
    worker.reply(worker.last("create_session").ref);
    await this.send({ id: "b", type: "bash", sessionId: "a", command: "x" });
    this.codes();
  }
}

Deno.test("stdio: the greeting comes at once; lines may be cut anywhere; answers are lines", async () => {
  const bench = new Bench();
  await turn();
  assertStringIncludes(bench.writes.join(""), "server_ready");
  await bench.feed('{"id":"1","ty', 'pe":"ping"}\r', '\n\n{"id":"2","type":"ping"}\n{"id":"3","type":');
  assertEquals(bench.codes(), ["1:ok", "2:ok"]);
  assertEquals(bench.writes.every((text) => text.endsWith("\n")), true);
});

Deno.test("stdio: after the end of input, an output without a reader is noticed without a write", async () => {
  const bench = new Bench();
  const { clock } = bench.made;
  await bench.send({ id: "1", type: "ping" });
  bench.isRead = false;
  await clock.advance(60_000);
  assertEquals(bench.broken, 0, "nothing is asked while the parent may speak");
  bench.isRead = true;
  await bench.eof();
  await clock.advance(4_000);
  assertEquals([bench.ends, bench.broken], [[true], 0]);
  bench.isRead = false;
  await clock.advance(2_000);
  assertEquals(bench.broken, 1);
  const silent = new Bench();
  silent.isRead = false;
  await silent.eof();
  await silent.made.clock.advance(10_000);
  assertEquals([silent.ends, silent.broken], [[false], 0]);
});

Deno.test("stdio: a line that is malformed or too long is reported, and the stream goes on", async () => {
  const bench = new Bench({ frameBytes: 1024 });
  await bench.feed("nonsense\n", `${"x".repeat(1025)}\n`, "x".repeat(5_000), `\n{"id":"1","type":"ping"}\n`);
  const expected = [
    "undefined:invalid_json",
    "undefined:frame_too_large",
    "undefined:frame_too_large",
    "1:ok",
  ];
  assertEquals(bench.codes(), expected);
  const broken = new Bench();
  await broken.feed("{}\n");
  assertEquals(broken.codes(), ["undefined:invalid_params"]);
});

Deno.test("stdio: without room commands wait, and stop commands pass them", async () => {
  const bench = new Bench({ inFlightPerConnection: 1 });
  await bench.full();
  const worker = bench.made.workers.worker();
  await bench.send(
    { id: "1", type: "bash", sessionId: "a", command: "y" },
    { id: "2", type: "get_schema" },
    { id: "s", type: "abort_bash", sessionId: "a" },
    { id: "p", type: "ping" },
  );
  assertEquals(bench.codes(), ["p:ok"], "nothing is refused");
  assertEquals(worker.of("command").map(({ command }) => command.type), ["bash", "abort_bash"]);
  for (const { ref } of worker.of("command")) worker.reply(ref);
  await turn();
  assertEquals(worker.last("command").command, { id: "1", type: "bash", sessionId: "a", command: "y" });
  worker.reply(worker.last("command").ref);
  await turn();
  assertEquals(bench.codes().toSorted(), ["1:ok", "2:ok", "b:ok", "s:ok"]);
});

Deno.test("stdio: with ten MiB read ahead it stops reading until there is room", async () => {
  const bench = new Bench({ inFlightPerConnection: 1 });
  await bench.full();
  const worker = bench.made.workers.worker();
  const message = "x".repeat(1_000_000);
  const line = `${JSON.stringify({ type: "prompt", sessionId: "a", message })}\n`;
  const before = bench.taken;
  for (let count = 0; count < 30; count++) await bench.feed(line);
  // Ten of a million bytes are less than ten MiB, eleven are more; the twelfth is not even asked for.
  assertEquals(bench.taken - before, 11);
  await bench.send({ id: "late", type: "ping" });
  assertEquals(bench.codes(), [], "what lies behind is not read");
  worker.reply(worker.of("command")[0]?.ref ?? 0);
  await turn();
  assertEquals(bench.taken - before, 12, "one left the queue, one was read");
});

Deno.test("stdio: the end of input is reported after everything before it, with a last line", async () => {
  const bench = new Bench();
  await bench.feed('{"id":"1","type":"ping"}');
  assertEquals(bench.ends, []);
  await bench.eof();
  assertEquals([bench.ends, bench.codes()], [[true], ["1:ok"]]);
});

Deno.test("stdio: an input without a valid command was not spoken on", async () => {
  for (const text of ["", "\n\n", "hello\n", "{}\n", '{"type":"nope"}\n']) {
    const bench = new Bench();
    if (text !== "") await bench.feed(text);
    await bench.eof();
    assertEquals(bench.ends, [false], JSON.stringify(text));
  }
});

Deno.test("stdio: commands that are held at the end of input still run, and are waited for", async () => {
  const bench = new Bench({ inFlightPerConnection: 1 });
  await bench.full();
  await bench.send({ id: "1", type: "get_schema" });
  await bench.eof();
  let quiet = false;
  void bench.connection?.drained().then(() => quiet = true);
  await turn();
  assertEquals([bench.ends, quiet], [[true], false]);
  const worker = bench.made.workers.worker();
  worker.reply(worker.last("command").ref);
  await turn();
  assertEquals([quiet, bench.codes()], [true, ["b:ok", "1:ok"]]);
  assertEquals([...bench.connection?.usedSessions ?? []], ["a"]);
});

Deno.test("stdio: an output without a reader is reported once, and does not end the input", async () => {
  const bench = new Bench();
  await turn();
  bench.gate = Promise.withResolvers();
  bench.gate.promise.catch(() => {});
  bench.router.announce("x", {});
  bench.router.announce("y", {});
  bench.gate.reject(new Error("EPIPE"));
  await turn();
  assertEquals([bench.broken, bench.router.connections.length], [1, 0]);
  bench.router.announce("z", {});
  await bench.eof();
  assertEquals([bench.broken, bench.ends], [1, []]);
});

Deno.test("stdio: a parent that takes nothing for 30 s is given up, once, and is not taken for gone", async () => {
  const bench = new Bench();
  await turn();
  bench.gate = Promise.withResolvers();
  bench.router.announce("one", {});
  await bench.made.clock.advance(29_999);
  assertEquals([bench.givenUp, bench.router.connections.length], [0, 1]);
  await bench.made.clock.advance(1);
  assertEquals([bench.givenUp, bench.broken, bench.router.connections.length], [1, 0, 0]);
  bench.gate.resolve();
  await bench.made.clock.advance(60_000);
  assertEquals([bench.givenUp, bench.broken], [1, 0]);
});

Deno.test("stdio: a broken input is an ended one", async () => {
  const bench = new Bench();
  await bench.send({ id: "1", type: "ping" });
  const input = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("EIO")) });
  const { clock } = bench.made;
  const ends: boolean[] = [];
  const transport = new StdioTransport({
    clock,
    router: bench.router,
    frameBytes: 1024,
    input,
    output: { write: () => Promise.resolve() },
    isRead: () => Promise.resolve(true),
    ended: (_connection, spoken) => ends.push(spoken),
    broken: () => {},
    givenUp: () => {},
  });
  await turn();
  assertEquals([ends, transport.endpoints], [[false], []]);
});

Deno.test("stdio: one write is under way at a time, and what gathers meanwhile leaves in one piece", async () => {
  const bench = new Bench();
  await turn();
  bench.writes.length = 0;
  bench.gate = Promise.withResolvers();
  for (const type of ["a", "b", "c"]) bench.router.announce(type, {});
  await turn();
  assertEquals(bench.writes, []);
  bench.gate.resolve();
  await turn();
  assertEquals(bench.writes.map((text) => text.split("\n").length - 1), [1, 2]);
});

Deno.test("stdio: close waits until the output is out, within its bound, and leaves no timer", async () => {
  const bench = new Bench();
  await turn();
  bench.gate = Promise.withResolvers();
  bench.router.announce("last", {});
  let closed = false;
  const closing = bench.transport.close(5_000).then(() => closed = true);
  await turn();
  assertEquals(closed, false);
  bench.gate.resolve();
  await closing;
  assertStringIncludes(bench.writes.join(""), '"last"');
  bench.router.close();
  bench.made.manager.heartbeat.stop();
  // The one that is left is the manager's, which looks for idle sessions.
  assertEquals([bench.made.clock.pending, bench.router.connections.length], [1, 0]);
  const stuck = new Bench();
  await turn();
  stuck.gate = Promise.withResolvers();
  stuck.router.announce("last", {});
  const given = stuck.transport.close(5_000);
  await stuck.made.clock.advance(5_000);
  await given;
  assert(!stuck.writes.join("").includes('"last"'));
  stuck.gate.resolve();
  await turn();
  assertEquals(stuck.ends, [], "a transport that was closed tells of no end");
});
