// Watching the server: what get_metrics and /metrics count, and what health_check says of a thread that is stuck.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { arrayAt, at, type JsonObject, numberAt, objectAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { rawRequest } from "../../support/network/raw_http.ts";
import { SPINNER } from "../../support/extensions/spinner.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

const metrics = (wire: Wire): Promise<JsonObject> => wire.ok({ type: "get_metrics" });

/** Bytes of all messages that the client has received; all of them are ASCII here. */
const receivedBytes = (wire: Wire): number =>
  wire.transcript.reduce((sum, entry) => entry.kind === "received" ? sum + entry.text.length : sum, 0);

/** The page as samples: name with labels → value. */
async function page(bench: Bench): Promise<Map<string, number>> {
  const { port } = await bench.server.endpoint();
  const answer = await rawRequest(port, "/metrics", {
    Host: `127.0.0.1:${port}`,
    Authorization: `Bearer ${await bench.server.token()}`,
  });
  assertEquals(answer.status, 200);
  assertStringIncludes(answer.headers.get("content-type") ?? "", "text/plain");
  const samples = new Map<string, number>();
  for (const line of answer.body.split("\n")) {
    if (/^[a-z_]+(\{[^}]*\})? \S+$/.test(line)) {
      const at = line.lastIndexOf(" ");
      samples.set(line.slice(0, at), Number(line.slice(at + 1)));
    } else if (line !== "") {
      assert(/^# (HELP|TYPE) pi_server_/.test(line), `"${line}" is not Prometheus text`);
    }
  }
  return samples;
}

alone("metrics: sessions, answers, refusals, traffic, turns, tokens and cost are counted", async (bench) => {
  await bench.start(["--max-sessions=2"]);
  const wire = await bench.connect();
  const before = await metrics(wire);
  assertEquals([numberAt(before, "sessions", "live"), numberAt(before, "connections")], [0, 1]);
  assertEquals([before.turns, before.events, before.costUsd], [0, 0, 0]);
  // Those in memory alone cannot be parked for another one.
  const [{ id }] = [
    await bench.watched(wire, { inMemory: true }),
    await bench.session(wire, { inMemory: true }),
  ];
  bench.model.script("metered", text(["One ", "two"]));
  await settled(wire, id, "metered");
  await wire.refused("session_limit", { type: "create_session" });
  await wire.refused("session_not_found", { type: "get_state", sessionId: "none" });
  const stats = await wire.ok({ type: "get_session_stats", sessionId: id });
  const received = receivedBytes(wire);
  const after = await metrics(wire);
  assertEquals(numberAt(after, "bytesOut"), received, "every byte that the server sent, events too");
  assertEquals(numberAt(after, "sessions", "live"), 2);
  assertEquals([numberAt(after, "turns"), numberAt(after, "hosts")], [1, 1]);
  for (const kind of ["input", "output", "cacheRead", "cacheWrite"]) {
    assertEquals(numberAt(after, "tokens", kind), numberAt(stats, "tokens", kind), kind);
  }
  assert(numberAt(after, "tokens", "output") > 0 && numberAt(after, "costUsd") > 0);
  assertEquals(after.costUsd, stats.cost);
  const { commands, refusals } = after;
  assertEquals(refusals, { sessions: 1 });
  // The answer to this get_metrics is not yet counted.
  assertEquals(commands, { ok: 6, session_limit: 1, session_not_found: 1 });
  const seq = numberAt(await wire.ok({ type: "get_state", sessionId: id }), "seq");
  assert(numberAt(after, "events") >= seq && seq > 0);
  assert(numberAt(after, "bytesIn") > 400);
  assertEquals([after.lagged, after.evicted, after.coalesced], [0, 0, 0]);
  await wire.ok({ type: "delete_session", sessionId: id });
  assertEquals((await metrics(wire)).sessions, { live: 1, parked: 0 });
});

alone("metrics: Prometheus reads the same numbers, from who has the token", async (bench) => {
  await bench.start(["--max-sessions=1"]);
  const wire = await bench.connect();
  // One in memory alone makes no room for another.
  const { id } = await bench.session(wire, { inMemory: true });
  await settled(wire, id, "hello");
  await wire.refused("invalid_params", { type: "bash", sessionId: id });
  const told = await metrics(wire);
  const samples = await page(bench);
  const value = (name: string) => samples.get(`pi_server_${name}`);
  assertEquals([value('sessions{status="live"}'), value("connections"), value("hosts")], [1, 1, 1]);
  assertEquals([value("turns_total"), value("cost_usd_total")], [1, numberAt(told, "costUsd")]);
  assertEquals(value('tokens_total{kind="output"}'), numberAt(told, "tokens", "output"));
  assertEquals(value('commands_total{outcome="invalid_params"}'), 1);
  assertEquals(value('commands_total{outcome="ok"}'), numberAt(told, "commands", "ok") + 1);
  for (
    const name of ["received_bytes_total", "sent_bytes_total", "events_total", 'host_delay_seconds{host="0"}']
  ) {
    assert(Number.isFinite(value(name)), name);
  }
  // Every counter that there is to be, in both; labels are those of this short life.
  const names = new Set([...samples.keys()].map((sample) => sample.replace(/\{.*/, "")));
  assertEquals(
    [...names].toSorted(),
    [
      ..."commands_total connections connections_opened_total coalesced_events_total cost_usd_total events_total evicted_total"
        .split(
          " ",
        ),
      ..."host_delay_seconds hosts journal lagged_total memory_bytes outbox_bytes received_bytes_total".split(
        " ",
      ),
      ..."router_delay_seconds sent_bytes_total sessions sessions_created_total tokens_total turns_total uptime_seconds"
        .split(" "),
    ].map((name) => `pi_server_${name}`).toSorted(),
  );
  assertEquals(
    Object.keys(told).toSorted(),
    [
      ..."bytesIn bytesOut coalesced commands connections connectionsOpened costUsd events evicted hosts journal lagged"
        .split(
          " ",
        ),
      ..."loopDelayMs memoryBytes outboxBytes providerFailures refusals refusedRequests sessions sessionsCreated tokens turns uptimeMs"
        .split(" "),
    ].toSorted(),
  );
  assertEquals(Object.keys(objectAt(told, "sessions")).toSorted(), ["live", "parked"]);
  assertEquals(arrayAt(told, "loopDelayMs", "hosts").length, 1);
  assert(numberAt(told, "loopDelayMs", "router") >= 0);
  const [process, router] = ["process", "router"].map((name) => numberAt(told, "memoryBytes", name));
  assert((router ?? 0) > 0 && (process ?? 0) > (router ?? 0), `${process} ${router}`);
  assertEquals(arrayAt(told, "memoryBytes", "hosts").length, 1);
  await wire.refused("session_limit", { type: "create_session", inMemory: true });
  assertEquals((await page(bench)).get('pi_server_refusals_total{limit="sessions"}'), 1);
  const { port } = await bench.server.endpoint();
  assertEquals((await rawRequest(port, "/metrics", { Host: `127.0.0.1:${port}` })).status, 401);
});

alone(
  "health: a stuck worker is reported while it is stuck, and other workers are served",
  async (bench) => {
    await bench.home.extension("spinner", SPINNER);
    // Silence is an issue from half of this on.
    await bench.start(["--host-silent-ms=6000"]);
    const wire = await bench.connect();
    const { id } = await bench.session(wire, { inMemory: true });
    // The first sign of life tells that it has started.
    while (numberAt(await metrics(wire), "uptimeMs") < 2_500) await delay(100);
    assertEquals(await wire.ok({ type: "health_check" }), { healthy: true, issues: [] });
    await wire.ok({ type: "prompt", sessionId: id, message: "/spin 5000" });
    let health: JsonObject;
    do {
      await delay(100);
      health = await wire.ok({ type: "health_check" });
    } while (health.healthy === true);
    assertStringIncludes(String(arrayAt(health, "issues")[0]), "Worker 0");
    const { loopDelayMs } = await metrics(wire);
    assert(numberAt(loopDelayMs, "hosts", 0) >= 3_000);
    assert(numberAt(loopDelayMs, "router") < 3_000, "the thread that serves is another one");
    do {
      await delay(100);
      health = await wire.ok({ type: "health_check" });
    } while (health.healthy === false);
    assertEquals(objectAt(health), { healthy: true, issues: [] });
    assertEquals(at(await wire.ok({ type: "get_state", sessionId: id }), "isStreaming"), false);
  },
);
