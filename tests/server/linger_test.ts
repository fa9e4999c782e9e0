// A server with `--linger` ends without clients, and never with one.
import { assertEquals } from "@std/assert";
import { Linger } from "../../src/server/linger.ts";
import { FakeClock } from "../support/base/fake_clock.ts";

/** A server that counts how often it was ended. */
function make(lingerMs: number) {
  const clock = new FakeClock();
  const server = { ended: 0, busy: [] as (() => void)[], working: false };
  const linger = new Linger({
    clock,
    lingerMs,
    idle: () => server.working ? new Promise((resolve) => server.busy.push(resolve)) : Promise.resolve(),
    end: () => server.ended++,
  });
  const turns = async (): Promise<void> => {
    for (let n = 0; n < 5; n++) await Promise.resolve();
  };
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await turns();
  };
  return { clock, server, linger, turns, pass };
}

Deno.test("linger: it ends that long after the last client, and a new client stops that", async () => {
  const { server, linger, turns, pass } = make(1000);
  linger.connections(1);
  linger.connections(0);
  await turns();
  await pass(900);
  linger.connections(1);
  await pass(5000);
  assertEquals(server.ended, 0);
  linger.connections(0);
  await turns();
  await pass(999);
  assertEquals(server.ended, 0);
  await pass(1);
  assertEquals(server.ended, 1);
  linger.close();
});

Deno.test("linger: a run is waited for, and then the time begins", async () => {
  const { server, linger, turns, pass } = make(1000);
  linger.connections(1);
  server.working = true;
  linger.connections(0);
  await turns();
  await pass(60_000);
  assertEquals(server.ended, 0);
  server.working = false;
  for (const done of server.busy.splice(0)) done();
  await turns();
  await pass(999);
  assertEquals(server.ended, 0);
  await pass(1);
  assertEquals(server.ended, 1);
  linger.close();
});

Deno.test("linger: the first client gets a minute, however short the time is", async () => {
  const { server, linger, pass } = make(0);
  await pass(59_999);
  assertEquals(server.ended, 0);
  await pass(1);
  assertEquals(server.ended, 1);
  linger.close();
});

Deno.test("linger: after its end it counts nothing", async () => {
  const { server, linger, turns, pass } = make(0);
  linger.connections(1);
  linger.close();
  linger.connections(0);
  await turns();
  await pass(100_000);
  assertEquals(server.ended, 0);
});
