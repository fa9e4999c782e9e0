// How far messages have come, as the session's events tell it: begun when they left the queue, done when their run has
// settled, and those still in the queue neither.
import { assertEquals } from "@std/assert";
import { MessageTracker } from "../../../src/worker/session/message_tracker.ts";
import { turn } from "../../support/base/fake_clock.ts";

class Bench {
  readonly told: string[] = [];
  readonly messages = new MessageTracker((ref, state) => this.told.push(`${ref} ${state}`));

  queued(ref: number, kind: "steer" | "followUp", text: string): void {
    this.messages.accept(ref, { disposition: "queued", queued: { kind, text } });
  }

  queue(steering: string[], followUp: string[] = []): void {
    this.messages.follow({ type: "queue_update", steering, followUp });
  }

  settle(): void {
    this.messages.follow({ type: "agent_settled" });
  }

  take(): string[] {
    return this.told.splice(0);
  }
}

Deno.test("messages: a prompt that started has begun, and is done when its run has settled", () => {
  const bench = new Bench();
  bench.messages.accept(1, { disposition: "started" });
  assertEquals(bench.take(), ["1 began"]);
  bench.settle();
  bench.settle();
  assertEquals(bench.take(), ["1 done"]);
});

Deno.test("messages: a queued one begins when it leaves the queue", () => {
  const bench = new Bench();
  bench.messages.accept(1, { disposition: "started" });
  bench.queue(["s"]);
  bench.queued(2, "steer", "s");
  bench.queue(["s"], ["f"]);
  bench.queued(3, "followUp", "f");
  assertEquals(bench.take(), ["1 began", "2 accepted", "3 accepted"]);
  bench.queue([], ["f"]);
  assertEquals(bench.take(), ["2 began"]);
  bench.queue([], []);
  bench.settle();
  assertEquals(bench.take(), ["3 began", "1 done", "2 done", "3 done"]);
});

Deno.test("messages: what a failed run has left in the queue waits for the next one", () => {
  const bench = new Bench();
  bench.messages.accept(1, { disposition: "started" });
  bench.queue([], ["f"]);
  bench.queued(2, "followUp", "f");
  bench.settle();
  assertEquals(bench.take(), ["1 began", "2 accepted", "1 done"]);
  bench.queue([], []);
  bench.settle();
  assertEquals(bench.take(), ["2 began", "2 done"]);
});

Deno.test("messages: of equal texts the one that came first leaves the queue first", () => {
  const bench = new Bench();
  bench.queue(["same", "same"]);
  bench.queued(1, "steer", "same");
  bench.queued(2, "steer", "same");
  bench.take();
  bench.queue(["same"]);
  assertEquals(bench.take(), ["1 began"]);
});

Deno.test("messages: a slash command is done when its handler has returned, a replaced session leaves no queue", async () => {
  const bench = new Bench();
  const returned = Promise.withResolvers<void>();
  bench.messages.accept(1, { disposition: "handled", returned: returned.promise });
  bench.settle();
  assertEquals(bench.take(), ["1 began"]);
  returned.resolve();
  await turn();
  assertEquals(bench.take(), ["1 done"]);
  bench.queue(["s"]);
  bench.queued(2, "steer", "s");
  bench.messages.follow({ type: "session_replaced" });
  bench.settle();
  assertEquals(bench.take(), ["2 accepted", "2 began", "2 done"]);
});

Deno.test("messages: messages that wait when the server stops stay unfinished, although the queue is emptied", () => {
  const bench = new Bench();
  bench.messages.accept(1, { disposition: "started" });
  bench.queue(["s"], ["f"]);
  bench.queued(2, "steer", "s");
  bench.queued(3, "followUp", "f");
  bench.take();
  bench.messages.keepQueued();
  bench.queue([], []);
  bench.settle();
  assertEquals(bench.take(), ["1 done"]);
});
