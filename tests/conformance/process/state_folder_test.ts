// The state folder and its token, from outside (docs/PROTOCOL.md#http-and-who-may-connect): closed to others whatever it was before, never through
// a link, with one owner and one token however many servers start at once.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { stringAt } from "../../support/base/json.ts";
import { deadline, until } from "../../support/base/wait.ts";
import { WsWire } from "../../support/wire/wire_client.ts";
import { alone, type Bench } from "../suite.ts";

const mode = async (path: string): Promise<string> =>
  (((await Deno.lstat(path)).mode ?? 0) & 0o777).toString(8);

/** Whether servers and tests may give files away here. */
const ROOT = Deno.uid() === 0;

/** Another user's id, which need not exist. */
const SOMEBODY_ELSE = 54_321;

/** Starts, and waits for the refusal. */
async function refusal(bench: Bench): Promise<string> {
  const server = bench.spawn();
  assertEquals(await server.exitCode(), 1, server.stderr);
  return server.stderr;
}

alone("state folder: one that was open to others is closed before the server listens", async (bench) => {
  const { stateDir } = bench.home;
  await Deno.mkdir(stateDir);
  await Deno.chmod(stateDir, 0o777);
  await Deno.writeTextFile(`${stateDir}/token`, `${"0123456789abcdef".repeat(4)}\n`);
  await Deno.chmod(`${stateDir}/token`, 0o666);
  await bench.start();
  assertEquals(await mode(stateDir), "700");
  // What was in it already is used, and closed; what came since is closed from its first moment.
  for await (const { name } of Deno.readDir(stateDir)) {
    const folder = (await Deno.lstat(`${stateDir}/${name}`)).isDirectory;
    assertEquals(await mode(`${stateDir}/${name}`), folder ? "700" : "600", name);
  }
  const wire = await bench.connect();
  await wire.ok({ type: "ping" });
});

alone(
  "state folder: a token that is a link, a folder, too short or of another user is refused",
  async (bench) => {
    const { dir, stateDir } = bench.home;
    const token = `${stateDir}/token`;
    const target = `${dir}/target`;
    await Deno.mkdir(stateDir, { mode: 0o700 });
    await Deno.writeTextFile(target, "0123456789abcdef".repeat(4), { mode: 0o600 });
    const cases: [string, () => Promise<void>, RegExp][] = [
      ["a link", () => Deno.symlink(target, token), /symbolic link/],
      ["a link to nothing", () => Deno.symlink(`${dir}/nothing`, token), /symbolic link/],
      ["a folder", () => Deno.mkdir(token), /cannot be used/],
      ["too short", () => Deno.writeTextFile(token, "short\n"), /must hold 16 to 512/],
      ["no subprotocol", () => Deno.writeTextFile(token, "c2VjcmV0IHRva2Vu/+A=\n"), /must hold 16 to 512/],
      ["empty", () => Deno.writeTextFile(token, ""), /must hold 16 to 512/],
    ];
    if (ROOT) {
      const given = async (): Promise<void> => {
        await Deno.writeTextFile(token, "0123456789abcdef".repeat(4));
        await Deno.chown(token, SOMEBODY_ELSE, SOMEBODY_ELSE);
      };
      cases.push(["another user's", given, /cannot be used/]);
    }
    for (const [what, make, says] of cases) {
      await make();
      const stderr = await refusal(bench);
      assertMatch(stderr, says, what);
      assertMatch(stderr, /remove it|choose another/, what);
      await Deno.remove(token, { recursive: true });
    }
    assertEquals(await Deno.readTextFile(target), "0123456789abcdef".repeat(4));
    await Deno.lstat(`${dir}/nothing`).then(() => assert(false, "written through a link"), () => {});
  },
);

alone(
  "state folder: one of another user, and a link to one that others may write to, are refused",
  async (bench) => {
    const { dir, stateDir } = bench.home;
    await Deno.mkdir(`${dir}/open`);
    await Deno.chmod(`${dir}/open`, 0o777);
    await Deno.symlink(`${dir}/open`, stateDir);
    assertMatch(await refusal(bench), /others may write to/);
    await Deno.remove(stateDir);
    if (ROOT) {
      await Deno.mkdir(stateDir);
      await Deno.chown(stateDir, SOMEBODY_ELSE, SOMEBODY_ELSE);
      assertMatch(await refusal(bench), /belongs to another user/);
    }
    assertEquals([...Deno.readDirSync(`${dir}/open`)], []);
  },
);

/** Servers that start at the same moment. */
const AT_ONCE = 4;

alone(
  "state folder: of servers that start at once over a fresh one, one stays, and its token is the file's",
  async (bench) => {
    for (let round = 0; round < 3; round++) {
      await Deno.remove(bench.home.stateDir, { recursive: true }).catch(() => {});
      // One of them over stdio, which has a WebSocket too.
      const servers = Array.from(
        { length: AT_ONCE },
        (_, index) => bench.spawn({ mode: index === 0 ? "stdio" : "ws" }),
      );
      const exits = new Map(servers.map((server) => [server, server.status.then(() => server)]));
      for (let left = AT_ONCE; left > 1; left--) {
        const gone = await deadline(
          Promise.race(exits.values()),
          60_000,
          () => `${left} servers live over one state folder`,
        );
        exits.delete(gone);
        assertEquals(await gone.exitCode(), 1);
        assertMatch(gone.stderr, /state folder/);
      }
      const [[survivor] = []] = exits;
      assert(survivor);
      const url = await until(
        async () => {
          const text = await Deno.readTextFile(`${bench.home.stateDir}/endpoint.json`).catch(() => "");
          return text === "" ? undefined : stringAt(JSON.parse(text), "url");
        },
        30_000,
        () => `no endpoint:\n${survivor.stderr}`,
      );
      const token = await survivor.token();
      assertMatch(token, /^[0-9a-f]{64}$/);
      const wire = await WsWire.connect(url, token);
      await wire.ok({ type: "ping" });
      await wire.close();
      await survivor.kill();
    }
  },
);

alone(
  "state folder: one that is removed while the server runs costs it neither its life nor a clean end",
  async (bench) => {
    await bench.start();
    const wire = await bench.connect();
    const { id } = await bench.session(wire);
    await Deno.remove(bench.home.stateDir, { recursive: true });
    await wire.ok({ type: "get_state", sessionId: id });
    const refused = await wire.refused("internal", { type: "create_session" });
    assertMatch(stringAt(refused, "error"), /state folder/);
    const kept = await wire.refused("internal", { type: "delete_session", sessionId: id });
    assertMatch(stringAt(kept, "error"), /lists it again/);
    await wire.refused("session_not_found", { type: "get_state", sessionId: id });
    const { healthy, issues } = await wire.ok({ type: "health_check" });
    assertEquals(healthy, false, String(issues));
    bench.server.signal("SIGTERM");
    assertEquals(await bench.server.exitCode(), 0, bench.server.stderr);
  },
);
