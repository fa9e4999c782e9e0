// Where export_html writes: never over a session file, whichever session drives it and whatever its name. What is refused or
// fails leaves no file behind.

import { assert, assertEquals } from "@std/assert";
import { stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { until } from "../../support/base/wait.ts";
import { type Wire, WsWire } from "../../support/wire/wire_client.ts";
import { type Bench, settled, shared } from "../suite.ts";

const args: string[] = ["--idle-session-ms", "400"];
const test = shared(args, async (bench) => {
  const sessions = `${bench.home.agentDir}/sessions`;
  await Deno.mkdir(sessions);
  args.push("--root", sessions, "--root", bench.home.root);
});

/** A session with an answer, its folder and its file. */
async function answered(bench: Bench, wire: Wire): Promise<{ id: string; cwd: string; file: string }> {
  const { id, cwd } = await bench.session(wire);
  const marker = bench.name("said");
  bench.model.script(marker, text(["said"]));
  await settled(wire, id, marker);
  return { id, cwd, file: stringAt(await wire.ok({ type: "get_state", sessionId: id }), "sessionFile") };
}

function namesIn(folder: string): string[] {
  // A lease comes and goes with the session that is live.
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => !name.endsWith(".lease"))
    .toSorted();
}

test("export_html: no session file is written over, live, parked or stored, under any name", async (bench) => {
  const wire = await bench.connect();
  const parked = await answered(bench, wire);
  const status = async () => (await wire.ok({ type: "get_state", sessionId: parked.id })).status;
  await until(async () => await status() === "parked", 15_000, () => "the session to be parked");
  const stored = await answered(bench, wire);
  await wire.ok({ type: "delete_session", sessionId: stored.id });
  const other = await answered(bench, wire);
  const unwritten = await bench.session(wire);
  const { sessionFile } = await wire.ok({ type: "get_state", sessionId: unwritten.id });
  const { id, cwd, file } = await answered(bench, wire);
  await Deno.symlink(other.file, `${cwd}/link.html`);
  await Deno.link(other.file, `${cwd}/second.html`);
  await Deno.copyFile(stored.file, `${cwd}/copy.html`);
  await wire.ok({ type: "load_session", sessionPath: `${cwd}/copy.html`, sessionId: bench.name("copy") });
  const files = [file, other.file, parked.file, stored.file, `${cwd}/copy.html`];
  const before = files.map((path) => Deno.readTextFileSync(path));
  const listed = namesIn(cwd);
  const targets = [
    ...files,
    String(sessionFile),
    `${String(sessionFile).slice(0, -6)}.JSONL`,
    ...["link.html", "second.html", "copy.html", "new.jsonl"],
  ];
  // The token is for one session, which must not reach those of others either.
  const { token } = await wire.ok({ type: "mint_token", ttlMs: 60_000, role: "drive", sessions: [id] });
  const scoped = await WsWire.connect((await bench.server.endpoint()).url, String(token), "scoped");
  bench.wires.push(scoped);
  for (const client of [wire, scoped]) {
    for (const outputPath of targets) {
      await client.refused("path_forbidden", { type: "export_html", sessionId: id, outputPath });
    }
  }
  assertEquals(files.map((path) => Deno.readTextFileSync(path)), before);
  assertEquals(namesIn(cwd), listed);
  assertEquals(await Deno.stat(String(sessionFile)).catch(() => "absent"), "absent");
  for (const session of [parked.id, other.id, id]) {
    const marker = bench.name("on");
    bench.model.script(marker, text(["on"]));
    assertEquals((await settled(wire, session, marker)).text, "on");
  }
});

test("export_html: a name that is too long is invalid_params, and what fails leaves no file behind", async (bench) => {
  const wire = await bench.connect();
  const { id, cwd } = await answered(bench, wire);
  const empty = await bench.session(wire, { inMemory: true });
  const before = namesIn(cwd);
  for (
    const outputPath of [`${"x".repeat(300)}.html`, `${"ä".repeat(130)}.html`, `${cwd}/${"y".repeat(300)}`]
  ) {
    await wire.refused("invalid_params", { type: "export_html", sessionId: id, outputPath });
  }
  await wire.refused("path_not_found", { type: "export_html", sessionId: id, outputPath: "none/page.html" });
  // pi makes no page of a session without a file.
  const failed = { type: "export_html", sessionId: empty.id, outputPath: `${cwd}/failed.html` };
  assert((await wire.request(failed)).success === false);
  assertEquals(namesIn(cwd), before);
});
