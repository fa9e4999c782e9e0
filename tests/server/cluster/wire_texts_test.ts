// What a gateway reads of a message that it passes on, against what the server writes.
import { assertEquals } from "@std/assert";
import { encodeFailure, encodeSuccess } from "../../../src/protocol/envelope.ts";
import { failure } from "../../../src/protocol/errors.ts";
import { encodeEvent, encodeServerEvent } from "../../../src/protocol/events.ts";
import { headingOf, isDialog, startOf } from "../../../src/server/cluster/gateway/wire_texts.ts";

Deno.test("wire texts: events, responses, lagged and server events as the server writes them", () => {
  const event = encodeEvent("a.b-c", 41, { type: "agent_start" });
  assertEquals(headingOf(event), { kind: "event", sessionId: "a.b-c", seq: 41 });
  const id = 'odd "id"\\\n€';
  assertEquals(headingOf(encodeSuccess({ id, command: "prompt", sessionId: "a", sessionVersion: 3 }, "{}")), {
    kind: "response",
    id,
    command: "prompt",
    success: true,
    sessionId: "a",
  });
  assertEquals(headingOf(encodeFailure({ command: "unknown" }, failure("internal", "m"))), {
    kind: "response",
    command: "unknown",
    success: false,
  });
  assertEquals(headingOf(JSON.stringify({ type: "lagged", sessionId: "a", epoch: "e", afterSeq: 1 })), {
    kind: "lagged",
    sessionId: "a",
  });
  assertEquals(headingOf(encodeServerEvent("session_created", { sessionId: "a" })), {
    kind: "other",
    type: "session_created",
  });
});

Deno.test("wire texts: a longest id with escapes in each character is still read", () => {
  const id = "\u0001".repeat(128);
  const heading = headingOf(encodeSuccess({ id, command: "get_available_thinking_levels" }, "{}"));
  assertEquals(heading.kind === "response" ? heading.id : undefined, id);
});

Deno.test("wire texts: the start of a subscription, and which events are dialogs", () => {
  const answer = encodeSuccess(
    { id: "1", command: "subscribe", sessionId: "a", sessionVersion: 7 },
    '{"mode":"replay","epoch":"e","seq":9}',
  );
  assertEquals(startOf(answer), { mode: "replay", epoch: "e", seq: 9 });
  assertEquals(startOf(encodeFailure({ command: "subscribe" }, failure("internal", "m"))), undefined);
  assertEquals(isDialog(encodeEvent("a", 1, { type: "extension_ui_request", requestId: "r" })), true);
  assertEquals(isDialog(encodeEvent("a", 1, { type: "message_end", text: "extension_ui_request" })), false);
});
