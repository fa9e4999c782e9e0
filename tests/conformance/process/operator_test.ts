// What an operator finds out: refused requests, providers that fail, missing models and folders, unknown variables,
// wrong starts, and what a signal waits for. In the log, the counters and health_check, and never a secret.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { hang, status } from "../../support/model/model_server.ts";
import { get } from "../../support/network/raw_http.ts";
import type { ServerProcess } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, settled } from "../suite.ts";

const issuesOf = async (wire: Wire): Promise<readonly string[]> =>
  arrayAt(await wire.ok({ type: "health_check" }), "issues").map(String);

/** The log has that line, sooner or later. */
async function logged(server: ServerProcess, pattern: RegExp): Promise<string> {
  return await until(
    () => Promise.resolve(server.stderr.split("\n").find((line) => pattern.test(line))),
    60_000,
    () => `no line ${pattern} in:\n${server.stderr}`,
  );
}

alone(
  "operator: refused requests are counted and logged, strangers do not fill the log, and no token shows",
  async (bench) => {
    const server = await bench.start([], { defaultRates: true });
    const { port } = await server.endpoint();
    const token = await server.token();
    await get(port, "/metrics", { Authorization: "Bearer secret-wrong-token" });
    await get(port, "/healthz", { Host: "evil.example" });
    for (let n = 0; n < 30; n++) await get(port, "/healthz", { Origin: "https://evil.example" });
    const wire = await bench.connect();
    await bench.session(wire);
    const metrics = await wire.ok({ type: "get_metrics" });
    const refused = at(metrics, "refusedRequests");
    assertEquals([at(refused, "token"), at(refused, "host"), at(refused, "origin")], [1, 1, 30]);
    assertEquals([metrics.connectionsOpened, metrics.sessionsCreated], [1, 1]);
    await logged(server, /warn .*a request is refused for=token status=401/);
    await logged(server, /warn .*a request is refused for=origin .*origin=https:\/\/evil\.example/);
    await logged(server, /info .*session created sessionId=/);
    assert(server.stderr.split("a request is refused").length < 15, server.stderr);
    assert(!server.stderr.includes("secret-wrong-token") && !server.stderr.includes(token), server.stderr);
    const page = await get(port, "/metrics", { Authorization: `Bearer ${token}` });
    assertStringIncludes(page.body, 'pi_server_refused_requests_total{for="origin"} 30');
  },
);

alone(
  "operator: a provider that refuses is logged, counted and in health_check until it answers",
  async (bench) => {
    const server = await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    assertEquals(await issuesOf(wire), []);
    const marker = bench.name("refusing");
    bench.model.script(marker, status(401, "no such key"));
    await wire.request({ type: "prompt", sessionId: id, message: marker, waitFor: "settled" }, 30_000);
    await logged(server, /warn .*a provider has failed .*401\b.*no such key/);
    const [issue = ""] = await issuesOf(wire);
    assertMatch(issue, /^The provider \S+ fails \(\S+, 1 in a row\): 401\b.*no such key/);
    assertEquals(at(await wire.ok({ type: "get_metrics" }), "providerFailures", "401"), 1);
    await settled(wire, id, "well again");
    await until(
      async () => (await issuesOf(wire)).length === 0 ? true : undefined,
      10_000,
      () => "still an issue",
    );
  },
);

alone(
  "operator: without a model the start and health_check say so with both ways out; models need no session",
  async (bench) => {
    const asked = async (): Promise<{ issues: readonly string[]; models: number; server: ServerProcess }> => {
      const server = await bench.start();
      const wire = await bench.connect();
      // The first answer says it, although pi still loads.
      const [issues, { models }] = await Promise.all([
        issuesOf(wire),
        wire.ok({ type: "get_available_models" }, 30_000),
      ]);
      return { issues, models: arrayAt({ models }, "models").length, server };
    };
    const file = `${bench.home.agentDir}/settings.json`;
    const settings: JsonObject = JSON.parse(await Deno.readTextFile(file));
    await Deno.writeTextFile(
      file,
      JSON.stringify({ ...settings, defaultProvider: "openai", defaultModel: "no-such" }),
    );
    const missing = await asked();
    assert(missing.models > 0);
    assertMatch(missing.issues.join(), /The default model openai\/no-such of pi's settings does not exist/);
    await bench.judge();
    missing.server.signal("SIGTERM");
    await missing.server.exitCode();
    await Deno.remove(`${bench.home.agentDir}/models.json`);
    const { issues, models, server } = await asked();
    assertEquals(models, 0);
    assertMatch(issues.join(), /No model can be used.*ANTHROPIC_API_KEY.*run pi, then \/login/);
    await logged(server, /warn .*No model can be used/);
  },
);

alone("operator: a missing default folder and a bad --cwd are reported with a message", async (bench) => {
  const gone = await bench.home.folder("gone");
  await bench.start(["--cwd", gone]);
  const wire = await bench.connect();
  await Deno.remove(gone);
  assertStringIncludes((await issuesOf(wire)).join(), `The default folder ${gone} of sessions is gone`);
  const refused = bench.spawn({ args: ["--cwd", gone] });
  assertEquals(await refused.exitCode(), 2);
  assertStringIncludes(refused.stderr, `--cwd: the folder ${gone} does not exist`);
});

alone(
  "operator: shells see pi's marks and no setting of the server; a variable that means nothing is named",
  async (bench) => {
    const env = { PI_SERVER_MAX_SESSION: "3", PI_SERVER_LOG_LEVEL: "info", EMPTY_ONE: "" };
    const server = await bench.start([], { env });
    await logged(
      server,
      /warn .*pi-server has no variable PI_SERVER_MAX_SESSION; did you mean PI_SERVER_MAX_SESSIONS\?/,
    );
    assert(!server.stderr.includes("PI_SERVER_LOG_LEVEL"), server.stderr);
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    const output = stringAt(await wire.ok({ type: "bash", sessionId: id, command: "env" }), "output").split(
      "\n",
    );
    assertEquals(
      output.map((line) => line.split("=")[0] ?? "").filter((name) => name.startsWith("PI_SERVER_")).sort(),
      ["PI_SERVER_CHILD_OF", "PI_SERVER_CHILD_OF_WORKER"],
    );
    assert(output.includes("PI_CODING_AGENT=true"), output.join("\n"));
    assert(output.includes("EMPTY_ONE="), output.join("\n"));
  },
);

alone(
  "operator: Ctrl-C says what it waits for, and that a second one ends it; a signal at the end causes no failure",
  async (bench) => {
    const server = await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.watched(wire);
    const marker = bench.name("hang");
    bench.model.script(marker, hang());
    await wire.ok({ type: "prompt", sessionId: id, message: marker });
    await wire.event(id, "turn_start");
    server.signal("SIGINT");
    await logged(
      server,
      /SIGINT: shutting down, waiting at most 30 s for running turns; press Ctrl-C again to end at once/,
    );
    await wire.ok({ type: "abort", sessionId: id });
    server.signal("SIGTERM");
    assertEquals(await server.exitCode(), 0);
  },
);

alone("operator: a signal that comes while the program ends does not change its exit code", async (bench) => {
  for (let round = 0; round < 3; round++) {
    const wire = await bench.startStdio(["--no-ws"]);
    await wire.ok({ type: "ping" });
    await wire.close();
    const { server } = bench;
    await logged(server, /info .*stopped/);
    try {
      server.signal("SIGTERM");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
    assertEquals(await server.exitCode(), 0);
  }
});

alone(
  "operator: a file in place of the folder of a session is named, and the shell is not blamed",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const { id, cwd } = await bench.session(wire);
    await Deno.remove(cwd, { recursive: true });
    await Deno.writeTextFile(cwd, "x");
    const { error } = await wire.request({ type: "bash", sessionId: id, command: "pwd" });
    assertStringIncludes(String(error), `The working directory is not a folder: ${cwd}`);
    const outside = await wire.refused("path_forbidden", { type: "create_session", cwd: "/etc" });
    assertStringIncludes(String(outside.error), `the server's roots (${bench.home.root})`);
  },
);
