// Messages of every length that a WebSocket frame's head tells in another way: each arrives whole and alone, and
// its length takes the fewest bytes, as RFC 6455 demands (which the raw channel checks).
import { assert, assertEquals } from "@std/assert";
import { follow, open } from "../../support/wire/delivery.ts";
import { arrayAt, messageText } from "../../support/base/json.ts";
import { shared } from "../suite.ts";

const test = shared();
const bytesOf = (text: string) => new TextEncoder().encode(text).length;

test("frames: around 126 bytes", async (bench) => {
  const client = await follow(bench);
  const sizes = new Set<number>();
  const { onText } = client.channel;
  client.channel.onText = (text) => {
    sizes.add(bytesOf(text));
    onText(text);
  };
  for (let chars = 1; chars <= 128; chars++) {
    assertEquals((await client.request({ type: "ping", id: "i".repeat(chars) })).success, true);
  }
  for (const size of [125, 126, 127]) {
    assert(sizes.has(size), `no message of ${size} bytes, but ${[...sizes]}`);
  }
});

test("frames: around 65,536 bytes, and two answers in one go", async (bench) => {
  const client = await follow(bench);
  const sessionId = await open(bench, client, { inMemory: true });
  const sizes = new Set<number>();
  let last = 0;
  const { onText } = client.channel;
  client.channel.onText = (text) => {
    if (text.includes('"command":"get_messages"')) sizes.add(last = bytesOf(text));
    onText(text);
  };
  let turns = 0;
  /** Says that, and asks twice for it; the bytes of the last answer. */
  const told = async (message: string): Promise<number> => {
    await client.ok({ type: "prompt", sessionId, message, waitFor: "settled" });
    const before = 2 * turns++ + 1;
    const asked = ["a", "b"].map((id) =>
      client.send({ type: "get_messages", sessionId, limit: 1, before, id })
    );
    for (const id of asked) {
      const { data } = await client.response(id);
      assertEquals(messageText(arrayAt(data, "messages")[0]), message);
    }
    client.messages.length = 0;
    return last;
  };
  bench.model.handler = () => ({ kind: "answer", deltas: ["ok"], calls: [], gateAfter: 0 });
  // From here on the counters in the answer have two digits.
  for (let n = 0; n < 12; n++) await told("größe");
  const around = await told("größe😀") - bytesOf("größe😀");
  for (let total = 65_532; total <= 65_540; total++) await told(`ß😀${"x".repeat(total - around - 6)}`);
  await told("x".repeat(300_000));
  bench.model.handler = undefined;
  for (const size of [65_535, 65_536]) {
    assert(sizes.has(size), `no message of ${size} bytes, but ${[...sizes]}`);
  }
});
