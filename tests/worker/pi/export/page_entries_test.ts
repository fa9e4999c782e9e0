// Which images a page has room for.
import { assertEquals, assertStrictEquals } from "@std/assert";
import { pageEntries } from "../../../../src/worker/pi/export/page_entries.ts";

const image = (length: number, mark = "a") => ({
  type: "image",
  mimeType: "image/png",
  data: mark.repeat(length),
});
const user = (id: string, ...content: unknown[]) => ({
  type: "message",
  id,
  message: { role: "user", content },
});
const words = (length: number) => ({ type: "text", text: "w".repeat(length) });

Deno.test("page entries: what fits is left alone", () => {
  const entries = [user("1", words(100), image(2_000)), { type: "custom", data: 1 }];
  const page = pageEntries(entries, 10_000);
  assertEquals(page?.imagesLeftOut, 0);
  assertStrictEquals(page?.entries, entries);
});

Deno.test("page entries: the largest images make room for the rest, and the session keeps them", () => {
  const twice = image(40_000, "b");
  const text = { type: "custom_message", id: "3", content: "only text" };
  const last = user("4", image(30_000));
  const entries = [
    user("1", image(3_000), twice),
    { type: "custom_message", id: "2", content: [{ ...twice }, words(10)] },
    text,
    last,
  ];
  const before = structuredClone(entries);
  const page = pageEntries(entries, 45_000);
  assertEquals(page?.imagesLeftOut, 2);
  const left = { type: "text", text: "[This page leaves an image out: image/png, 0.0 MiB]" };
  assertEquals(page?.entries, [
    user("1", image(3_000), left),
    { type: "custom_message", id: "2", content: [left, words(10)] },
    text,
    last,
  ]);
  assertEquals(entries, before);
});

Deno.test("page entries: texts that are too long are too long without any image", () => {
  assertEquals(pageEntries([user("1", words(20_000), image(50_000))], 10_000), undefined);
  assertEquals(pageEntries([user("1", words(9_000), image(50_000))], 10_000)?.imagesLeftOut, 1);
  const odd = [
    user("1", { type: "image", data: 7 }, { type: "image", mimeType: 3, data: "x".repeat(20_000) }),
  ];
  assertEquals(pageEntries(odd, 10_000)?.imagesLeftOut, 1);
  const small = Array.from({ length: 500 }, () => image(40));
  assertEquals(pageEntries([user("1", ...small, image(50_000))], 45_000)?.imagesLeftOut, 1);
  assertEquals(pageEntries([user("1", ...small)], 10_000), undefined);
});
