// The last bytes of a stream in one buffer: never less than half of it, in the order of the stream.

import { assert, assertEquals } from "@std/assert";
import { ByteTail } from "../../../../src/worker/pi/tools/byte_tail.ts";

Deno.test("it holds the end of the stream, whatever the pieces are", () => {
  for (const size of [97, 500, 2_000, 4_000, 4_001, 9_000]) {
    const tail = new ByteTail(8_000);
    const whole: number[] = [];
    for (let n = 0; whole.length < 20_000; n++) {
      const piece = Uint8Array.from({ length: size }, (_, at) => (n * size + at) % 251);
      tail.push(piece);
      whole.push(...piece);
      const { bytes } = tail;
      assert(bytes.length <= 8_000 && bytes.length >= Math.min(whole.length, 4_000), `${bytes.length}`);
      assertEquals(bytes.join(), whole.slice(-bytes.length).join(), `${size} bytes a piece`);
    }
  }
});

Deno.test("nothing, and an empty piece", () => {
  const tail = new ByteTail(8_000);
  assertEquals(tail.bytes.length, 0);
  tail.push(new Uint8Array());
  assertEquals(tail.bytes.length, 0);
});
