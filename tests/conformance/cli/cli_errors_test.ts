// What a person sees when a subcommand finds no server, the wrong one, or the wrong words: one line, and an exit code.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { WebSocketServer } from "ws";
import { command } from "../../support/server/command_line.ts";
import { shared } from "../suite.ts";

const test = shared();

/** The one line on stderr. */
async function line(
  bench: Parameters<Parameters<typeof test>[1]>[0],
  args: readonly string[],
  code: number,
  env: Record<string, string> = {},
): Promise<string> {
  const ran = await command(bench.home, args, { env });
  assertEquals([ran.code, ran.stdout], [code, ""], `${args.join(" ")}: ${ran.stderr}`);
  assertEquals(ran.stderr.trim().split("\n").length, 1, ran.stderr);
  assertEquals(ran.stderr.startsWith(`pi-server ${args[0]}: `), true, ran.stderr);
  return ran.stderr;
}

test("no server: every subcommand that needs one says how to start it", async (bench) => {
  const nothing = { PI_SERVER_STATE_DIR: `${bench.home.dir}/nothing` };
  for (const args of [["sessions"], ["call", "ping"], ["tail"], ["token", "list"]]) {
    const said = await line(bench, args, 1, nothing);
    assertStringIncludes(said, "no server runs on this machine");
    assertStringIncludes(said, "pi-server start");
  }
  assertStringIncludes(await line(bench, ["sessions", "--server", "127.0.0.1:9"], 1), "no server answers at");
  const stale = `${bench.home.dir}/stale`;
  await Deno.mkdir(stale);
  await Deno.writeTextFile(`${stale}/endpoint.json`, '{"pid":999999999,"url":"ws://127.0.0.1:9/"}');
  assertStringIncludes(await line(bench, ["sessions", "--state-dir", stale], 1), "no server runs");
  await Deno.writeTextFile(`${stale}/endpoint.json`, "{");
  assertStringIncludes(await line(bench, ["sessions", "--state-dir", stale], 1), "no server runs");
});

test("a token that is wrong, missing, or in a file that is not there", async (bench) => {
  const file = `${bench.home.dir}/wrong-token`;
  await Deno.writeTextFile(file, `${"0".repeat(64)}\n`);
  const { url } = await bench.server.endpoint();
  assertStringIncludes(
    await line(bench, ["sessions", "--token-file", file], 1),
    "does not accept this token",
  );
  const env = { PI_SERVER_TOKEN: "0".repeat(64) };
  assertStringIncludes(await line(bench, ["call", "ping"], 1, env), "does not accept this token");
  const absent = `${bench.home.dir}/nothing`;
  assertStringIncludes(await line(bench, ["sessions", "--token-file", absent], 1), "there is no file");
  const elsewhere = { PI_SERVER_STATE_DIR: absent };
  assertStringIncludes(await line(bench, ["sessions", "--server", url], 1, elsewhere), "asks for a token");
});

test("a server of another protocol, or something else on that port", async (bench) => {
  const data = { version: "9.0.0", protocolVersion: "9.0", serverId: "old", capabilities: [] };
  const greeting = { type: "server_ready", data };
  // Deno's own upgrade reads no list of protocols without spaces, which is what Node's client writes.
  const old = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "pi-server.v1" });
  old.on("connection", (socket) => socket.send(JSON.stringify(greeting)));
  await new Promise((resolve) => old.once("listening", () => resolve(undefined)));
  await using web = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hello", { status: 404 }),
  );
  try {
    const { port } = old.address() as { port: number };
    const other = await line(bench, ["sessions", "--server", `127.0.0.1:${port}`], 1);
    assertStringIncludes(other, "speaks protocol 9.0");
    assertStringIncludes(other, "use the same version");
  } finally {
    old.close();
  }
  const said = await line(bench, ["sessions", "--server", `127.0.0.1:${web.addr.port}`], 1);
  assertStringIncludes(said, "is not a pi-server");
});

test("a session that is not there, a folder outside the roots, a model that pi does not know", async (bench) => {
  assertStringIncludes(await line(bench, ["run", "--session", "nope", "x"], 1), "pi-server sessions");
  assertStringIncludes(await line(bench, ["run", "--cwd", "/", "x"], 1), "pi-server start --root");
  assertStringIncludes(await line(bench, ["run", "--model", "no/such", "x"], 1), "no/such");
});

test("a wrong command or flag names the nearest right one, exit code 2", async (bench) => {
  const cases: readonly (readonly [args: readonly string[], says: string])[] = [
    [["sesions"], "did you mean sessions?"],
    [["dokter"], "did you mean doctor?"],
    [["xyzzy"], "see pi-server --help"],
    [["sessions", "--jsn"], "did you mean --json?"],
    [["sessions", "-j"], "there is no such flag"],
    [["sessions", "extra"], "nothing to do with this argument"],
    [["token", "mnt"], "did you mean mint?"],
    [["token", "mint", "--role", "drvie"], "did you mean drive?"],
    [["token", "mint", "--ttl", "soon"], "such as 30m"],
    [["token", "list", "--ttl", "1h"], "is for pi-server token mint"],
    [["token", "revoke"], "name the token"],
    [["tail", "a", "b"], "one session at a time"],
    [["stop", "--timeout", "never"], "expected seconds"],
    [["status", "--server", "a b"], "expected an address"],
    [["open", "--server", "127.0.0.1:1", "--state-dir", "/tmp"], "name two servers"],
  ];
  for (const [args, says] of cases) assertStringIncludes(await line(bench, args, 2), says);
});

test("every subcommand has a help of its own, which needs no server", async (bench) => {
  const nothing = { PI_SERVER_STATE_DIR: `${bench.home.dir}/nothing` };
  for (const name of "run open call sessions tail start stop status doctor completion token".split(" ")) {
    const { code, stdout, stderr } = await command(bench.home, [name, "--help"], { env: nothing });
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.startsWith(`Usage: pi-server ${name}`), true, stdout);
    assertEquals(stdout.split("\n").filter((one) => one.length > 80), []);
  }
});
