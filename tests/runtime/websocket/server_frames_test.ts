// The frames of a server: whole, without a mask, with each of the three forms of a length.
import { assertEquals } from "@std/assert";
import { closeFrame, headOf, textFrame } from "../../../src/runtime/websocket/server_frames.ts";

for (const [length, head] of [[0, 2], [125, 2], [126, 4], [65_535, 4], [65_536, 10]] as const) {
  Deno.test(`server frames: a text of ${length} bytes`, () => {
    const bytes = textFrame("x".repeat(length));
    const view = new DataView(bytes.buffer);
    assertEquals([bytes.length, headOf(length), bytes[0]], [head + length, head, 0x81]);
    const told = head === 2 ? bytes[1] : head === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
    assertEquals(told, length);
    if (head > 2) assertEquals(bytes[1], head === 4 ? 126 : 127);
    assertEquals(bytes.subarray(head).every((byte) => byte === 0x78), true);
  });
}

Deno.test("server frames: a length counts bytes of UTF-8", () => {
  assertEquals([...textFrame("é")], [0x81, 2, 0xc3, 0xa9]);
});

Deno.test("server frames: a close has a code and a reason", () => {
  assertEquals([...closeFrame(1009, "no")], [0x88, 4, 0x03, 0xf1, 0x6e, 0x6f]);
});
