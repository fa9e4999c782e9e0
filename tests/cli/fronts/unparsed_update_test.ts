// The address of an update, as the server writes it.
import { assertEquals } from "@std/assert";
import { readUpdate } from "../../../src/cli/fronts/rpc/unparsed_update.ts";
import { encodeEvent, eventPrefix } from "../../../src/protocol/events.ts";

Deno.test("unparsed update: what the server encodes is recognized, alone and merged", () => {
  const event = { type: "message_update", text: '\n"}{' };
  const json = JSON.stringify(event);
  assertEquals(readUpdate(encodeEvent("s-1", 7, event)), { sessionId: "s-1", seq: 7, covers: 1, json });
  const merged = `${eventPrefix("s-1", 9)}"coalesced":3,"event":${json}}`;
  assertEquals(readUpdate(merged), { sessionId: "s-1", seq: 9, covers: 3, json });
});

Deno.test("unparsed update: bytes are recognized as their text is, and stay bytes", () => {
  const utf8 = new TextEncoder();
  const event = { type: "message_update", text: "größer 🦊" };
  const sessionId = "s".repeat(128);
  const found = readUpdate(utf8.encode(encodeEvent(sessionId, Number.MAX_SAFE_INTEGER, event)));
  assertEquals(found, {
    sessionId,
    seq: Number.MAX_SAFE_INTEGER,
    covers: 1,
    json: utf8.encode(JSON.stringify(event)),
  });
  assertEquals(readUpdate(utf8.encode(encodeEvent("s", 1, { type: "message_end" }))), undefined);
  assertEquals(readUpdate(new Uint8Array()), undefined);
});

Deno.test("unparsed update: other messages and other events are left to the parser", () => {
  const others = [
    encodeEvent("s", 1, { type: "message_end" }),
    '{"type":"response","data":{"type":"event"}}',
    '{"type":"event","sessionId":"a\\"b","seq":1,"event":{"type":"message_update"}}',
    ` ${encodeEvent("s", 1, { type: "message_update" })}`,
    "",
  ];
  for (const text of others) assertEquals(readUpdate(text), undefined, text);
});
