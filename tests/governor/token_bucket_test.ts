// Buckets: as many at once as in a minute, then one at a time at that pace, and the time to wait is exact.
import { assert, assertEquals } from "@std/assert";
import { TokenBuckets } from "../../src/governor/token_bucket.ts";

/** Rates whose share of a minute is whole, a fraction, and far below a millisecond. */
const RATES = [1, 2, 3, 7, 100, 300, 997, 1000, 59_999, 60_001, 1_000_000];
/** Times as clocks give them: whole, with fractions, far on. */
const TIMES = [0, 0.1, 1234.567891, 86_400_000.3, 1e12 + 0.7];

function takeAll(buckets: TokenBuckets<string>, now: number): number {
  let taken = 0;
  while (buckets.waitMs("a", now) === 0) {
    buckets.take("a", now);
    taken++;
  }
  return taken;
}

for (const rate of RATES.filter((rate) => rate <= 1000)) {
  Deno.test(`token bucket: ${rate} a minute are ${rate} at once, never one more or less`, () => {
    for (const now of TIMES) assertEquals(takeAll(new TokenBuckets<string>(rate), now), rate, String(now));
  });
}

Deno.test("token bucket: a wait of exactly what was said is enough, and a millisecond less is not", () => {
  for (const rate of RATES) {
    for (const start of TIMES) {
      const buckets = new TokenBuckets<string>(rate);
      takeAll(buckets, start);
      let now = start;
      for (let round = 0; round < 50; round++) {
        const ms = buckets.waitMs("a", now);
        assert(Number.isInteger(ms), `${rate}: ${ms} is not an integer`);
        if (ms > 0) assert(buckets.waitMs("a", now + ms - 1) > 0, `${rate}: a shorter wait is enough`);
        now += ms;
        assertEquals(buckets.waitMs("a", now), 0, `${rate} at ${start}, round ${round}`);
        buckets.take("a", now);
      }
    }
  }
});

Deno.test("token bucket: over a long time as many pass as the rate says", () => {
  const buckets = new TokenBuckets<string>(100);
  let taken = 0;
  for (let now = 0; now < 10 * 60_000; now += 17.3) taken += takeAll(buckets, now);
  assert(taken >= 1095 && taken <= 1100, `${taken} in ten minutes, of which the first 100 at once`);
});

Deno.test("token bucket: an unused bucket never holds more than a full one", () => {
  const buckets = new TokenBuckets<string>(10);
  takeAll(buckets, 0);
  assertEquals(takeAll(buckets, 60_000), 10);
  assertEquals(takeAll(buckets, 10 * 60_000), 10);
});

Deno.test("token bucket: keys do not share, whatever they are called", () => {
  const buckets = new TokenBuckets<string>(1);
  for (const key of ["a", "b", "__proto__", "constructor", ""]) {
    assertEquals(buckets.waitMs(key, 5), 0);
    buckets.take(key, 5);
    assertEquals(buckets.waitMs(key, 5), 60_000);
  }
});

Deno.test("token bucket: looking keeps nothing, and a forgotten key is new", () => {
  const buckets = new TokenBuckets<string>(1);
  for (let key = 0; key < 1000; key++) buckets.waitMs(String(key), 0);
  assertEquals(buckets.size, 0);
  buckets.take("a", 0);
  buckets.forget("a");
  assertEquals([buckets.size, buckets.waitMs("a", 0)], [0, 0]);
});

Deno.test("token bucket: buckets that are full again do not pile up", () => {
  const buckets = new TokenBuckets<number>(60_000);
  let most = 0;
  for (let key = 0; key < 100_000; key++) {
    buckets.take(key, key);
    most = Math.max(most, buckets.size);
  }
  assert(most <= 64, `${most} buckets were kept`);
});
