// Logins that rotate (OAuth): once the provider has taken the old refresh token, the new one reaches the disk, whatever
// ends meanwhile, and no lock stays behind. The provider is an extension's, its token endpoint the test's.

import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { at, brief, stringAt } from "../../support/base/json.ts";
import { Gate, OPENAI, text } from "../../support/model/model_server.ts";
import { deadline, until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled } from "../suite.ts";

/** A token endpoint that has taken the old token when `asked` opens, and answers when the test opens `answer`. */
class TokenEndpoint implements AsyncDisposable {
  readonly asked = new Gate();
  readonly answer = new Gate();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = new AbortController();

  constructor(refuses: boolean) {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: this.#end.signal };
    this.#server = Deno.serve(options, async () => {
      this.asked.open();
      await this.answer.opened;
      if (refuses) return Response.json({ error: "invalid_grant" }, { status: 400 });
      return Response.json({ access: "new-access", refresh: "new-refresh" });
    });
  }

  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  get url(): string {
    return `http://${this.host}/token`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.answer.open();
    this.#end.abort();
    await this.#server.finished;
  }
}

/** The newer pi hands the refresh a signal; it is used like pi's own providers use it. */
const extension = (tokenUrl: string, modelUrl: string): string => `
export default function (pi) {
  const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
  pi.registerProvider("corp", {
    baseUrl: "${modelUrl}/v1",
    api: "openai-completions",
    models: [{ id: "c1", name: "c1", reasoning: false, input: ["text"], contextWindow: 9000, maxTokens: 90, cost }],
    oauth: {
      name: "Corp",
      async login() { throw new Error("no"); },
      async refreshToken(credentials, signal) {
        const answer = await fetch("${tokenUrl}", { method: "POST", ...(signal ? { signal } : {}) });
        if (!answer.ok) throw new Error(await answer.text());
        const { access, refresh } = await answer.json();
        return { ...credentials, type: "oauth", access, refresh, expires: Date.now() + 3_600_000 };
      },
      getApiKey: (credentials) => credentials.access,
    },
  });
}`;

const authFile = (bench: Bench): string => `${bench.home.agentDir}/auth.json`;

async function refreshToken(bench: Bench): Promise<string> {
  return stringAt(JSON.parse(await Deno.readTextFile(authFile(bench))), "corp", "refresh");
}

async function lockIsGone(bench: Bench): Promise<boolean> {
  return await Deno.stat(`${authFile(bench)}.lock`).then(() => false, () => true);
}

/** A server whose session has begun a refresh, which the endpoint has not answered yet. */
async function refreshing(bench: Bench, tokens: TokenEndpoint, args: string[] = []): Promise<Wire> {
  await bench.home.extension("corp", extension(tokens.url, bench.model.url));
  const old = { corp: { type: "oauth", refresh: "old-refresh", access: "old", expires: 1 } };
  await Deno.writeTextFile(authFile(bench), JSON.stringify(old), { mode: 0o600 });
  await bench.start(["--allow-net", tokens.host, ...args]);
  const wire = await bench.connect();
  await bench.session(wire, { sessionId: "s" });
  await wire.ok({ type: "set_model", sessionId: "s", provider: "corp", modelId: "c1" });
  wire.send({ id: "p", type: "prompt", sessionId: "s", message: "Hello", waitFor: "settled" });
  await deadline(tokens.asked.opened, 20_000, () => `no refresh: ${brief(wire.messages.slice(-3), 3000)}`);
  return wire;
}

for (const type of ["abort", "delete_session"]) {
  alone(`logins: a refreshed login is on disk though ${type} came before the answer`, async (bench) => {
    await using tokens = new TokenEndpoint(false);
    const wire = await refreshing(bench, tokens);
    wire.send({ id: "end", type, sessionId: "s" });
    // Its answer may wait for the refresh; that of a later question says that the worker has taken the command.
    await wire.ok({ type: "list_pending_ui" });
    tokens.answer.open();
    // pi empties the file before it writes it, and holds the lock meanwhile.
    const saved = async () => await lockIsGone(bench) && await refreshToken(bench) === "new-refresh";
    await until(saved, 10_000, () => "the new token is not on disk");
    for (const id of ["p", "end"]) await wire.response(id, 20_000);
  });
}

alone("logins: the server ends only once a login that is being refreshed is on disk", async (bench) => {
  await using tokens = new TokenEndpoint(false);
  await refreshing(bench, tokens, ["--shutdown-timeout", "0"]);
  const { server } = bench;
  server.signal("SIGTERM");
  const waits = (): boolean => server.stderr.includes("waiting for a provider's new login");
  await until(waits, 20_000, () => server.stderr);
  tokens.answer.open();
  assertEquals(await server.exitCode(), 0);
  assertEquals([await refreshToken(bench), await lockIsGone(bench)], ["new-refresh", true]);
});

alone("logins: the server gives up a refresh that never ends, and leaves no lock", async (bench) => {
  await using tokens = new TokenEndpoint(false);
  await refreshing(bench, tokens, ["--shutdown-timeout", "0"]);
  bench.server.signal("SIGTERM");
  assertEquals(await bench.server.exitCode(), 0);
  assertEquals([await refreshToken(bench), await lockIsGone(bench)], ["old-refresh", true]);
});

for (const isolation of ["shared", "session"]) {
  alone(`logins: while a refresh hangs, sessions begin with their keys (${isolation})`, async (bench) => {
    await using tokens = new TokenEndpoint(false);
    const wire = await refreshing(bench, tokens, ["--isolation", isolation]);
    for (const key of ["first-key", "second-key"]) {
      const logins = JSON.parse(await Deno.readTextFile(authFile(bench)));
      const changed = { ...logins, [OPENAI.provider]: { type: "api_key", key } };
      await Deno.writeTextFile(authFile(bench), JSON.stringify(changed), { mode: 0o600 });
      // In isolation a second session gets a worker that has started while the lock was held.
      for (let n = 0; n < 2; n++) {
        const { id, info } = await bench.session(wire, { ...OPENAI });
        assertEquals(at(info, "sessionInfo", "extensionErrors"), undefined);
        const marker = bench.name(key);
        bench.model.script(marker, text(["ok"]));
        assertEquals((await settled(wire, id, marker)).text, "ok");
        assertEquals((await bench.model.request(marker)).headers["authorization"], `Bearer ${key}`);
      }
    }
    const { issues } = await wire.ok({ type: "health_check" });
    assertNotMatch(JSON.stringify(issues), /auth\.json/);
    // pi 1.6 may have given up the refresh by now.
    await wire.ok({ type: "abort", sessionId: "s" });
    assertEquals((await wire.response("p")).success, false);
  });
}

alone("logins: a provider that refuses the refresh is named, with the next step", async (bench) => {
  await using tokens = new TokenEndpoint(true);
  const wire = await refreshing(bench, tokens);
  tokens.answer.open();
  const { error } = await wire.response("p", 30_000);
  assertMatch(String(error), /log in again|refresh/i);
  assertEquals(await refreshToken(bench), "old-refresh");
});

alone(
  "logins: a key that changes in auth.json counts at the next request of live sessions",
  async (bench) => {
    const put = async (key: string): Promise<void> => {
      const keys = { [OPENAI.provider]: { type: "api_key", key } };
      // As pi writes it: the same file, with another content.
      await Deno.writeTextFile(authFile(bench), JSON.stringify(keys, null, 2), { mode: 0o600 });
    };
    await put("first-key");
    await bench.start();
    const wire = await bench.connect();
    const sessions = [await bench.session(wire), await bench.session(wire)];
    for (const key of ["first-key", "second-key", "third-key"]) {
      await put(key);
      for (const { id } of sessions) {
        const marker = bench.name(key);
        bench.model.script(marker, text(["ok"]));
        assertEquals((await settled(wire, id, marker)).text, "ok");
        assertEquals((await bench.model.request(marker)).headers["authorization"], `Bearer ${key}`);
      }
    }
  },
);

alone("logins: while auth.json is broken the last good keys count, also for a new session", async (bench) => {
  const content = JSON.stringify({ [OPENAI.provider]: { type: "api_key", key: "good-key" } });
  await Deno.writeTextFile(authFile(bench), content, { mode: 0o600 });
  await bench.start();
  const wire = await bench.connect();
  const uses = async (id: string): Promise<unknown> => {
    const marker = bench.name("key");
    bench.model.script(marker, text(["ok"]));
    await settled(wire, id, marker);
    return (await bench.model.request(marker)).headers["authorization"];
  };
  const { id } = await bench.session(wire);
  assertEquals(await uses(id), "Bearer good-key");
  await Deno.writeTextFile(authFile(bench), content.slice(0, -3));
  assertEquals(await uses(id), "Bearer good-key");
  const { id: other, info } = await bench.session(wire);
  assertEquals(await uses(other), "Bearer good-key");
  assertMatch(JSON.stringify(info), /auth\.json is not valid JSON/);
  const { issues } = await wire.ok({ type: "health_check" });
  assertMatch(JSON.stringify(issues), /auth\.json is not valid JSON/);
  await Deno.writeTextFile(authFile(bench), content.replace("good-key", "mended-key"));
  assertEquals([await uses(id), await uses(other)], ["Bearer mended-key", "Bearer mended-key"]);
});
