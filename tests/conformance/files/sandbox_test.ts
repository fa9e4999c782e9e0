// What Deno holds an extension to (docs/SECURITY.md): no write outside the roots, not the token, no connection
// elsewhere, and no asking for more. Node has nothing of the kind and says so; there the cases are left out.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { arrayAt, at, isObject, type JsonObject, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { commandOf, environment, REPO } from "../../support/server/server_process.ts";
import { alone, Bench, conformance, settled, TARGET } from "../suite.ts";

/** A case for targets that run on Deno. */
const onDeno = TARGET === "node"
  ? (name: string, _body: (bench: Bench) => Promise<void>): void =>
    Deno.test({
      name: `[${TARGET}] ${name} (Node has no permissions for threads)`,
      ignore: true,
      fn: () => {},
    })
  : alone;

/** An extension that tries everything in its list, and leaves what came of it in the folder's `tried.json`. */
const ATTEMPTS = (cwd: string, things: Record<string, string>): string => `
import * as fs from "node:fs";
import * as net from "node:net";
const connected = (host, port) => new Promise((resolve, reject) => {
  const socket = net.connect(port, host, () => (socket.destroy(), resolve("connected")));
  socket.on("error", reject);
});
const tries = {
  ${Object.entries(things).map(([name, code]) => `${name}: async () => ${code},`).join("\n  ")}
};
export default async function () {
  const tried = {};
  for (const [name, run] of Object.entries(tries)) {
    try { tried[name] = "did: " + String(await run()).slice(0, 60); } catch (error) {
      tried[name] = "failed: " + (error?.name + " " + error?.code + " " + error?.message).slice(0, 200);
    }
  }
  fs.writeFileSync(${JSON.stringify(`${cwd}/tried.json`)}, JSON.stringify(tried));
}
`;

/** What came of the attempts of an extension in a trusted project. */
async function attempts(bench: Bench, args: string[], things: Record<string, string>): Promise<JsonObject> {
  await bench.start(args);
  const wire = await bench.connect();
  const cwd = await bench.home.folder(bench.name("sandbox"));
  await Deno.mkdir(`${cwd}/.pi/extensions`, { recursive: true });
  await Deno.writeTextFile(`${cwd}/.pi/extensions/tries.ts`, ATTEMPTS(cwd, things));
  await wire.ok({ type: "create_session", cwd, trustProject: true, inMemory: true }, 60_000);
  const told: unknown = JSON.parse(await Deno.readTextFile(`${cwd}/tried.json`));
  assert(isObject(told));
  return told;
}

onDeno("sandbox: an extension cannot write outside, read the token, or connect elsewhere", async (bench) => {
  const { dir, stateDir, root } = bench.home;
  await Deno.writeTextFile(`${dir}/outside.txt`, "outside");
  await Deno.symlink(`${dir}/outside.txt`, `${root}/outside-link`);
  using elsewhere = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = elsewhere.addr.port;
  const denied = {
    write: `fs.writeFileSync(${JSON.stringify(`${dir}/written.txt`)}, "x")`,
    writeDeno: `Deno.writeTextFileSync(${JSON.stringify(`${dir}/written.txt`)}, "x")`,
    append: `fs.promises.appendFile(${JSON.stringify(`${dir}/outside.txt`)}, "x")`,
    remove: `fs.rmSync(${JSON.stringify(`${dir}/outside.txt`)})`,
    rename: `fs.renameSync(${JSON.stringify(`${dir}/outside.txt`)}, ${JSON.stringify(`${root}/taken.txt`)})`,
    symlink: `Deno.symlinkSync(${JSON.stringify(`${dir}/outside.txt`)}, ${
      JSON.stringify(`${root}/made-link`)
    })`,
    token: `fs.readFileSync(${JSON.stringify(`${stateDir}/token`)}, "utf8")`,
    tokenDeno: `Deno.readTextFile(${JSON.stringify(`${stateDir}/token`)})`,
    tokens: `fs.readdirSync(${JSON.stringify(stateDir)})`,
    dots: `fs.readFileSync(${JSON.stringify(`${root}/../state/token`)}, "utf8")`,
    passwd: `fs.readFileSync("/etc/passwd", "utf8")`,
    fetched: `fetch("http://127.0.0.1:${port}/")`,
    connected: `connected("127.0.0.1", ${port})`,
    listened: `Deno.listen({ hostname: "127.0.0.1", port: 0 })`,
    named: `fetch("http://exfiltration.example.invalid/")`,
    ffi: `Deno.dlopen("libc.so.6", {})`,
    worker:
      `new Worker("data:text/javascript,0", { type: "module", deno: { permissions: { write: true } } })`,
  };
  const granted = {
    ownFolder: `(fs.writeFileSync(${JSON.stringify(`${root}/inside.txt`)}, "x"), "fine")`,
    asked: `Deno.permissions.request({ name: "write" }).then(({ state }) => state)`,
    model: `fetch(${JSON.stringify(bench.model.url)}).then(({ status }) => "answered " + (status > 0))`,
  };
  const told = await attempts(bench, [], { ...denied, ...granted });
  for (const name of Object.keys(denied)) {
    assertStringIncludes(String(told[name]), "failed: ", name);
  }
  // Through Node's sockets the refusal looks like that of a closed port. Here a program listens.
  for (const name of ["write", "writeDeno", "token", "tokenDeno", "fetched", "named"]) {
    assert(/NotCapable|EACCES|EPERM|ERR_ACCESS/.test(String(told[name])), `${name}: ${told[name]}`);
  }
  assertEquals([told.ownFolder, told.model], ["did: fine", "did: answered true"]);
  assert(told.asked !== "did: granted", "asking for more must gain nothing");
  assertEquals(await Deno.readTextFile(`${dir}/outside.txt`), "outside");
});

onDeno("sandbox: --allow-net opens one host, --allow-any-net all", async (bench) => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hi"),
  );
  const address = `127.0.0.1:${server.addr.port}`;
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const things = {
    fetched: `fetch("http://${address}/").then((answer) => answer.text())`,
    other: `connected("127.0.0.1", ${other.addr.port})`,
  };
  const one = await attempts(bench, ["--allow-net", address], things);
  assertEquals(one.fetched, "did: hi");
  assertStringIncludes(String(one.other), "failed: ");
  bench.server.signal("SIGTERM");
  await bench.server.exitCode();
  const all = await attempts(bench, ["--allow-any-net"], things);
  assertEquals(all.fetched, "did: hi");
  assertEquals(all.other, "did: connected");
});

onDeno("sandbox: a shell that the agent starts is not held, and works", async (bench) => {
  await bench.start();
  const wire = await bench.connect();
  const { id } = await bench.session(wire);
  const data = await wire.ok({
    type: "bash",
    sessionId: id,
    command: "cat /etc/hostname >/dev/null && echo free",
  });
  assertEquals(data.output, "free\n");
});

alone("sandbox: pi's folders may be named below the home by ~, as in pi", async (bench) => {
  const { dir, agentDir } = bench.home;
  const inHome = (folder: string) => folder.replace(dir, "~");
  const sessions = `${dir}/kept`;
  await Deno.mkdir(sessions);
  const env = { PI_CODING_AGENT_DIR: inHome(agentDir), PI_CODING_AGENT_SESSION_DIR: inHome(sessions) };
  await bench.start([], { env });
  const wire = await bench.connect();
  const { id, info } = await bench.session(wire);
  const file = stringAt(info, "sessionInfo", "sessionFile");
  assert(file.startsWith(`${sessions}/`), file);
  const marker = bench.name("home");
  bench.model.script(marker, text(["here"]));
  assertEquals((await settled(wire, id, marker)).text, "here");
  assert((await Deno.stat(file)).isFile);
  const stored = arrayAt(await wire.ok({ type: "list_stored_sessions" }), "sessions");
  assertEquals(stored.map((one) => at(one, "sessionPath")), [file]);
  const health = await wire.ok({ type: "health_check" });
  assertEquals(health.issues, []);
});

/** What `pi-server permissions` prints. */
async function printed(args: string[]): Promise<JsonObject> {
  await using bench = await Bench.make();
  const command = commandOf();
  const { code, stdout, stderr } = await new Deno.Command(command.program, {
    args: [...command.args.filter((arg) => !["--sandbox", "on"].includes(arg)), "permissions", ...args],
    cwd: bench.home.root,
    clearEnv: true,
    env: environment(bench.home),
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const told: unknown = JSON.parse(new TextDecoder().decode(stdout));
  assert(isObject(told));
  return told;
}

conformance("sandbox: pi-server permissions prints what holds, or why nothing does", async () => {
  if (TARGET !== "node") {
    const on = await printed(["--sandbox", "on", "--root", "/srv/work", "--allow-net", "api.example:8443"]);
    assertEquals(on.sandbox, "on");
    assert(isObject(on.hosts) && Array.isArray(on.hosts.net) && Array.isArray(on.hosts.write));
    assert(on.hosts.net.includes("api.example:8443") && on.hosts.write.includes("/srv/work"));
  }
  if (TARGET !== "node") {
    // The page has a row for each kind, and no row says "nothing" of what is given, or the other way round.
    const { hosts } = await printed(["--sandbox", "on"]);
    const rows = [
      ...(await Deno.readTextFile(`${REPO}/docs/SECURITY.md`)).matchAll(/^\| `(\w+)` +\| ([^|]+?) +\|/gm),
    ];
    assert(isObject(hosts));
    assertEquals(new Set(rows.map(([, kind]) => kind)), new Set(Object.keys(hosts)));
    for (const [, kind = "", what] of rows) {
      const given = hosts[kind];
      const nothing = given === false || (Array.isArray(given) && given.length === 0);
      assertEquals(what === "nothing", nothing, kind);
      assertEquals(given === true, what === "any program" || what === "all of it", kind);
    }
    assert(isObject(hosts) && Array.isArray(hosts.read) && Array.isArray(hosts.sys));
    for (const path of ["/bin/bash", "/AGENTS.md", "/CLAUDE.md", "/.git", "/.agents"]) {
      assert(hosts.read.includes(path), path);
    }
    assertEquals(hosts.sys.length, 9);
  }
  const cluster = ["--cluster", "tls://nats.example,nats://10.0.0.2:4333", "--cluster-creds", "/etc/pi/nats"];
  const { router } = await printed([...cluster, "--port", "3999", "--state-dir", "/srv/state"]);
  assertEquals(at(router, "net"), ["127.0.0.1:3999", "nats.example:4222", "10.0.0.2:4333"]);
  assertEquals(at(router, "read"), ["/srv/state", "/etc/pi/nats"]);
  const auto = await printed([]);
  assertEquals(auto.sandbox, TARGET === "binary" ? "on" : "off");
  const off = await printed(["--sandbox", "off"]);
  assertEquals([off.sandbox, off.reason], ["off", "--sandbox off"]);
});
