// One peer: commands that are held until there is room, when the transport may read on, and when all is quiet.
import { assertEquals } from "@std/assert";
import { READ_AHEAD_BYTES } from "../../../src/governor/limits.ts";
import type { Connection } from "../../../src/server/router/connection.ts";
import { specOf } from "../../../src/protocol/schema/commands.ts";
import { turn } from "../../support/base/fake_clock.ts";
import { connectionOver, FakePeer } from "./fakes.ts";
import type { Held } from "../../../src/server/router/bulk_turns.ts";

function make(): { peer: FakePeer; connection: Connection; overflowed: Connection[] } {
  const [peer, overflowed]: [FakePeer, Connection[]] = [new FakePeer(true), []];
  const connection = connectionOver(peer, { outboxCloseBytes: 100 }, (one) => overflowed.push(one));
  return { peer, overflowed, connection };
}

const held = (id: string, bytes = 1): Held => ({
  command: { type: "ping", id },
  spec: specOf("ping"),
  bytes,
});

/** Whether a promise has resolved by now. */
async function done(promise: Promise<void>): Promise<boolean> {
  let resolved = false;
  void promise.then(() => resolved = true);
  await turn();
  return resolved;
}

Deno.test("connection: held commands are tried again in order, until one finds no room", () => {
  const { connection } = make();
  for (const id of ["a", "b", "c"]) connection.defer(held(id));
  const tried: string[] = [];
  connection.retry(({ command }) => {
    tried.push(command.id ?? "");
    return tried.length < 3 ? "taken" : "full";
  });
  assertEquals([tried, connection.holding], [["a", "b", "c"], true]);
  connection.retry(({ command }) => {
    tried.push(command.id ?? "");
    return "taken";
  });
  assertEquals([tried, connection.holding], [["a", "b", "c", "c"], false]);
});

Deno.test("connection: a command that is answered while it is tried is not tried twice", () => {
  const { connection } = make();
  for (const id of ["a", "b"]) connection.defer(held(id));
  const tried: string[] = [];
  const take = ({ command }: Held): "taken" => {
    tried.push(command.id ?? "");
    // An answer makes room, and room makes the router ask again.
    if (tried.length < 50) connection.retry(take);
    return "taken";
  };
  connection.retry(take);
  assertEquals(tried, ["a", "b"]);
});

Deno.test("connection: the transport stops reading at the read-ahead, and goes on below it", async () => {
  const { connection } = make();
  connection.defer(held("a", READ_AHEAD_BYTES - 1));
  assertEquals(await done(connection.whenWritable()), true);
  connection.defer(held("b", 1));
  const room = connection.whenWritable();
  assertEquals(await done(room), false);
  connection.retry(() => "full");
  assertEquals(await done(room), false, "nothing was taken");
  connection.retry(({ command }) => command.id === "a" ? "taken" : "full");
  assertEquals([await done(room), connection.holding], [true, true]);
});

Deno.test("connection: it is quiet when every command is answered and none is held", async () => {
  const { connection } = make();
  assertEquals(await done(connection.drained()), true);
  connection.asked();
  connection.asked();
  connection.defer(held("a"));
  const quiet = connection.drained();
  connection.answered();
  connection.retry(() => "taken");
  assertEquals(await done(quiet), false, "one is not answered");
  connection.answered();
  assertEquals(await done(quiet), true);
});

Deno.test("connection: quiet waits for held commands, also when nothing is unanswered", async () => {
  const { connection } = make();
  connection.defer(held("a"));
  const quiet = connection.drained();
  connection.asked();
  connection.answered();
  assertEquals(await done(quiet), false);
  connection.retry(() => "taken");
  assertEquals(await done(quiet), true);
});

Deno.test("connection: a peer that goes away frees everything and everyone", async () => {
  const { peer, connection } = make();
  connection.asked();
  connection.defer(held("a", READ_AHEAD_BYTES));
  const [room, quiet] = [connection.whenWritable(), connection.drained()];
  connection.closed();
  assertEquals([await done(room), await done(quiet)], [true, true]);
  assertEquals([connection.open, connection.holding, await done(connection.whenWritable())], [
    false,
    false,
    true,
  ]);
  connection.send("late");
  assertEquals(peer.sent, []);
});

Deno.test("connection: the outbox overflows into its owner", () => {
  const { peer, connection, overflowed } = make();
  peer.buffered = 1_000_000;
  connection.send("x".repeat(100));
  assertEquals(overflowed, []);
  connection.send("x");
  assertEquals(overflowed, [connection]);
});
