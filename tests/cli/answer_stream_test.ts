// The text of a run: written once, in order, a line for each answer, whatever became of the events on their way.
import { assertEquals } from "@std/assert";
import { AnswerStream } from "../../src/cli/run/answer_stream.ts";
import type { SubscriptionItem } from "../../src/client/mod.ts";

const answer = (text: string) => ({ role: "assistant", content: [{ type: "text", text }] });
const user = (text: string) => ({ role: "user", content: [{ type: "text", text }] });

let seq = 0;
const event = (fields: { type: string; [name: string]: unknown }): SubscriptionItem => ({
  kind: "event",
  sessionId: "a",
  seq: ++seq,
  event: fields,
});
const delta = (text: string): SubscriptionItem =>
  event({
    type: "message_update",
    assistantMessageEvent: { type: "text_delta", contentIndex: 0, delta: text },
  });
const end = (message: unknown): SubscriptionItem => event({ type: "message_end", message });

/** A snapshot; only what the stream looks at is in it. */
function snapshot(
  messages: unknown[],
  streamingMessage?: unknown,
  messageCount = messages.length,
): SubscriptionItem {
  const state = {
    messages,
    messageCount,
    streamingMessage,
    runningTools: [],
    queue: { steering: [], followUp: [] },
  };
  return {
    kind: "snapshot",
    sessionId: "a",
    epoch: "e",
    seq: ++seq,
    missed: true,
    snapshot: state,
  } as unknown as SubscriptionItem;
}

/** All that is written for these items. */
function written(items: readonly SubscriptionItem[], before = 0): string {
  const stream = new AnswerStream(before);
  return items.map((item) => stream.next(item)).join("");
}

Deno.test("answer stream: pieces as they come, and one line end after each answer", () => {
  assertEquals(
    written([delta("a"), delta("b"), end(answer("ab")), delta("c\n"), end(answer("c\n"))]),
    "ab\nc\n",
  );
});

Deno.test("answer stream: what the user and tools say is not the answer; an answer without text has no line", () => {
  const tool = { role: "toolResult", content: [{ type: "text", text: "out" }] };
  assertEquals(written([end(user("hi")), end(answer("")), end(tool), delta("x"), end(answer("x"))]), "x\n");
});

Deno.test("answer stream: a whole answer without its pieces is written whole", () => {
  assertEquals(written([delta("a"), end(answer("abc"))]), "abc\n");
  assertEquals(written([end(answer("abc"))]), "abc\n");
});

Deno.test("answer stream: a snapshot adds what is missing and nothing twice", () => {
  const old = [user("earlier"), answer("before")];
  const now = [...old, user("hi"), answer("one"), answer("two")];
  const caughtUp = [delta("on"), snapshot(now, answer("thr")), delta("ee"), end(answer("three"))];
  assertEquals(written(caughtUp, old.length), "one\ntwo\nthree\n");
  const known = [delta("one"), end(answer("one")), snapshot(now, undefined)];
  assertEquals(written(known, old.length), "one\ntwo\n");
  // Only the newest messages are in it.
  assertEquals(
    written([delta("one"), end(answer("one")), snapshot([answer("two")], undefined, 5)], 2),
    "one\n",
  );
});

Deno.test("answer stream: an answer that was cut gets its line end from rest, and only once", () => {
  const stream = new AnswerStream(0);
  assertEquals(stream.next(delta("half")), "half");
  assertEquals([stream.rest(null), stream.rest(null)], ["\n", ""]);
  const whole = new AnswerStream(0);
  whole.next(delta("ha"));
  assertEquals(whole.rest("half"), "lf\n");
});
