// Fuzzing over the wire, on each transport: nearly right commands, garbage, raw bytes. No crash, no hang, one response
// for each command, and the memory comes back. A short form by default; PI_SERVER_FUZZ_SECONDS=60 is the long one, and
// PI_SERVER_FUZZ_SEED repeats one.

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import * as fuzz from "../../support/wire/fuzz.ts";
import { type JsonObject, objectAt } from "../../support/base/json.ts";
import { upgradeRequest } from "../../support/network/raw_http.ts";
import { deadline } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench } from "../suite.ts";

const SECONDS = Number(Deno.env.get("PI_SERVER_FUZZ_SECONDS") ?? "2");
const SEED = Number(Deno.env.get("PI_SERVER_FUZZ_SEED") ?? Math.floor(Math.random() * 2 ** 31));
/** Seconds after which a server holds what it will hold: compiled code, caches, pi's modules. */
const WARM_UP = 20;
/** Messages in one go: fewer than a connection may have in flight. */
const BATCH = 50;
/** MiB that a server may have more than after its warm-up: one of 200 bytes a message is noticed in the long form. */
const MORE_MIB = 96;
/** Seconds in which a heap that was busy may shrink again; the long form looks at servers that have rested as long. */
const REST = 30;
const LONG = SECONDS >= 30;
/** The most that a case may take, in milliseconds. */
const CASE_MS = 120_000 + SECONDS * 5_000;
const FLAGS = ["--max-sessions=20", "--max-parked-sessions=50", "--max-frame-bytes=1MiB"];

/** Resident memory of the server, in MiB. */
async function memory(bench: Bench): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${bench.server.pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

/** What the server holds once that is little enough, or when it has rested. */
async function rested(bench: Bench, before: number): Promise<number> {
  let held = await memory(bench);
  for (let second = 0; second < REST && held - before >= MORE_MIB; second++) {
    await delay(1000);
    held = await memory(bench);
  }
  return held;
}

/** Waits until so many responses have come, and no more; then forgets all. Returns their ids, in order of arrival. */
async function responses(wire: Wire, due: number, about: () => string): Promise<(string | null)[]> {
  const all = async () => {
    for (let n = 0; n < due; n++) await wire.next(({ type }) => type === "response", 60_000, "a response");
    // An answer to this comes after everything that was answered before it.
    await wire.ok({ type: "ping" }, 60_000);
  };
  await deadline(all(), 90_000, () => `${due} responses to:\n${about()}`);
  const ids = wire.messages.filter(({ type, command }) => type === "response" && command !== "ping")
    .map(({ id }) => typeof id === "string" ? id : null);
  forget(wire);
  return ids;
}

/** Checked messages are dropped, or the test itself would grow. */
function forget(wire: Wire): void {
  wire.transcript.length = 0;
  wire.messages.length = 0;
}

/** Sends a batch and waits until each message has its one response. Returns how many there were. */
async function exchange(wire: Wire, texts: readonly string[]): Promise<number> {
  for (const text of texts) wire.sendRaw(text);
  const expected = texts.map((text) => fuzz.idOf(text) ?? null);
  const got = await responses(wire, texts.length, () => texts.join("\n"));
  assertEquals(got.map(String).toSorted(), expected.map(String).toSorted());
  return texts.length;
}

/** Nearly right commands and garbage, for so long; every command has an id of its own. */
async function fuzzTexts(wire: Wire, schema: JsonObject, seconds: number, seed: number) {
  const end = performance.now() + seconds * 1000;
  let sent = 0;
  for (let round = 0; performance.now() < end; round++) {
    const commands = fuzz.sample(fuzz.commands(schema), seed + round, BATCH - 10);
    const texts = commands.map((command, index) => JSON.stringify({ ...command, id: `${round}-${index}` }));
    const rubbish = fuzz.sample(fuzz.garbage, seed + round, 10)
      .map((text) => text.replaceAll(/[\r\n]/g, " "))
      .filter((text) => text !== "");
    sent += await exchange(wire, [...texts, ...rubbish]);
    if (round % 10 === 9) sent += await tidy(wire);
  }
  return sent;
}

/** Deletes the sessions that the fuzzer has made, and makes some anew. */
async function tidy(wire: Wire): Promise<number> {
  const { sessions } = await wire.ok({ type: "list_sessions" }, 60_000);
  const ids = (Array.isArray(sessions) ? sessions : []).map((one) => String(objectAt(one).sessionId));
  const made = fuzz.SESSIONS.map((sessionId) => ({ type: "create_session", sessionId, inMemory: true }));
  const all = [...ids.map((sessionId) => ({ type: "delete_session", sessionId })), ...made];
  for (let from = 0; from < all.length; from += BATCH) {
    await Promise.all(all.slice(from, from + BATCH).map((command) => wire.request(command, 60_000)));
  }
  forget(wire);
  return all.length + 1;
}

/** Fuzzes twice, and compares what the server holds after each. */
async function measured(bench: Bench, wire: Wire, run: (seconds: number, seed: number) => Promise<number>) {
  // The transcript is forgotten as it goes, so the suite cannot judge it at the end; each batch is judged here.
  bench.wires.splice(0);
  await tidy(wire);
  await run(Math.min(SECONDS, WARM_UP), SEED);
  await tidy(wire);
  if (LONG) await delay(REST * 1000);
  const before = await memory(bench);
  const sent = await run(SECONDS, SEED + 1_000_000);
  await tidy(wire);
  const busy = await memory(bench);
  const after = await rested(bench, before);
  const { sessions } = await wire.ok({ type: "list_sessions" });
  assertEquals(Array.isArray(sessions) && sessions.length, fuzz.SESSIONS.length);
  console.log(
    `fuzz: ${sent} messages in ${SECONDS} s, ${before.toFixed(0)} → ${busy.toFixed(0)} MiB, rested ${
      after.toFixed(0)
    }, seed ${SEED}`,
  );
  await wire.close();
  assert(after - before < MORE_MIB, `the server grew from ${before} to ${after} MiB (seed ${SEED})`);
}

alone("fuzz: commands and garbage over a WebSocket", async (bench) => {
  await bench.start(FLAGS);
  const wire = await bench.connect();
  const { schema } = await wire.ok({ type: "get_schema" });
  await measured(
    bench,
    wire,
    (seconds, seed) => fuzzTexts(wire, objectAt(schema), seconds, seed),
  );
}, CASE_MS);

alone("fuzz: commands, garbage and bytes over stdio", async (bench) => {
  const wire = await bench.startStdio(FLAGS);
  const { schema } = await wire.ok({ type: "get_schema" });
  await measured(bench, wire, async (seconds, seed) => {
    let sent = await fuzzTexts(wire, objectAt(schema), seconds / 2, seed);
    const end = performance.now() + seconds * 500;
    for (let round = 0; performance.now() < end; round++) sent += await lines(wire, seed + round);
    return sent;
  });
}, CASE_MS);

/** Raw bytes, each chunk a few lines. */
async function lines(wire: Wire, seed: number): Promise<number> {
  const chunks = fuzz.sample(fuzz.bytes, seed, BATCH / 5).map((chunk) => new Uint8Array([...chunk, 10]));
  let due = 0;
  for (const chunk of chunks) {
    const answers = fuzz.linesOf(chunk).filter(fuzz.isAnswered).map(() => null);
    due += answers.length;
    wire.sendRaw(chunk, answers);
  }
  assertEquals((await responses(wire, due, () => `seed ${seed}`)).length, due);
  return due;
}

alone("fuzz: raw bytes instead of WebSocket frames and of HTTP", async (bench) => {
  await bench.start(FLAGS);
  const wire = await bench.connect();
  const { port } = await bench.server.endpoint();
  const token = await bench.server.token();
  const greeting = upgradeRequest(port, token);
  await measured(bench, wire, async (seconds, seed) => {
    const end = performance.now() + seconds * 1000;
    let sent = 0;
    for (let round = 0; performance.now() < end; round++) {
      const peers = fuzz.sample(fuzz.frames, seed + round, 20).map(async (frame, index) => {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port });
        try {
          if (index % 4 !== 0) await conn.write(greeting);
          await conn.write(frame);
          // What looks like the beginning of something is waited for: not by us.
          if (index % 2 === 0) await Promise.race([conn.read(new Uint8Array(512)), delay(50)]);
        } catch {
          // The server may hang up first.
        } finally {
          conn.close();
        }
      });
      await Promise.all(peers);
      sent += peers.length;
      await wire.ok({ type: "ping" }, 30_000);
      forget(wire);
    }
    return sent;
  });
}, CASE_MS);
