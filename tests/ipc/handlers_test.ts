// The tables of handlers: joined from several services, no kind twice.
import { assertEquals, assertThrows } from "@std/assert";
import { joinHandlers } from "../../src/ipc/handlers.ts";

Deno.test("handlers: tables are joined, and a kind that two services claim is an error", () => {
  const [one, two] = [() => {}, () => {}];
  assertEquals(joinHandlers({ idle: one }, { pong: two }), { idle: one, pong: two });
  const error = assertThrows(() => joinHandlers({ idle: one }, { idle: two }));
  assertEquals(String(error), "Error: Two services handle the message idle");
});
