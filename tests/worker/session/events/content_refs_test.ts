// References in the place of large texts: what stays, what goes, and that all of it comes back.

import { assert, assertEquals } from "@std/assert";
import { common } from "../../../../src/runtime/common.ts";
import { clock } from "../../../../src/runtime/running_clock.ts";
import { newestJson, oldestJson } from "../../../../src/worker/session/events/bounded_json.ts";
import { ContentRefs } from "../../../../src/worker/session/events/content_refs.ts";

const make = (): ContentRefs => new ContentRefs(common.content, clock);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const hashOf = (content: string | Uint8Array): string => common.content.hash(content);

interface Ref {
  readonly contentRef: {
    readonly hash: string;
    readonly kind: string;
    readonly size: number;
    readonly mediaType?: string;
  };
}

/** Runs the turns that a search takes. */
async function found(
  refs: ContentRefs,
  hash: string,
  history: readonly unknown[],
): Promise<Uint8Array | undefined> {
  const content = await refs.find(hash, () => history);
  return content === undefined ? undefined : new Uint8Array(content.slice(0, content.ref.size));
}

Deno.test("content refs: what is short stays the same object", () => {
  const item = { role: "user", content: [{ type: "text", text: "short" }] };
  assertEquals(make().shortened(item) === item, true);
});

Deno.test("content refs: a large text in any place is replaced, and the item is not changed", async () => {
  const long = "ä".repeat(70_000);
  const item = {
    role: "assistant",
    content: [{ type: "toolCall", arguments: { path: "a", lines: ["b", long] } }],
  };
  const before = JSON.stringify(item);
  const refs = make();
  const short = JSON.stringify(refs.shortened(item));
  assertEquals(JSON.stringify(item), before);
  const ref = { hash: hashOf(long), kind: "text", size: 140_000 };
  assertEquals(JSON.parse(short).content[0].arguments, { path: "a", lines: ["b", { contentRef: ref }] });
  assertEquals(await found(refs, ref.hash, []), utf8(long));
  // Another worker has seen nothing, and searches.
  assertEquals(await found(make(), ref.hash, [{ role: "user" }, item]), utf8(long));
  assertEquals(await found(make(), ref.hash, [{ role: "user" }]), undefined);
});

Deno.test("content refs: an image is its bytes, and one in bad base64 stays a text", async () => {
  const bytes = new Uint8Array(60_001).map((_, at) => at % 251);
  const data = common.content.toBase64(bytes);
  const image = { type: "image", data, mimeType: "image/png" };
  const odd = { type: "image", data: `${data.slice(0, -4)}*&^%`, mimeType: "image/png" };
  const refs = make();
  const [first, second] = refs.shortened([image, odd]) as [{ data: Ref }, { data: Ref }];
  assertEquals(first.data.contentRef, {
    hash: hashOf(bytes),
    kind: "image",
    size: 60_001,
    mediaType: "image/png",
  });
  assertEquals(second.data.contentRef.kind, "text");
  assertEquals(await found(refs, second.data.contentRef.hash, []), utf8(odd.data));
  const content = await refs.find(hashOf(bytes), () => []);
  for (const [offset, length] of [[0, 1], [1, 1], [2, 5], [59_998, 100], [60_001, 5], [7, 30_000]] as const) {
    assertEquals(
      new Uint8Array(content?.slice(offset, length) ?? []),
      bytes.subarray(offset, offset + length),
      `${offset} ${length}`,
    );
  }
});

Deno.test("content refs: a text that has changed is not given out under the old hash", async () => {
  const block = { type: "text", text: "a".repeat(70_000) };
  const refs = make();
  refs.shortened([block]);
  const old = hashOf(block.text);
  block.text = "b".repeat(70_000);
  assertEquals(await found(refs, old, [[block]]), undefined);
  assertEquals(await found(refs, hashOf(block.text), [[block]]), utf8(block.text));
});

Deno.test("content refs: an item fits whatever it holds, and comes back whole", async () => {
  const words = {
    role: "toolResult",
    content: Array.from({ length: 500 }, (_, n) => `${n} ${"w".repeat(1_000)}`),
  };
  const numbers = { role: "toolResult", details: Array.from({ length: 100_000 }, (_, n) => n) };
  for (const item of [words, numbers]) {
    const refs = make();
    const { text } = newestJson([item], 200_000, undefined, refs);
    assert(text.length <= 200_000, `${text.length}`);
    assertEquals(oldestJson([item], 200_000, refs).text, text);
    const [short] = JSON.parse(text);
    assertEquals(short.role, "toolResult");
    if (item === numbers) {
      assertEquals(short.contentRef.kind, "json");
      const json = await found(make(), short.contentRef.hash, [item]);
      assertEquals(JSON.parse(new TextDecoder().decode(json)), numbers);
    } else {
      assertEquals(
        await found(make(), short.content[499].contentRef.hash, [item]),
        utf8(words.content[499] ?? ""),
      );
    }
  }
});

Deno.test("content refs: a circle ends", () => {
  const circle: { text: string; self?: unknown; again?: unknown } = { text: "t".repeat(70_000) };
  circle.self = circle;
  circle.again = [circle, circle];
  assert(make().shortened(circle) !== circle);
});
