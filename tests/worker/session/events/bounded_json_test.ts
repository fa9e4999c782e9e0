// Bounded JSON of a history: the newest items that fit, never the JSON of more, and a short form of what is too large.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ANSWER_BYTES } from "../../../../src/governor/limits.ts";
import {
  boundedText,
  leastUnits,
  newestJson,
  newestOf,
} from "../../../../src/worker/session/events/bounded_json.ts";
import { at } from "../../../support/base/json.ts";

const message = (n: number, chars: number) => ({ role: "user", n, text: "x".repeat(chars) });

/** An item that counts how often it was written. */
function watched(chars: number): { written: number; item: object } {
  const seen = { written: 0, item: {} };
  const text = "x".repeat(chars);
  seen.item = {
    text,
    toJSON() {
      seen.written++;
      return { text };
    },
  };
  return seen;
}

Deno.test("bounded JSON: the newest items that fit are written, oldest first", () => {
  const items = [1, 2, 3, 4].map((n) => message(n, 100));
  const { text, start } = newestJson(items, 300);
  assertEquals([JSON.parse(text), start], [items.slice(2), 2]);
  assertEquals(newestJson(items), { text: JSON.stringify(items), start: 0 });
  assertEquals(newestJson([]), { text: "[]", start: 0 });
});

Deno.test("bounded JSON: bytes count, not characters", () => {
  const items = ["ä".repeat(100), "ä".repeat(100)];
  assertEquals(newestJson(items, 250).start, 1);
  assertEquals(newestJson(["a".repeat(100), "a".repeat(100)], 250).start, 0);
});

Deno.test("bounded JSON: what does not fit any more is not written, nor what is too large alone", () => {
  const [older, old, huge] = [watched(100), watched(1_000), watched(50_000)];
  const { start } = newestJson([older.item, old.item, message(1, 700)], 1_500);
  assertEquals([start, old.written, older.written], [2, 1, 0]);
  newestJson([huge.item], 1_500);
  assertEquals(huge.written, 0);
});

Deno.test("bounded JSON: an item that is too large is cut, and says so", () => {
  const image = { type: "image", mimeType: "image/png", data: "A".repeat(100_000) };
  const huge = { role: "user", content: [{ type: "text", text: "y".repeat(100_000) }, image], timestamp: 1 };
  const [small, short] = JSON.parse(newestJson([message(1, 10), huge], 50_000).text);
  assertEquals(small, message(1, 10));
  assertEquals(short, {
    role: "user",
    content: [{ type: "text", text: "y".repeat(4_096) }, { ...image, data: "" }],
    timestamp: 1,
    oversized: true,
  });
});

Deno.test("bounded JSON: what is cut has a bound whatever its shape", () => {
  const deep: Record<string, unknown> = {};
  for (let n = 0, at = deep; n < 5_000; n++) at = at["in"] = { text: "z".repeat(100) };
  const wide = Array.from({ length: 50_000 }, () => "w".repeat(50));
  const named = { ["k".repeat(100_000)]: 1 };
  for (const item of [deep, wide, named, { list: wide.map((text) => ({ text })) }]) {
    const { text } = newestJson([item], 100_000);
    assert(text.length < 200_000, `${text.length}`);
  }
});

Deno.test("bounded JSON: items have a short form once the room for whole ones is used up", () => {
  const items = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => message(n, 100));
  const { text, start } = newestJson(items, 600, (item) => ({ n: at(item, "n") }));
  const found: { n: number; text?: string }[] = JSON.parse(text);
  assertEquals([start, found.map(({ n }) => n)], [0, [1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  assertEquals(found.filter((one) => one.text !== undefined).map(({ n }) => n), [7, 8, 9]);
});

Deno.test("bounded JSON: a list is fixed as it is, without those that cannot fit", () => {
  const items = [1, 2, 3, 4].map((n) => message(n, 1_000));
  const newest = newestOf(items, 0, 4, 1_500);
  items.push(message(5, 10));
  assertEquals(newest.map((item) => at(item, "n")), [3, 4]);
  assertEquals(newestOf(items, 1, 3).map((item) => at(item, "n")), [2, 3]);
  // One that is too large does not take the room of those before it.
  assertEquals(newestOf([message(1, 10), message(2, 9_000)], 0, 2, 1_500).length, 2);
});

Deno.test("bounded JSON: sizes are at least right, and a circle ends", () => {
  for (const value of [null, 1, "text", [1, "b"], { a: { b: "c" } }, message(1, 500)]) {
    assert(leastUnits(value, Infinity) <= JSON.stringify(value).length, JSON.stringify(value));
  }
  assert(leastUnits(message(1, 500), Infinity) > 500);
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  assert(leastUnits(circle, Infinity) < 20);
  assertThrows(() => newestJson([circle]));
});

Deno.test("bounded JSON: a text by itself has a bound too", () => {
  assertEquals(boundedText(null), { text: null, truncated: false });
  assertEquals(boundedText("short"), { text: "short", truncated: false });
  const fits = "x".repeat(ANSWER_BYTES - 2);
  assertEquals(boundedText(fits), { text: fits, truncated: false }, "its JSON has exactly the bound");
  const { text, truncated } = boundedText("x".repeat(ANSWER_BYTES));
  assertEquals([text?.length, truncated], [ANSWER_BYTES / 4, true]);
});
