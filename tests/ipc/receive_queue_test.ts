// What a worker says is taken in order and a slice at a time, and said to be taken; at its end all that is left.
import { assertEquals } from "@std/assert";
import { CROSSING_BATCH_BYTES } from "../../src/governor/limits.ts";
import type { FromWorker } from "../../src/ipc/messages.ts";
import { ReceiveQueue } from "../../src/ipc/receive_queue.ts";

/** An inbox whose messages take a millisecond each, and whose turns the test makes. */
class Bench {
  readonly refs: number[] = [];
  readonly acknowledged: number[] = [];
  readonly inbox: ReceiveQueue;
  onTake: (ref: number) => void = () => {};
  #now = 0;
  #soon: (() => void)[] = [];
  #ref = 0;

  constructor() {
    this.inbox = new ReceiveQueue({
      clock: { monotonic: () => this.#now, nextTick: (fn) => this.#soon.push(fn) },
      handle: (message) => {
        this.#now++;
        const ref = "ref" in message ? message.ref : 0;
        this.refs.push(ref);
        this.onTake(ref);
      },
      addCredit: (bytes) => this.acknowledged.push(bytes),
    });
  }

  push(count: number, bytes = 1): void {
    const messages = Array.from({ length: count }, (): FromWorker => ({ kind: "idle", ref: ++this.#ref }));
    this.inbox.enqueueBatch(messages, bytes);
  }

  /** A turn of the event loop; how many messages were taken in it. */
  turn(): number {
    const before = this.refs.length;
    for (const fn of this.#soon.splice(0)) fn();
    return this.refs.length - before;
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

Deno.test("receive queue: a little is taken at once, much in slices, all in order", () => {
  const bench = new Bench();
  bench.push(2);
  assertEquals([bench.refs, bench.turn()], [[1, 2], 0]);
  bench.push(5);
  bench.push(3);
  assertEquals(bench.refs, upTo(4), "two milliseconds are over");
  assertEquals([bench.turn(), bench.turn(), bench.turn(), bench.turn()], [2, 2, 2, 0]);
  assertEquals(bench.refs, upTo(10));
  bench.push(1);
  assertEquals(bench.refs, upTo(11), "idle again, it takes at once");
});

Deno.test("receive queue: batches are acknowledged once they are taken whole, many small ones together", () => {
  const bench = new Bench();
  bench.push(3, CROSSING_BATCH_BYTES);
  assertEquals(bench.acknowledged, []);
  bench.turn();
  assertEquals(bench.acknowledged, [CROSSING_BATCH_BYTES]);
  for (let n = 0; n < 3; n++) bench.push(1, CROSSING_BATCH_BYTES / 2);
  bench.turn();
  assertEquals(bench.acknowledged, [CROSSING_BATCH_BYTES, CROSSING_BATCH_BYTES]);
});

Deno.test("receive queue: at the end everything is taken at once; closed, nothing is, not even what waits", () => {
  const ended = new Bench();
  ended.push(9);
  ended.inbox.handleRest();
  ended.push(1);
  assertEquals([ended.refs, ended.turn()], [upTo(9), 0]);
  const closed = new Bench();
  closed.onTake = (ref) => ref === 1 && closed.inbox.discard();
  closed.push(2);
  closed.push(2);
  assertEquals([closed.refs, closed.turn(), closed.acknowledged], [[1], 0, []]);
});
