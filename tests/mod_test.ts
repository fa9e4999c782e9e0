// The library face: `startServer` inside a program, `await using`, one shutdown promise, and errors that a
// caller can act on. What a server does on the wire is conformance's business.
import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { startServer } from "../mod.ts";
import { connect } from "../src/client/mod.ts";
import { common } from "../src/runtime/common.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-mod-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("startServer listens, greets who has the token, and ends with its scope", () =>
  inFolder(async (folder) => {
    let url = "";
    {
      await using server = await startServer({
        port: 0,
        stateDir: `${folder}/state`,
        workers: 1,
        demo: true,
      });
      url = server.endpoints[0]?.url ?? "";
      assertMatch(url, /^ws:\/\/127\.0\.0\.1:\d+\/$/);
      const token = (await Deno.readTextFile(server.tokenFile ?? "")).trim();
      const socket = new WebSocket(url, ["pi-server.v1", `pi-server.bearer.${token}`]);
      const first = await new Promise<string>((resolve) => socket.onmessage = ({ data }) => resolve(data));
      assertEquals(JSON.parse(first).type, "server_ready");
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      await closed;
    }
    await assertRejects(() => Deno.stat(`${folder}/state/endpoint.json`));
    await assertRejects(() => fetch(url.replace("ws:", "http:")));
  }));

Deno.test("shutdown returns the same promise each time, and closed resolves with it", () =>
  inFolder(async (folder) => {
    const server = await startServer({ port: 0, stateDir: `${folder}/state`, token: "a-token-from-outside" });
    assert(server.tokenFile === undefined, "a given token has no file");
    const first = server.shutdown();
    assertStrictEquals(server.shutdown(), first);
    assertEquals(await first, { drained: 0, aborted: 0, disposed: 0, failed: 0 });
    assertEquals(await server.closed, await first);
  }));

Deno.test("a state folder that another server owns is refused with its address", () =>
  inFolder(async (folder) => {
    const options = { port: 0, stateDir: `${folder}/state` };
    await using first = await startServer(options);
    const error = await assertRejects(() => startServer(options));
    assert(error instanceof Error && error.message.includes(first.endpoints[0]?.url ?? "?"), String(error));
  }));

const linux = { ignore: Deno.build.os !== "linux" };
Deno.test(
  "what sessions leave in the background ends with the server, the program's own children do not",
  linux,
  () =>
    inFolder(async (folder) => {
      const isThere = (pid: number): boolean => common.alive(pid);
      const server = await startServer({
        port: 0,
        stateDir: `${folder}/state`,
        cwd: folder,
        workers: 1,
        demo: true,
      });
      const own = new Deno.Command("sleep", { args: ["60"] }).spawn();
      try {
        const client = await connect({ stateDir: `${folder}/state` });
        const { sessionId } = await client.request("create_session", { inMemory: true });
        const command = "setsid sleep 60 >/dev/null 2>&1 & echo $!";
        const { output } = await client.request("bash", { sessionId, command });
        const left = Number(output);
        assertEquals([isThere(left), isThere(own.pid)], [true, true]);
        await client.close();
        await server.shutdown();
        assertEquals([isThere(left), isThere(own.pid)], [false, true]);
      } finally {
        own.kill("SIGKILL");
        await own.status;
      }
    }),
);
