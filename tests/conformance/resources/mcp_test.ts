// MCP servers, codemode and tool search on pi 1.6, as in pi's own command line. Trust, bounds and the sandbox hold for
// them. pi 0.73 has none of it, and starts nothing.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, type JsonObject, stringAt } from "../../support/base/json.ts";
import { answerTo, entryOf } from "../../support/extensions/mcp_server.ts";
import { calls, type ModelRequest, text } from "../../support/model/model_server.ts";
import { ON_1_6 } from "../../support/server/server_process.ts";
import { until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { alone, type Bench, settled, TARGET } from "../suite.ts";

const NEEDS = ON_1_6 ? undefined : "needs pi 1.6";

async function write(folder: string, servers: JsonObject): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/mcp.json`, JSON.stringify({ mcpServers: servers }));
}

/** Changes pi's settings. */
async function settings(bench: Bench, more: JsonObject): Promise<void> {
  const path = `${bench.home.agentDir}/settings.json`;
  const before: JsonObject = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...before, ...more }));
}

const startsOf = async (mark: string): Promise<number[]> =>
  (await Deno.readTextFile(mark).catch(() => "")).split("\n").filter(Boolean).map(Number);

/** Waits until the server of that mark has been started that often. */
async function started(mark: string, times = 1): Promise<number> {
  const pids = await until(
    async () => {
      const pids = await startsOf(mark);
      return pids.length >= times ? pids : undefined;
    },
    30_000,
    () => `no MCP server wrote to ${mark}`,
  );
  return pids.at(-1) ?? 0;
}

async function ended(pid: number): Promise<void> {
  await until(
    () => {
      try {
        Deno.kill(pid, "SIGCONT");
        return undefined;
      } catch {
        return true;
      }
    },
    20_000,
    () => `the MCP server ${pid} still runs`,
  );
}

async function toolOf(wire: Wire, sessionId: string, name: string): Promise<unknown> {
  return arrayAt(await wire.ok({ type: "get_tools", sessionId }), "tools").find((tool) =>
    at(tool, "name") === name
  );
}

/** Waits until the session has a tool. */
function toolComes(wire: Wire, sessionId: string, name: string): Promise<unknown> {
  return until(() => toolOf(wire, sessionId, name), 30_000, () => `the tool ${name} did not come`);
}

const declared = ({ body }: ModelRequest): string[] =>
  arrayAt(body, "tools").map((tool) => stringAt(tool, "function", "name"));

/** A case with a file of the user's servers. */
function withServer(
  name: string,
  more: JsonObject,
  body: (bench: Bench, wire: Wire, mark: string) => Promise<void>,
): void {
  alone(
    `mcp: ${name}`,
    async (bench) => {
      const mark = `${bench.home.dir}/mark`;
      await write(bench.home.agentDir, { echo: entryOf(mark, more) });
      await bench.start();
      await body(bench, await bench.connect(), mark);
    },
    undefined,
    NEEDS,
  );
}

withServer(
  "a user's server gives the model its tools, and ends with the session",
  { exposure: "direct" },
  async (
    bench,
    wire,
    mark,
  ) => {
    const { id } = await bench.watched(wire);
    const marker = bench.name("ask");
    bench.model.script(
      marker,
      calls([{ name: "mcp__echo__say", args: { text: "hello" } }]),
      text(["done"]),
    );
    assertEquals((await settled(wire, id, marker)).text, "done");
    assert(declared(await bench.model.request(marker)).includes("mcp__echo__say"));
    assertEquals((await bench.model.request(marker, 1)).toolResults, ["said: hello"]);
    const end = await wire.event(id, "tool_execution_end");
    assertEquals([at(end, "event", "toolName"), at(end, "event", "isError")], ["mcp__echo__say", false]);
    const pid = await started(mark);
    await wire.ok({ type: "delete_session", sessionId: id }, 30_000);
    await ended(pid);
  },
);

withServer("codemode calls a server's tool and pi's own, and only its output reaches the model", {}, async (
  bench,
  wire,
) => {
  const { id, cwd } = await bench.session(wire);
  await Deno.writeTextFile(`${cwd}/note.txt`, "from the file");
  const marker = bench.name("script");
  const code = `const one = await tools.mcp__echo__say({ text: "a script" });
    const two = await tools.read({ path: "note.txt" });
    const three = await tools.bash({ command: "echo from the shell" });
    const four = await tools.bash({ command: "seq 1 200000; exit 3" });
    const shown = [four.output.length > 1_000_000, four.output.slice(-7).trim(), four.truncated, four.exit_code];
    return [one.content[0].text, two, three.output, ...shown].join(" | ");`;
  bench.model.script(marker, calls([{ name: "codemode", args: { code } }]), text(["done"]));
  assertEquals((await settled(wire, id, marker)).text, "done");
  const names = declared(await bench.model.request(marker));
  assert(names.includes("codemode") && !names.includes("mcp__echo__say"), names.join());
  const [result = ""] = (await bench.model.request(marker, 1)).toolResults;
  assertStringIncludes(result, "said: a script | from the file");
  assertStringIncludes(result, "from the shell\n | true | 200000 | true | 3");
});

withServer("tool_search declares a server's tool for the next request", { exposure: "deferred" }, async (
  bench,
  wire,
) => {
  const { id } = await bench.session(wire);
  const marker = bench.name("search");
  bench.model.script(
    marker,
    calls([{ name: "tool_search", args: { query: "say a text again" } }]),
    calls([{ name: "mcp__echo__say", args: { text: "found" } }]),
    text(["done"]),
  );
  assertEquals((await settled(wire, id, marker)).text, "done");
  assert(!declared(await bench.model.request(marker)).includes("mcp__echo__say"));
  assert(declared(await bench.model.request(marker, 1)).includes("mcp__echo__say"));
  assertEquals((await bench.model.request(marker, 2)).toolResults.at(-1), "said: found");
});

withServer("a tool that a client has switched off stays off after a restart", { exposure: "direct" }, async (
  bench,
  first,
) => {
  const { id } = await bench.session(first);
  const before = bench.name("before");
  bench.model.script(before, text(["ok"]));
  await settled(first, id, before);
  assert(declared(await bench.model.request(before)).includes("mcp__echo__say"));
  await first.ok({ type: "set_tools", sessionId: id, tools: ["read", "bash"] });
  await bench.judge();
  bench.server.signal("SIGTERM");
  assertEquals(await bench.server.exitCode(), 0);
  await bench.start();
  const wire = await bench.connect();
  const after = bench.name("after");
  bench.model.script(after, text(["ok"]));
  await settled(wire, id, after);
  assertEquals(declared(await bench.model.request(after)).includes("mcp__echo__say"), false);
  // A later choice of the client stands.
  await wire.ok({ type: "set_tools", sessionId: id, tools: ["read", "mcp__echo__say"] });
  const last = bench.name("last");
  bench.model.script(last, text(["ok"]));
  await settled(wire, id, last);
  assert(declared(await bench.model.request(last)).includes("mcp__echo__say"));
});

withServer("tools may name those of a server, and a session without them declares none", {
  exposure: "direct",
}, async (
  bench,
  wire,
) => {
  const { id } = await bench.session(wire, { tools: ["read", "mcp__echo__*"] });
  const marker = bench.name("named");
  bench.model.script(marker, text(["ok"]));
  await settled(wire, id, marker);
  assertEquals(declared(await bench.model.request(marker)).sort(), ["mcp__echo__say", "read"]);
  const { id: other } = await bench.session(wire, { tools: ["read"] });
  const none = bench.name("none");
  bench.model.script(none, text(["ok"]));
  await settled(wire, other, none);
  assertEquals(declared(await bench.model.request(none)), ["read"]);
  const cwd = await bench.home.folder("bad");
  await wire.refused("invalid_params", { type: "create_session", cwd, tools: ["read", "no-such-tool"] });
});

alone("mcp: a project's servers start in a trusted folder alone", async (bench) => {
  const mark = `${bench.home.dir}/mark`;
  const cwd = await bench.home.folder("project");
  await write(`${cwd}/.pi`, { echo: entryOf(mark, { exposure: "direct" }) });
  await bench.start();
  const wire = await bench.connect();
  const make = async (fields: JsonObject) => {
    const data = await wire.ok({ type: "create_session", cwd, ...fields }, 60_000);
    return { id: stringAt(data, "sessionId"), untrusted: at(data, "sessionInfo", "untrusted") };
  };
  const { id: closed, untrusted } = await make({ trustProject: false });
  const shown = Array.isArray(untrusted) ? untrusted : [];
  assertEquals(shown.includes(".pi/mcp.json"), ON_1_6, JSON.stringify(untrusted));
  const marker = bench.name("closed");
  bench.model.script(marker, text(["ok"]));
  await settled(wire, closed, marker);
  await wire.ok({ type: "reload", sessionId: closed }, 60_000);
  assertEquals(await toolOf(wire, closed, "mcp__echo__say"), undefined);
  assertEquals(await startsOf(mark), []);
  const { id: open } = await make({ trustProject: true });
  const again = bench.name("open");
  bench.model.script(again, text(["ok"]));
  await settled(wire, open, again);
  // The first prompt waits for servers whose tools the model is to see.
  assertEquals((await startsOf(mark)).length, ON_1_6 ? 1 : 0);
  assertEquals(declared(await bench.model.request(again)).includes("mcp__echo__say"), ON_1_6);
});

alone(
  "mcp: a file that is not plain is reported, starts nothing, and the session goes on",
  async (bench) => {
    const file = `${bench.home.agentDir}/mcp.json`;
    await Deno.symlink("/dev/zero", file);
    const cwd = await bench.home.folder("project");
    await Deno.mkdir(`${cwd}/.pi`);
    await Deno.symlink("/dev/zero", `${cwd}/.pi/mcp.json`);
    await bench.start();
    const wire = await bench.connect();
    const data = await wire.ok({ type: "create_session", cwd, trustProject: true }, 60_000);
    const id = stringAt(data, "sessionId");
    const marker = bench.name("goes-on");
    bench.model.script(marker, text(["ok"]));
    assertEquals((await settled(wire, id, marker)).text, "ok");
    const told = arrayAt(await wire.ok({ type: "get_state", sessionId: id }), "extensionErrors")
      .map((one) => stringAt(one, "error"));
    assert(told.some((one) => one.includes(file) && one.includes("not a regular file")), told.join("\n"));
  },
  undefined,
  NEEDS,
);

alone(
  "mcp: settings switch the built-in extensions off",
  async (bench) => {
    const mark = `${bench.home.dir}/mark`;
    await write(bench.home.agentDir, { echo: entryOf(mark, { exposure: "direct" }) });
    await settings(bench, { extensions: ["-builtin:mcp"] });
    await bench.start();
    const wire = await bench.connect();
    for (const trustProject of [true, false]) {
      const { id } = await bench.session(wire, { trustProject });
      const marker = bench.name("off");
      bench.model.script(marker, text(["ok"]));
      await settled(wire, id, marker);
      assertEquals(await toolOf(wire, id, "mcp__echo__say"), undefined);
      assert(await toolOf(wire, id, "codemode") !== undefined);
      const state = await wire.ok({ type: "get_state", sessionId: id });
      assertEquals(at(state, "extensionErrors"), undefined);
    }
    assertEquals(await startsOf(mark), []);
  },
  undefined,
  NEEDS,
);

alone(
  "mcp: the sandbox lets sessions reach the hosts of the user's file, and not those of a project",
  async (bench) => {
    const seen: string[] = [];
    const serve = (name: string): Deno.HttpServer<Deno.NetAddr> =>
      Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
        seen.push(name);
        if (request.method !== "POST") return new Response(null, { status: 405 });
        const answer = answerTo(await request.json());
        return answer === undefined ? new Response(null, { status: 202 }) : Response.json(answer);
      });
    await using user = serve("user");
    await using project = serve("project");
    const entry = ({ addr }: Deno.HttpServer<Deno.NetAddr>): JsonObject => {
      return { url: `http://127.0.0.1:${addr.port}/mcp`, exposure: "direct" };
    };
    await write(bench.home.agentDir, { mine: entry(user) });
    const cwd = await bench.home.folder("project");
    await write(`${cwd}/.pi`, { theirs: entry(project) });
    await bench.start();
    const wire = await bench.connect();
    await wire.ok({ type: "subscribe", sessionId: "*" });
    const data = await wire.ok({ type: "create_session", cwd, trustProject: true }, 60_000);
    const id = stringAt(data, "sessionId");
    await toolComes(wire, id, "mcp__mine__say");
    const notice = await wire.next(
      (message) => String(at(message, "event", "message")).includes("theirs: failed"),
      30_000,
    );
    assertEquals(at(notice, "event", "method"), "notify");
    assertEquals([seen.includes("user"), seen.includes("project")], [true, false]);
  },
  undefined,
  NEEDS ?? (TARGET === "node" ? "Node has no sandbox" : undefined),
);
