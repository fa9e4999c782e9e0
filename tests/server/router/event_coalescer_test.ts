// Merging of queued events: what may be joined, what gives way to what, which numbers an event then stands for,
// and that the bytes come out even.
import { assertEquals } from "@std/assert";
import type { EncodedEvent } from "../../../src/ipc/messages.ts";
import { EventEncoder } from "../../../src/worker/session/events/event_encoder.ts";
import type { SessionEvent } from "../../../src/protocol/events.ts";
import { EventCoalescer, type QueuedEvent } from "../../../src/server/router/event_coalescer.ts";

/** A record as a session makes it. */
function record(seq: number, event: SessionEvent, sessionId = "a"): EncodedEvent {
  return new EventEncoder(sessionId).encode(seq, event, event.type === "message_update");
}

const piece = (delta: string, contentIndex = 0, type = "text_delta", message = ""): SessionEvent => ({
  type: "message_update",
  message: { content: message },
  assistantMessageEvent: { type, contentIndex, delta, partial: { content: message } },
});
const tool = (toolCallId: string, partialResult: string): SessionEvent => ({
  type: "tool_execution_update",
  toolCallId,
  partialResult,
});
const plain = (name = "turn_start"): SessionEvent => ({ type: name });

/** What came off a queue, in short: `first-last what`. */
class Queue {
  readonly events = new EventCoalescer();
  readonly items: QueuedEvent[] = [];
  readonly #seqs = new Map<string, number>();
  readonly #full: boolean;
  bytes = 0;

  constructor(full = false) {
    this.#full = full;
  }

  add(event: SessionEvent, options: { merging?: boolean; sessionId?: string; skip?: number } = {}): this {
    const { merging = true, sessionId = "a", skip = 0 } = options;
    const seq = (this.#seqs.get(sessionId) ?? 0) + 1 + skip;
    this.#seqs.set(sessionId, seq);
    const made = record(seq, event, sessionId);
    const { item, bytes } = this.events.add(
      sessionId,
      made,
      this.#full ? made.full ?? made.text : made.text,
      merging,
    );
    this.bytes += bytes;
    if (item !== undefined) this.items.push(item);
    return this;
  }

  take(most = Infinity): string[] {
    const taken: string[] = [];
    while (this.items.length > 0 && taken.length < most) {
      const item = this.items.shift();
      const text = item === undefined ? undefined : this.events.take(item);
      if (text === undefined || item === undefined) continue;
      this.bytes -= item.bytes;
      taken.push(brief(JSON.parse(text)));
    }
    return taken;
  }
}

function brief({ seq, coalesced, event }: { seq: number; coalesced?: number; event: SessionEvent }): string {
  const update = event["assistantMessageEvent"] as { delta?: string } | undefined;
  const message = event["message"] as { content?: string } | undefined;
  const what = message?.content ?? update?.delta ?? event["partialResult"] ?? event.type;
  return `${coalesced === undefined ? "" : `${seq - coalesced + 1}-`}${seq} ${what}`;
}

Deno.test("event coalescer: pieces of one block are joined, in order, and stand for their numbers", () => {
  const queue = new Queue();
  for (const text of ["a", "b", "c"]) queue.add(piece(text));
  assertEquals([queue.items.length, queue.events.coalesced], [1, 2]);
  assertEquals(queue.take(), ["1-3 abc"]);
});

Deno.test("event coalescer: a joined event is a message like any other", () => {
  const queue = new Queue();
  queue.add(piece('quote " \u2028 ', 3, "thinking_delta")).add(piece("😀\\", 3, "thinking_delta"));
  const [item] = queue.items;
  const assistantMessageEvent = { type: "thinking_delta", contentIndex: 3, delta: 'quote " \u2028 😀\\' };
  const event = { type: "message_update", assistantMessageEvent };
  assertEquals(item === undefined ? undefined : JSON.parse(queue.events.take(item) ?? ""), {
    type: "event",
    sessionId: "a",
    seq: 2,
    coalesced: 2,
    event,
  });
});

Deno.test("event coalescer: an event that is not joined stays as it was", () => {
  const queue = new Queue();
  const made = record(1, piece("x"));
  const { item } = queue.events.add("a", made, made.text, true);
  assertEquals(item === undefined ? undefined : queue.events.take(item), made.text);
});

Deno.test("event coalescer: another block, another kind of piece, or anything in between starts anew", () => {
  const cases: [string, SessionEvent[], string[]][] = [
    ["another block", [piece("a"), piece("b", 1), piece("c", 1)], ["1 a", "2-3 bc"]],
    ["back to the first block", [piece("a"), piece("b", 1), piece("c")], ["1 a", "2 b", "3 c"]],
    ["another kind", [piece("a"), piece("b", 0, "thinking_delta")], ["1 a", "2 b"]],
    ["an event between", [piece("a"), plain(), piece("b"), piece("c")], ["1 a", "2 turn_start", "3-4 bc"]],
    ["a tool between", [piece("a"), tool("t", "one"), piece("b")], ["1 a", "2 one", "3 b"]],
    ["an end is not a piece", [piece("a"), piece("b", 0, "text_end")], ["1 a", "2 b"]],
  ];
  for (const [what, events, expected] of cases) {
    const queue = new Queue();
    for (const event of events) queue.add(event);
    assertEquals(queue.take(), expected, what);
  }
});

Deno.test("event coalescer: nothing is joined to what is sent already", () => {
  const queue = new Queue();
  queue.add(piece("a"));
  assertEquals(queue.take(), ["1 a"]);
  queue.add(piece("b")).add(piece("c"));
  assertEquals(queue.take(), ["2-3 bc"]);
});

Deno.test("event coalescer: joins only while the outbox asks for it, and then also events that were queued before", () => {
  const queue = new Queue();
  queue.add(piece("a"), { merging: false }).add(piece("b"), { merging: false }).add(piece("c"));
  queue.add(piece("d"), { merging: false });
  assertEquals(queue.take(), ["1 a", "2-3 bc", "4 d"]);
});

Deno.test("event coalescer: of a tool's states the last is kept; its numbers go to what came next", () => {
  const queue = new Queue();
  queue.add(tool("t", "one")).add(tool("u", "other")).add(tool("t", "two"));
  assertEquals(queue.take(), ["1-2 other", "3 two"]);
  queue.add(tool("t", "three")).add(tool("t", "four")).add(tool("t", "five"));
  assertEquals(queue.take(), ["4-6 five"]);
});

Deno.test("event coalescer: numbers are handed on over several events, and to joined pieces", () => {
  const queue = new Queue();
  queue.add(plain()).add(tool("t", "one")).add(tool("u", "one")).add(piece("a")).add(piece("b"));
  queue.add(tool("u", "two")).add(tool("t", "two"));
  assertEquals(queue.take(), ["1 turn_start", "2-5 ab", "6 two", "7 two"]);
});

Deno.test("event coalescer: a state that is sent already is not taken back", () => {
  const queue = new Queue();
  queue.add(tool("t", "one")).add(plain());
  assertEquals(queue.take(1), ["1 one"]);
  queue.add(tool("t", "two"));
  assertEquals(queue.take(), ["2 turn_start", "3 two"]);
});

Deno.test("event coalescer: events from the time without joining are replaced too", () => {
  const queue = new Queue();
  queue.add(tool("t", "one"), { merging: false }).add(plain()).add(tool("t", "two"));
  assertEquals(queue.take(), ["1-2 turn_start", "3 two"]);
});

Deno.test("event coalescer: of full updates the last one is kept, of one message and of the next", () => {
  const queue = new Queue(true);
  queue.add(piece("a", 0, "text_delta", "so a")).add(piece("b", 0, "text_delta", "so ab"));
  queue.add(piece("c", 1, "thinking_delta", "so abc"));
  assertEquals(queue.take(), ["1-3 so abc"]);
  queue.add(piece("d", 0, "text_delta", "so abcd")).add(plain("message_end"));
  queue.add(piece("x", 0, "text_delta", "new x"));
  assertEquals(queue.take(), ["4-5 message_end", "6 new x"]);
});

Deno.test("event coalescer: sessions do not mix", () => {
  const queue = new Queue();
  queue.add(piece("a")).add(piece("x"), { sessionId: "b" }).add(piece("b")).add(piece("y"), {
    sessionId: "b",
  });
  queue.add(tool("t", "one")).add(tool("t", "two"), { sessionId: "b" });
  assertEquals(queue.take(), ["1-2 ab", "1-2 xy", "3 one", "3 two"]);
});

Deno.test("event coalescer: sessions with names of JavaScript's own are sessions", () => {
  const queue = new Queue();
  for (const sessionId of ["__proto__", "constructor", "toString"]) {
    queue.add(tool("__proto__", "one"), { sessionId }).add(tool("__proto__", "two"), { sessionId });
    assertEquals(queue.take(), ["1-2 two"], sessionId);
  }
});

Deno.test("event coalescer: forget ends joining, for one session or for all", () => {
  for (const target of ["a", "*"]) {
    const queue = new Queue();
    queue.add(piece("a")).add(tool("t", "one"));
    queue.events.forget(target);
    queue.add(tool("t", "two")).add(piece("b"));
    assertEquals(queue.take(), ["1 a", "2 one", "3 two", "4 b"], target);
  }
  const queue = new Queue();
  queue.add(piece("a"));
  queue.events.forget("b");
  queue.add(piece("b"));
  assertEquals(queue.take(), ["1-2 ab"], "another session's is none of its business");
});

Deno.test("event coalescer: after forget what was queued may be taken while more is added", () => {
  const queue = new Queue();
  queue.add(piece("a")).add(piece("b"));
  queue.events.forget("a");
  queue.add(piece("c"));
  assertEquals(queue.take(1), ["1-2 ab"]);
  queue.add(piece("d"));
  assertEquals(queue.take(), ["3-4 cd"]);
});

Deno.test("event coalescer: where events are left out, an event stands for all numbers since the first it holds", () => {
  const queue = new Queue();
  queue.add(piece("a")).add(piece("b"), { skip: 2 }).add(piece("c"), { skip: 1 });
  assertEquals(queue.take(), ["1-6 abc"]);
});

Deno.test("event coalescer: a tool that is called like nothing else keeps its states from a message's", () => {
  const queue = new Queue(true);
  queue.add(tool("message", "state")).add(piece("a", 0, "text_delta", "so a"));
  assertEquals(queue.take(), ["1 state", "2 so a"]);
});

Deno.test("event coalescer: the bytes are those of what is queued, and come out even, in any order", () => {
  const queue = new Queue();
  const events = [
    piece("aa"),
    piece("bb"),
    tool("t", "x".repeat(50)),
    plain(),
    tool("t", "y"),
    piece("c", 1),
  ];
  const seed = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3, 3, 8, 3, 2, 7];
  for (const [at, digit] of seed.entries()) {
    const event = events[digit % events.length];
    if (event !== undefined) queue.add(event, { merging: digit !== 4 });
    if (digit === 9) queue.take(2);
    if (digit === 7) queue.events.forget("*");
    const queued = queue.items.filter(({ state }) => state === "queued");
    assertEquals(queue.events.bytes, queued.reduce((sum, { bytes }) => sum + bytes, 0), `step ${at}`);
    assertEquals(queue.bytes, queue.events.bytes, `step ${at}`);
  }
  queue.take();
  assertEquals([queue.events.bytes, queue.bytes], [0, 0]);
});

Deno.test("event coalescer: clear forgets bytes and neighbours", () => {
  const queue = new Queue();
  queue.add(piece("a")).add(tool("t", "one"));
  queue.events.clear();
  queue.items.splice(0);
  assertEquals(queue.events.bytes, 0);
  queue.add(tool("t", "two")).add(piece("b"));
  assertEquals(queue.take(), ["3 two", "4 b"]);
});
