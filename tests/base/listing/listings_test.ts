// The lists that clients page through: found by their key, bounded in number, time and ids.
import { assertEquals } from "@std/assert";
import { LISTING_MS, Listings } from "../../../src/base/listing/listings.ts";

const ids = (count: number, of = "i"): string[] => Array.from({ length: count }, (_, n) => `${of}${n}`);

Deno.test("listings: a list is found until its time after the last page is over", () => {
  let now = 0;
  const listings = new Listings<string>(() => now);
  const one = listings.begin(ids(2), "q");
  assertEquals(listings.find(one.key), undefined, "nothing is kept before there is a next page");
  listings.keep(one);
  now = LISTING_MS;
  assertEquals(listings.find(one.key)?.query, "q");
  listings.keep(one);
  now = 2 * LISTING_MS;
  assertEquals(listings.find(one.key)?.ids, ids(2));
  now += 1;
  assertEquals([listings.find(one.key), listings.size], [undefined, 0]);
});

Deno.test("listings: the list in use longest ago goes first when there are too many", () => {
  const listings = new Listings<number>(() => 0);
  const all = Array.from({ length: 65 }, (_, n) => listings.begin(ids(1), n));
  for (const one of all.slice(0, 64)) listings.keep(one);
  listings.keep(all[0] ?? all[1]!);
  listings.keep(all[64]!);
  assertEquals(listings.size, 64);
  assertEquals([listings.find(1)?.query, listings.find(2), listings.find(65)?.query], [0, undefined, 64]);
});

Deno.test("listings: many ids are kept once, and too many are dropped; the newest list always stays", () => {
  const listings = new Listings<string>(() => 0);
  const large = ids(600_000);
  for (const query of ["a", "b", "c"]) listings.keep(listings.begin(large, query));
  assertEquals(listings.size, 3, "they share their ids");
  listings.keep(listings.begin(ids(600_000, "o"), "d"));
  assertEquals([listings.size, listings.find(4)?.query], [1, "d"]);
});
