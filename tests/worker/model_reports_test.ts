// What a worker reports on models and logins: once in any case, and then whenever something is missing or was.
import { assertEquals } from "@std/assert";
import { ModelReports } from "../../src/worker/model_reports.ts";
import type { AgentFactory, LoginRefreshes } from "../../src/worker/session/agent_port.ts";

function fixture(issues: string[]) {
  const told: (readonly string[])[] = [];
  const logins: LoginRefreshes = { saved: () => undefined, onSlow: () => {} };
  const factory = { logins, modelIssues: () => Promise.resolve([...issues]) };
  // The reports use these two fields alone.
  const reports = new ModelReports(({ issues }) => told.push(issues));
  return { told, logins, reports, factory: factory as unknown as AgentFactory };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("model reports: the first one always comes, and another one only for a change", async () => {
  const issues: string[] = [];
  const { told, reports, factory } = fixture(issues);
  reports.report(factory);
  await turn();
  reports.again(factory);
  await turn();
  assertEquals(told, [[]]);
  issues.push("no model");
  reports.report(factory);
  await turn();
  issues.pop();
  reports.again(factory);
  await turn();
  assertEquals(told, [[], ["no model"], []]);
});

Deno.test("model reports: a slow refresh of a login is reported beside what is missing, until it is over", async () => {
  const { told, reports, factory, logins } = fixture(["no model"]);
  reports.report(factory);
  reports.watch(factory);
  await turn();
  logins.onSlow(true);
  logins.onSlow(false);
  assertEquals(told.map((all) => [all.length, all[0]]), [[1, "no model"], [2, "no model"], [1, "no model"]]);
});

Deno.test("model reports: a slow login that ends before the models are read does not count as their report", async () => {
  const { told, reports, factory, logins } = fixture(["no model"]);
  reports.watch(factory);
  logins.onSlow(true);
  logins.onSlow(false);
  assertEquals(told.map((all) => all.length), [1]);
  reports.report(factory);
  await turn();
  assertEquals(told.map((all) => [all.length, all[0] === "no model"]), [[1, false], [1, true]]);
});
