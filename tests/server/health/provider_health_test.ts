// The wait of health_check for what workers report on their models.
import { assertEquals } from "@std/assert";
import { ProviderHealth } from "../../../src/server/health/provider_health.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

const MS = 10_000;

function fixture(): { clock: FakeClock; health: ProviderHealth } {
  const ignore = (): void => {};
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  return { clock: new FakeClock(), health: new ProviderHealth(log) };
}

Deno.test("provider health: what waits for the first report goes on with it, and later nothing waits", async () => {
  const { clock, health } = fixture();
  const waits = [health.known(clock, MS), health.known(clock, MS)];
  await clock.advance(MS - 1);
  health.onModels(0, { kind: "model_report", issues: [] });
  assertEquals(await Promise.all(waits), [true, true]);
  assertEquals(await health.known(clock, MS), true);
  assertEquals([clock.pending, health.issues], [0, []]);
});

Deno.test("provider health: without a report the wait ends, also for the successor of a lost worker", async () => {
  const { clock, health } = fixture();
  const wait = health.known(clock, MS);
  await clock.advance(MS);
  assertEquals([await wait, clock.pending], [false, 0]);
  health.onModels(0, { kind: "model_report", issues: ["no model"] });
  assertEquals(health.issues, ["no model"]);
  health.forget(0);
  const again = health.known(clock, MS);
  health.onModels(1, { kind: "model_report", issues: ["no model"] });
  assertEquals([await again, health.issues], [true, ["no model"]]);
});
