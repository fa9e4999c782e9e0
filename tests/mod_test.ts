// The library face: `startServer` inside a program, `await using`, one shutdown promise, and errors that a
// caller can act on. What a server does on the wire is conformance's business.
import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { startServer } from "../mod.ts";

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
      await using server = await startServer({ port: 0, stateDir: `${folder}/state`, hosts: 1, demo: true });
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
