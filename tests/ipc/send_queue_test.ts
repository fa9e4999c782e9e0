// What leaves a worker: together what came together, in order, in batches of a size, no more than may be under way,
// and nothing that waits for a turn of the event loop that may never come.
import { assert, assertEquals } from "@std/assert";
import { CROSSING_BATCH_BYTES } from "../../src/governor/limits.ts";
import type { EncodedEvent, FromWorker } from "../../src/ipc/messages.ts";
import { SendQueue } from "../../src/ipc/send_queue.ts";
import { FakeClock } from "../support/base/fake_clock.ts";

const record = (seq: number, chars = 100): EncodedEvent => ({ seq, type: "t", text: "x".repeat(chars) });

/** A queue and what it has posted, in short: `a1-3` are events 1 to 3 of session a. */
class Bench {
  readonly clock = new FakeClock();
  readonly posts: string[][] = [];
  readonly bytes: number[] = [];
  readonly queue: SendQueue;
  readonly #seqs = new Map<string, number>();

  constructor(window = Infinity) {
    this.queue = new SendQueue(this.clock, (batch, bytes) => {
      this.posts.push(batch.map(brief));
      this.bytes.push(bytes);
    }, window);
  }

  /** Events in one go, without a turn in between. */
  events(sessionId: string, count: number, chars?: number): this {
    for (let n = 0; n < count; n++) {
      const seq = (this.#seqs.get(sessionId) ?? 0) + 1;
      this.#seqs.set(sessionId, seq);
      this.queue.sendEvent(sessionId, record(seq, chars));
    }
    return this;
  }

  send(ref: number): this {
    this.queue.send({ kind: "command_released", ref });
    return this;
  }

  async posted(ms = 0): Promise<string[][]> {
    await this.clock.advance(ms);
    return this.posts.splice(0);
  }
}

function brief(message: FromWorker): string {
  if (message.kind !== "events") return "ref" in message ? `${message.kind} ${message.ref}` : message.kind;
  return `${message.sessionId}${message.events[0]?.seq}-${message.events.at(-1)?.seq}`;
}

Deno.test("send queue: an event of a quiet worker leaves at once, with what came in the same turn, in order", async () => {
  const bench = new Bench();
  await bench.clock.advance(10);
  bench.events("a", 2).events("b", 1).send(7).events("a", 1);
  assertEquals(await bench.posted(), [["a1-2", "b1-1", "command_released 7", "a3-3"]]);
});

Deno.test("send queue: events of a fast stream wait for company; an answer takes them along at once", async () => {
  const bench = new Bench();
  await bench.clock.advance(10);
  assertEquals(await bench.events("a", 1).posted(), [["a1-1"]]);
  assertEquals(await bench.events("a", 1).posted(1), []);
  assertEquals(await bench.events("a", 1).posted(1), [["a2-3"]]);
  assertEquals(await bench.events("a", 1).posted(), []);
  assertEquals(await bench.send(1).posted(), [["a4-4", "command_released 1"]]);
  assertEquals(bench.clock.pending, 0);
});

Deno.test("send queue: a message holds so many events and bytes; one that is larger goes alone", async () => {
  const bench = new Bench();
  await bench.clock.advance(10);
  bench.events("a", 70);
  assertEquals(await bench.posted(), [["a1-32", "a33-64", "a65-70"]]);
  bench.events("a", 1).events("a", 1, 100_000).events("a", 1);
  assertEquals(await bench.posted(2), [["a71-71"], ["a72-72"], ["a73-73"]]);
});

Deno.test("send queue: a burst without a turn of the event loop does not wait for its end", async () => {
  const bench = new Bench();
  await bench.clock.advance(10);
  bench.events("a", 1);
  await Promise.resolve();
  // Timers never run in here, promises do.
  for (let n = 0; n < 1_000; n++) {
    bench.events("a", 1);
    await Promise.resolve();
  }
  assert(bench.posts.length > 2, `${bench.posts.length} posts within the burst`);
});

Deno.test("send queue: no more is posted than may be under way, and the rest follows in order", async () => {
  const bench = new Bench(2 * CROSSING_BATCH_BYTES);
  await bench.clock.advance(10);
  bench.events("a", 2_000).send(1);
  const first = (await bench.posted()).flat();
  const [, last] = /-(\d+)$/.exec(first.at(-1) ?? "") ?? [];
  assert(Number(last) > 500 && Number(last) < 1_300, `${last} events of 2000`);
  assertEquals(await bench.posted(1_000), [], "nothing has been taken");
  const all = [...first];
  for (let taken = 0; taken < bench.bytes.length; taken++) {
    bench.queue.addCredit(bench.bytes[taken] ?? 0);
    all.push(...(await bench.posted()).flat());
  }
  const events = all.slice(0, -1).map((one) => one.slice(1).split("-").map(Number));
  assertEquals([events[0]?.[0], events.at(-1)?.[1], all.at(-1)], [1, 2_000, "command_released 1"]);
  for (let at = 1; at < events.length; at++) assertEquals(events[at]?.[0], (events[at - 1]?.[1] ?? 0) + 1);
});

Deno.test("send queue: a flush posts everything, whatever is under way", async () => {
  const bench = new Bench(1);
  await bench.clock.advance(10);
  bench.events("a", 2_000).send(1).queue.flush();
  assertEquals((await bench.posted()).flat().at(-1), "command_released 1");
  assertEquals(await bench.posted(100), [], "and nothing twice");
});

Deno.test("send queue: a large message is made when it is posted, one at a time", async () => {
  const bench = new Bench(1_000);
  await bench.clock.advance(10);
  const made: number[] = [];
  const large = (ref: number) => (): FromWorker => {
    made.push(ref);
    return { kind: "reply", ref, reply: { ok: true, dataText: "x".repeat(100_000) } };
  };
  bench.send(1);
  for (const ref of [2, 3, 4]) bench.queue.send(large(ref));
  bench.send(5);
  assertEquals(made, []);
  assertEquals(await bench.posted(), [["command_released 1"], ["reply 2"]]);
  // The next one does not exist before the other side has handled this one.
  assertEquals(made, [2]);
  for (const bytes of bench.bytes.splice(0)) bench.queue.addCredit(bytes);
  assertEquals(await bench.posted(), [["reply 3"]]);
  for (const bytes of bench.bytes.splice(0)) bench.queue.addCredit(bytes);
  assertEquals([await bench.posted(), made], [[["reply 4"]], [2, 3, 4]]);
  for (const bytes of bench.bytes.splice(0)) bench.queue.addCredit(bytes);
  assertEquals(await bench.posted(), [["command_released 5"]]);
});
