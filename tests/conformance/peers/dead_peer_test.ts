// WebSocket peers that are gone without a word: a machine that vanished, a process that was stopped. They complete the
// upgrade, read nothing or answer nothing, and their TCP connection stays. A small --peer-silent-ms makes it quick.

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { numberAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { upgradeRequest } from "../../support/network/raw_http.ts";
import { REPO } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const SILENT_MS = 1_000;
const FLAGS = [`--peer-silent-ms=${SILENT_MS}`];

const connections = async (wire: Wire): Promise<number> =>
  numberAt(await wire.ok({ type: "get_metrics" }), "connections");

/** A socket that is a WebSocket to the server, and never writes again. */
async function mute(bench: Bench): Promise<Deno.TcpConn> {
  const { port } = await bench.server.endpoint();
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(upgradeRequest(port, await bench.server.token()));
  const buffer = new Uint8Array(4096);
  const read = await conn.read(buffer) ?? 0;
  assert(new TextDecoder().decode(buffer.subarray(0, read)).startsWith("HTTP/1.1 101"));
  return conn;
}

alone("dead peer: one that answers no ping is dropped in time, and its place is free", async (bench) => {
  await bench.start([...FLAGS, "--max-connections=2"]);
  const wire = await bench.connect();
  using _gone = await mute(bench);
  await until(async () => await connections(wire) === 2 || undefined, 5_000, () => "two connections");
  const start = performance.now();
  await until(async () => await connections(wire) === 1 || undefined, 20_000, () => "one connection");
  const took = performance.now() - start;
  assert(took > SILENT_MS / 4, `dropped after ${took} ms`);
  await bench.connect("next");
});

alone("dead peer: one that answers pings is kept, however silent it is", async (bench) => {
  await bench.start(FLAGS);
  const wire = await bench.connect("silent");
  await delay(SILENT_MS * 3);
  await wire.ok({ type: "ping" });
});

alone("dead peer: a stopped process that is subscribed to a busy session is dropped too", async (bench) => {
  await bench.start(FLAGS);
  const wire = await bench.connect();
  const { id } = await bench.watched(wire);
  const { url } = await bench.server.endpoint();
  const client = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", `${REPO}/tests/conformance/clients/sleepy_client.ts`, url, id],
    env: { PI_SERVER_TOKEN: await bench.server.token(), NO_COLOR: "1" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  try {
    const said = await client.stdout.getReader().read();
    assertEquals(new TextDecoder().decode(said.value).trim(), "subscribed");
    assertEquals(await connections(wire), 2);
    client.kill("SIGSTOP");
    const marker = bench.name("busy");
    bench.model.script(marker, text(Array(200).fill("some words more ")));
    await settled(wire, id, marker);
    await until(async () => await connections(wire) === 1 || undefined, 20_000, () => "one connection");
    await settled(wire, id, "still here");
  } finally {
    client.kill("SIGKILL");
    await client.status;
  }
});
