// What is kept encoded is what encoding it anew would give, whatever has changed.
import { assertEquals, assertStrictEquals } from "@std/assert";
import { Dates, EncodeCache } from "../../../../src/worker/session/events/encode_cache.ts";

Deno.test("encoded: each object is encoded as it is, however little it differs from the one before", () => {
  const encoded = new EncodeCache();
  const cost = { input: 1, output: 2 };
  const states: object[] = [
    { a: 1 },
    { a: 1 },
    { a: 1, b: undefined },
    { a: 1, c: undefined },
    { a: 1, c: null },
    { a: 2, c: null },
    { a: "2", c: null },
    { a: [1, 2], c: null },
    { a: [1, 3], c: null },
    { a: [1, 3, 4], c: null },
    { a: { 0: 1, 1: 3, 2: 4 }, c: null },
    { a: { model: { cost } } },
    { a: { model: { cost: { ...cost, output: 3 } } } },
    { a: { model: null } },
    { b: { model: null } },
    {},
  ];
  for (const state of states) assertEquals(encoded.of(structuredClone(state)), JSON.stringify(state));
});

Deno.test("encoded: the same fields give the same text, not an equal one", () => {
  const encoded = new EncodeCache();
  const state = () => ({ seq: 4, model: { id: "m", input: ["text"] } });
  const first = encoded.of(state());
  assertStrictEquals(encoded.of(state()), first);
});

Deno.test("encoded: dates are those that they were asked for, known or not", () => {
  const dates = new Dates();
  for (const ms of [0, 1, 2, 3, 4, 5, 1, 0, 1e12, 0]) assertEquals(dates.of(ms), new Date(ms).toISOString());
});
