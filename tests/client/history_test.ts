// Reading a history through the client: pages in both directions, contents in pieces, texts that come back.

import { assertEquals } from "@std/assert";
import { contentRefOf, entryPages, fillTexts, messagesIn, readContent } from "../../src/client/mod.ts";
import type { Client } from "../../src/client/mod.ts";

/** A client whose answers come from a function; the commands that it got. */
function clientOf(
  answer: (type: string, fields: Record<string, unknown>) => unknown,
): { client: Pick<Client, "request">; asked: unknown[] } {
  const asked: unknown[] = [];
  const request = (type: string, fields: Record<string, unknown>): Promise<unknown> => {
    asked.push({ type, ...fields });
    return Promise.resolve(answer(type, fields));
  };
  return { client: { request } as unknown as Pick<Client, "request">, asked };
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** Contents by hash, in pieces of 3 bytes. */
function holding(contents: Record<string, Uint8Array>): ReturnType<typeof clientOf> {
  return clientOf((_type, { ref, offset = 0 }) => {
    const bytes = contents[String(ref)] ?? new Uint8Array();
    const end = Math.min(bytes.length, Number(offset) + 3);
    return {
      data: base64(bytes.subarray(Number(offset), end)),
      ...(end < bytes.length ? { nextOffset: end } : {}),
    };
  });
}

Deno.test("client history: a content comes whole from its pieces, and an empty one at once", async () => {
  const bytes = new Uint8Array([0, 1, 2, 253, 254, 255, 7]);
  const { client, asked } = holding({ h: bytes });
  assertEquals(await readContent(client, "a", { hash: "h" }), bytes);
  assertEquals(asked.length, 3);
  assertEquals(await readContent(client, "a", { hash: "none" }), new Uint8Array());
});

Deno.test("client history: texts are filled in, images and what is too large stay references", async () => {
  const utf8 = new TextEncoder().encode("äöü 😀");
  const { client } = holding({ t: utf8 });
  const ref = (kind: string, hash: string, size: number) => ({ contentRef: { kind, hash, size } });
  const plain = { role: "user", content: "as it is" };
  const items = [
    plain,
    {
      role: "assistant",
      content: [
        { type: "text", text: ref("text", "t", utf8.length) },
        { type: "image", data: ref("image", "i", 5) },
        { type: "text", text: ref("text", "huge", 5_000_000) },
        { list: [null, 1, true, [ref("text", "t", utf8.length)]] },
      ],
    },
  ];
  const [first, second] = await fillTexts<unknown>(client, "a", items);
  assertEquals(first === plain, true);
  assertEquals(second, {
    role: "assistant",
    content: [
      { type: "text", text: "äöü 😀" },
      { type: "image", data: ref("image", "i", 5) },
      { type: "text", text: ref("text", "huge", 5_000_000) },
      { list: [null, 1, true, ["äöü 😀"]] },
    ],
  });
});

Deno.test("client history: only an object with nothing else is a reference", () => {
  const ref = { hash: "h", kind: "text", size: 1 };
  assertEquals(contentRefOf({ contentRef: ref })?.hash, "h");
  for (
    const other of [undefined, "x", [], {}, { contentRef: 1 }, { contentRef: ref, more: 1 }, {
      contentRef: {},
    }]
  ) {
    assertEquals(contentRefOf(other), undefined);
  }
});

Deno.test("client history: pages go on from the cursor that the last one gave", async () => {
  const pages = [{ entries: [3], nextBefore: "e3" }, { entries: [2], nextBefore: "e2" }, { entries: [1] }];
  let at = 0;
  const { client, asked } = clientOf(() => pages[at++]);
  const seen: unknown[] = [];
  for await (const page of entryPages(client, "a", { limit: 1 })) seen.push(...page.entries);
  assertEquals(seen as unknown, [3, 2, 1]);
  const of = { type: "get_entries", sessionId: "a", limit: 1 };
  assertEquals(asked, [of, { ...of, before: "e3" }, { ...of, before: "e2" }]);
  at = 0;
  const forwards = clientOf(() => [{ entries: [1], nextSince: "e1" }, { entries: [2] }][at++]);
  for await (const _page of entryPages(forwards.client, "a", { since: null })) continue;
  assertEquals(forwards.asked, [
    { type: "get_entries", sessionId: "a", since: null },
    { type: "get_entries", sessionId: "a", since: "e1" },
  ]);
});

Deno.test("client history: entries become the messages that people read", () => {
  const timestamp = "2025-01-01T00:00:00.000Z";
  const at = Date.parse(timestamp);
  const message = { role: "user", content: "hi" };
  assertEquals(
    messagesIn([
      { type: "model_change", id: "a" },
      { type: "message", id: "b", timestamp, message },
      { type: "compaction", id: "c", timestamp, summary: "earlier" },
      { type: "branch_summary", id: "d", summary: "elsewhere" },
      { type: "message", id: "e", oversized: true, lineBytes: 7 },
      { type: "label", id: "f" },
    ]),
    [
      message,
      { role: "compactionSummary", summary: "earlier", timestamp: at },
      { role: "branchSummary", summary: "elsewhere" },
      { role: "custom", customType: "oversized", content: "An entry of 7 bytes" },
    ],
  );
  const [custom] = messagesIn([{ type: "custom_message", customType: "note", content: "x", display: false }]);
  assertEquals([custom?.role, custom?.customType, custom?.content, custom?.display], [
    "custom",
    "note",
    "x",
    false,
  ]);
});
