import { assertEquals } from "@std/assert";
import { HandshakeLimiter } from "../../../src/runtime/websocket/handshake_limiter.ts";

const LONG_MS = 60_000;

Deno.test("a new stranger takes the place of the one that has been there the longest", () => {
  const gone: string[] = [];
  const strangers = new HandshakeLimiter<string>((peer) => gone.push(peer), 2, LONG_MS);
  for (const peer of ["a", "b", "c"]) strangers.came(peer);
  assertEquals(gone, ["a"]);
  strangers.left("b");
  strangers.came("d");
  assertEquals(gone, ["a"]);
  strangers.came("e");
  assertEquals(gone, ["a", "c"]);
  strangers.dropAll();
  assertEquals(gone, ["a", "c", "d", "e"]);
});

Deno.test("a peer that authenticated or went is not dropped", () => {
  const gone: string[] = [];
  const strangers = new HandshakeLimiter<string>((peer) => gone.push(peer), 10, LONG_MS);
  for (const peer of ["a", "b", "c", "d", "e"]) strangers.came(peer);
  strangers.left("a");
  strangers.left("a");
  strangers.dropHalf();
  assertEquals(gone, ["b", "c"]);
  strangers.dropAll();
  strangers.dropAll();
  assertEquals(gone, ["b", "c", "d", "e"]);
});

Deno.test("a stranger has its time, whatever it does", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const strangers = new HandshakeLimiter<string>(resolve, 10, 5);
  strangers.came("slow");
  assertEquals(await promise, "slow");
  // Nothing is left of it: the sanitizers would find its timer.
  strangers.left("slow");
});
