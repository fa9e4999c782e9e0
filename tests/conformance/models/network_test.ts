// The way to a model: proxies, streams that break or end too early, pages in place of answers, refusals, and what
// users read when a provider cannot be reached. On every provider wire that the case can be played on.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { ForwardProxy } from "../../support/network/forward_proxy.ts";
import {
  modelOf,
  type RawAnswer,
  type RawApi,
  RawModel,
  refusal,
  say,
} from "../../support/model/raw_model.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { text } from "../../support/model/model_server.ts";
import { alone, type Bench, settled } from "../suite.ts";

const RETRY = { retry: { enabled: true, maxRetries: 1, baseDelayMs: 20 } };
const WIRES: readonly RawApi[] = ["openai-completions", "anthropic-messages"];

/** The first frames of an answer; `end` closes the stream cleanly, `cut` breaks the connection. */
function part(api: RawApi, how: "end" | "cut"): Response {
  const frames = say(api, "half");
  const text = new TextEncoder().encode(frames.slice(0, api === "openai-completions" ? 1 : 3).join(""));
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(text),
    async pull(controller) {
      // What was enqueued has to be on its way before the connection breaks.
      await new Promise((resolve) => setTimeout(resolve, 200));
      if (how === "cut") controller.error(new Error("cut"));
      else controller.close();
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A whole answer, behind whose final event the connection breaks. */
function wholeAndCut(api: RawApi): Response {
  const frames = say(api, "whole at once");
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const frame = frames.shift();
      if (frame !== undefined) return controller.enqueue(new TextEncoder().encode(frame));
      // What was enqueued has to be on its way before the connection breaks.
      await new Promise((resolve) => setTimeout(resolve, 200));
      controller.error(new Error("cut"));
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

const page = () =>
  new Response("<html><title>Log in, 500</title></html>", { headers: { "content-type": "text/html" } });

/** A model that plays each scene once a session, and says "whole" after it. */
function scenes(play: (scene: string, api: RawApi) => RawAnswer): RawModel {
  const seen = new Set<string>();
  return new RawModel(({ api, userText }) => {
    const first = !seen.has(userText);
    seen.add(userText);
    return first || userText.startsWith("always ")
      ? play(userText.split(" ")[1] ?? "", api)
      : say(api, "whole");
  });
}

interface Told {
  readonly response: JsonObject;
  readonly requests: number;
}

async function prompt(bench: Bench, model: RawModel, api: RawApi, message: string): Promise<Told> {
  const wire = bench.wires[0] ?? await bench.connect();
  const id = bench.name("net");
  await bench.watched(wire, { sessionId: id, ...modelOf(api) });
  const before = model.requests.length;
  const response = await wire.request({
    type: "prompt",
    sessionId: id,
    message: `${message} ${id}`,
    waitFor: "settled",
  }, 30_000);
  return { response, requests: model.requests.length - before };
}

alone(
  "network: what breaks is tried again, what was refused is not, and each says what it was",
  async (bench) => {
    await using model = scenes((scene, api) => {
      if (scene === "cut" || scene === "end") return part(api, scene);
      if (scene === "page") return page();
      if (scene === "refused") return refusal(400, "max_tokens must be below 500");
      return refusal(500, "down");
    });
    await model.register(bench.home.agentDir, RETRY);
    await bench.start();
    for (const api of WIRES) {
      for (const scene of ["cut", "end", "down"]) {
        const { response, requests } = await prompt(bench, model, api, `once ${scene}`);
        assertEquals(at(response, "data", "text"), "whole", `${api} ${scene}: ${JSON.stringify(response)}`);
        assertEquals(requests, 2, `${api} ${scene}`);
      }
      const refused = await prompt(bench, model, api, "always refused");
      assertEquals(refused.requests, 1, `${api}: ${JSON.stringify(refused.response)}`);
      assertMatch(stringAt(refused.response, "error"), /below 500/);
      const { response, requests } = await prompt(bench, model, api, "always page");
      assertEquals(requests, 1, `${api}: ${JSON.stringify(response)}`);
      assertMatch(
        stringAt(response, "error"),
        /sent a web page \(text\/html\) instead of an answer; check its baseUrl/,
      );
    }
  },
);

alone(
  "network: an answer whose final event has come is whole, also when its connection breaks behind it",
  async (bench) => {
    await using model = scenes((_scene, api) => wholeAndCut(api));
    await model.register(bench.home.agentDir, RETRY);
    await bench.start();
    for (const api of [...WIRES, "openai-responses"] as const) {
      const { response, requests } = await prompt(bench, model, api, "always cut");
      assertEquals(at(response, "data", "text"), "whole at once", `${api}: ${JSON.stringify(response)}`);
      assertEquals([at(response, "data", "stopReason"), requests], ["stop", 1], api);
    }
  },
);

alone("network: an answer that shows nothing is a success with a notice", async (bench) => {
  await using model = scenes((_scene, api) => say(api, ""));
  await model.register(bench.home.agentDir, RETRY);
  await bench.start();
  for (const api of WIRES) {
    const { response, requests } = await prompt(bench, model, api, "always empty");
    assertEquals(requests, 1);
    assertEquals(at(response, "data", "notice"), "The model sent an empty answer", api);
  }
});

alone(
  "network: a provider that cannot be reached is an error with its cause",
  async (bench) => {
    await using model = scenes((_scene, api) => say(api, "never"));
    await model.register(bench.home.agentDir, { retry: { enabled: false } });
    const { port } = model;
    await model[Symbol.asyncDispose]();
    await bench.start();
    for (const api of WIRES) {
      const { response } = await prompt(bench, model, api, "x");
      assertMatch(stringAt(response, "error"), /^Connection error: .*(?:refused|ECONNREFUSED)/);
      assert(stringAt(response, "error").includes(String(port)), stringAt(response, "error"));
    }
  },
);

alone("network: the error of a request names the proxy that it did not get through", async (bench) => {
  await using model = scenes((_scene, api) => say(api, "never"));
  await model.register(bench.home.agentDir, { retry: { enabled: false } });
  const proxy = new ForwardProxy(model.port);
  const { url } = proxy;
  await proxy[Symbol.asyncDispose]();
  const withKey = url.replace("http://", "http://ada:secret@");
  await bench.start([], { env: { HTTP_PROXY: withKey } });
  for (const api of WIRES) {
    const { response } = await prompt(bench, model, api, "x");
    const error = stringAt(response, "error");
    assertMatch(error, /^Connection error: .*(?:refused|ECONNREFUSED)/);
    assert(error.includes(`HTTP_PROXY=${url.replace(/\/$/, "")}`) && !error.includes("secret"), error);
  }
});

alone(
  "network: requests go through the proxy of the environment, and NO_PROXY=* keeps addresses out of it",
  async (bench) => {
    await using model = scenes((_scene, api) => say(api, "through"));
    await model.register(bench.home.agentDir, RETRY);
    await using proxy = new ForwardProxy(model.port);
    for (const [more, through] of [[{}, true], [{ NO_PROXY: "*" }, false]] as const) {
      const before = proxy.lines.length;
      await bench.start([], { env: { HTTP_PROXY: proxy.url, ...more } });
      await bench.connect();
      const { response } = await prompt(bench, model, "openai-completions", "x");
      assertEquals(at(response, "data", "text"), "through", JSON.stringify(response));
      assertEquals(proxy.lines.length > before, through, JSON.stringify(proxy.lines));
      const wire = bench.wires[0];
      assert(wire !== undefined);
      const { id } = await bench.session(wire);
      const { output } = await wire.ok({ type: "bash", sessionId: id, command: "printenv NO_PROXY || true" });
      // Shells see the variable as the user has set it.
      assertEquals(output, through ? "" : "*\n");
      await bench.judge();
      bench.server.signal("SIGTERM");
      await bench.server.exitCode();
    }
  },
);

alone(
  "network: the proxy of pi's settings holds on pi 1.6, where the environment names none",
  async (bench) => {
    await using model = scenes((_scene, api) => say(api, "through"));
    await using proxy = new ForwardProxy(model.port);
    await using other = new ForwardProxy(model.port);
    await model.register(bench.home.agentDir, { ...RETRY, httpProxy: ` ${proxy.url} ` });
    const variables = [{}, { HTTP_PROXY: other.url }];
    for (const [env, used] of [[variables[0], proxy], [variables[1], other]] as const) {
      const before = used.lines.length;
      await bench.start([], { env: env ?? {} });
      await bench.connect();
      const { response } = await prompt(bench, model, "openai-completions", "x");
      assertEquals(at(response, "data", "text"), "through", JSON.stringify(response));
      assertEquals(used.lines.length > before, ON_1_6 || used === other, JSON.stringify(used.lines));
      await bench.judge();
      bench.server.signal("SIGTERM");
      await bench.server.exitCode();
    }
  },
);

alone(
  "network: an answer that is silent for httpIdleTimeoutMs is asked for again",
  async (bench) => {
    const ended = Promise.withResolvers<void>();
    await using model = scenes((scene, api) => {
      if (scene === "body") {
        const text = new TextEncoder().encode(say(api, "half").slice(0, 1).join(""));
        const body = new ReadableStream({
          start: (controller) => controller.enqueue(text),
          cancel: ended.resolve,
        });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      }
      return say(api, "spoken");
    });
    await model.register(bench.home.agentDir, { ...RETRY, httpIdleTimeoutMs: 2_000 });
    await bench.start();
    for (const api of WIRES) {
      const { response, requests } = await prompt(bench, model, api, "once body");
      assertEquals(at(response, "data", "text"), "whole", `${api}: ${JSON.stringify(response)}`);
      assertEquals(requests, 2, api);
    }
    const wire = bench.wires[0];
    const said = wire?.messages.filter((one) => at(one, "event", "type") === "auto_retry_start") ?? [];
    for (const one of said) assertMatch(stringAt(one, "event", "errorMessage"), /silent for 2000 ms/);
    assertEquals(said.length, WIRES.length);
    await ended.promise;
  },
  undefined,
  ON_1_6 ? undefined : "pi 0.73 has no such setting",
);

alone("network: a provider may take ten minutes to begin, unless settings say less", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  // The SDK of the provider tells it how many seconds it waits, unless these are its own ten minutes.
  const patience = async (): Promise<number> => {
    const { id } = await bench.session(wire);
    const marker = bench.name("patient");
    bench.model.script(marker, text(["ok"]));
    await settled(wire, id, marker);
    return Number((await bench.model.request(marker)).headers["x-stainless-timeout"] ?? 600);
  };
  const seconds = await patience();
  assert(seconds >= 600, `${seconds} s`);
  if (!ON_1_6) return;
  const file = `${bench.home.agentDir}/settings.json`;
  const settings = JSON.parse(await Deno.readTextFile(file));
  await Deno.writeTextFile(file, JSON.stringify({ ...settings, httpIdleTimeoutMs: 120_000 }));
  assertEquals(await patience(), 120);
});

async function openssl(folder: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command("openssl", { args, cwd: folder, stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A certificate for `localhost` in `folder`, signed by an authority of the test's own; undefined without openssl. */
async function certificate(
  folder: string,
): Promise<{ cert: string; key: string; authority: string } | undefined> {
  const common = ["req", "-newkey", "rsa:2048", "-nodes"];
  const authority = [..."-x509 -days 2 -subj /CN=own -keyout ca.key -out ca.pem".split(" ")];
  if (!await openssl(folder, ...common, ...authority, "-addext", "basicConstraints=critical,CA:TRUE")) {
    return undefined;
  }
  await openssl(folder, ...common, ..."-subj /CN=localhost -keyout key.pem -out request.pem".split(" "));
  await Deno.writeTextFile(`${folder}/names`, "subjectAltName=DNS:localhost");
  const sign =
    "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem";
  await openssl(folder, ...sign.split(" "));
  const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
  return { cert: await read("cert.pem"), key: await read("key.pem"), authority: `${folder}/ca.pem` };
}

alone(
  "network: NODE_EXTRA_CA_CERTS makes a provider's certificate trusted; without it the error says why",
  async (bench) => {
    const folder = await Deno.makeTempDir({ prefix: "pi-server-ca-" });
    const made = await certificate(folder);
    if (made === undefined) return console.log("left out: openssl is missing");
    const answer = () =>
      new Response(say("openai-completions", "trusted").join(""), {
        headers: { "content-type": "text/event-stream" },
      });
    const { cert, key, authority } = made;
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} }, answer);
    try {
      await using model = scenes((_scene, api) => say(api, "never"));
      await model.register(bench.home.agentDir, { retry: { enabled: false } });
      const file = `${bench.home.agentDir}/models.json`;
      const text = (await Deno.readTextFile(file)).replaceAll(
        `http://127.0.0.1:${model.port}`,
        `https://localhost:${server.addr.port}`,
      );
      await Deno.writeTextFile(file, text);
      for (const trusted of [true, false]) {
        await bench.start([], { env: trusted ? { NODE_EXTRA_CA_CERTS: authority } : {} });
        const { response } = await prompt(bench, model, "openai-completions", "x");
        if (trusted) assertEquals(at(response, "data", "text"), "trusted", JSON.stringify(response));
        else assertMatch(stringAt(response, "error"), /^Connection error: .*certificate/);
        await bench.judge();
        bench.server.signal("SIGTERM");
        await bench.server.exitCode();
      }
    } finally {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    }
  },
);
