// The delta form of every kind of event, what an event costs, and events that cannot be encoded.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  encodeEvent,
  encodeServerEvent,
  EVENT_SCHEMAS,
  PI_EVENTS,
  type SessionEvent,
  toDelta,
} from "../../src/protocol/events.ts";

const MESSAGE = { role: "assistant", content: [{ type: "text", text: "Hello" }] };

function update(assistantMessageEvent: Record<string, unknown>): SessionEvent {
  return { type: "message_update", message: MESSAGE, assistantMessageEvent, kept: 1 };
}

/** `assistantMessageEvent` of the delta form. */
function slim(assistantMessageEvent: Record<string, unknown>): unknown {
  const event = toDelta(update(assistantMessageEvent));
  assertEquals(Object.keys(event).sort(), ["assistantMessageEvent", "kept", "type"]);
  return event["assistantMessageEvent"];
}

for (const kind of ["text", "thinking", "toolcall"]) {
  Deno.test(`events: ${kind} updates lose the message so far, and the end loses its content`, () => {
    const start = { type: `${kind}_start`, contentIndex: 1 };
    assertEquals(slim({ ...start, partial: MESSAGE }), start);
    const delta = { type: `${kind}_delta`, contentIndex: 1, delta: "lo" };
    assertEquals(slim({ ...delta, partial: MESSAGE }), delta);
    const end = { type: `${kind}_end`, contentIndex: 1, contentSignature: "s" };
    assertEquals(slim({ ...end, content: "Hello", toolCall: { id: "t" }, partial: MESSAGE }), end);
  });
}

Deno.test("events: the first and last update of a message lose the message they carry", () => {
  assertEquals(slim({ type: "start", partial: MESSAGE }), { type: "start" });
  assertEquals(slim({ type: "done", reason: "stop", message: MESSAGE }), { type: "done", reason: "stop" });
  assertEquals(slim({ type: "error", reason: "aborted", error: MESSAGE }), {
    type: "error",
    reason: "aborted",
  });
});

Deno.test("events: only ends lose their content", () => {
  assertEquals(slim({ type: "other", content: "c", toolCall: 1 }), {
    type: "other",
    content: "c",
    toolCall: 1,
  });
});

Deno.test("events: a message_update without a proper assistantMessageEvent passes", () => {
  for (const odd of [undefined, null, 5, "x"]) {
    const event = toDelta({ type: "message_update", message: MESSAGE, assistantMessageEvent: odd });
    assertEquals(event, { type: "message_update", assistantMessageEvent: odd });
  }
});

Deno.test("events: turn_end and agent_end lose their messages and nothing else", () => {
  const turn = { type: "turn_end", message: MESSAGE, toolResults: [MESSAGE], turn: 3 };
  assertEquals(toDelta(turn), { type: "turn_end", turn: 3 });
  assertEquals(toDelta({ type: "agent_end", messages: [MESSAGE], why: "x" }), {
    type: "agent_end",
    why: "x",
  });
});

Deno.test("events: every other kind has one form, the event itself", () => {
  const slimmed = ["message_update", "turn_end", "agent_end"];
  const others = [...PI_EVENTS, ...Object.keys(EVENT_SCHEMAS), "future_event", "__proto__", "constructor"];
  for (const type of others.filter((name) => !slimmed.includes(name))) {
    const event = { type, message: MESSAGE, messages: [MESSAGE], content: "c" };
    assertStrictEquals(toDelta(event), event, type);
  }
});

Deno.test("events: toDelta leaves pi's own event alone", () => {
  const event = update({ type: "text_end", contentIndex: 0, content: "Hello", partial: MESSAGE });
  const before = structuredClone(event);
  toDelta(event);
  assertEquals(event, before);
});

/** Bytes of all delta forms of a message of `words` deltas, streamed the way pi does. */
function costOf(words: number): number {
  let text = "";
  let cost = 0;
  const send = (inner: Record<string, unknown>): void => {
    const message = { role: "assistant", content: [{ type: "text", text }] };
    const event = { type: "message_update", message, assistantMessageEvent: { ...inner, partial: message } };
    cost += encodeEvent("a", 1, toDelta(event)).length;
  };
  send({ type: "text_start", contentIndex: 0 });
  for (let word = 0; word < words; word++) {
    text += "word ";
    send({ type: "text_delta", contentIndex: 0, delta: "word " });
  }
  send({ type: "text_end", contentIndex: 0, content: text });
  return cost;
}

Deno.test("events: the deltas of a message cost in proportion to its length", () => {
  const [small, large] = [costOf(100), costOf(2000)];
  assert(large <= small * 20, `${small} bytes for 100 words, ${large} for 2000`);
});

Deno.test("events: an event is encoded with its address in front", () => {
  assertEquals(
    encodeEvent("a", 41, { type: "agent_start" }),
    '{"type":"event","sessionId":"a","seq":41,"event":{"type":"agent_start"}}',
  );
  assertEquals(JSON.parse(encodeEvent("__proto__", 1, { type: "x" })).sessionId, "__proto__");
});

Deno.test("events: what cannot be encoded keeps its type and seq", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  const details: readonly unknown[] = [
    cycle,
    10n,
    {
      get value(): never {
        throw new Error("no");
      },
    },
    {
      toJSON(): never {
        throw new Error("no");
      },
    },
  ];
  for (const detail of details) {
    const text = encodeEvent("a", 7, { type: "tool_execution_end", result: { detail } });
    assertEquals(JSON.parse(text), {
      type: "event",
      sessionId: "a",
      seq: 7,
      event: { type: "tool_execution_end", unencodable: true },
    });
  }
});

Deno.test("events: a server event has its data and no cursor", () => {
  assertEquals(JSON.parse(encodeServerEvent("session_created", { sessionId: "a" })), {
    type: "session_created",
    data: { sessionId: "a" },
  });
});
