// switch_session_file and its neighbours in front of pi: what is checked before pi touches a file or writes one,
// and that whatever is refused never reaches it.
import { assertEquals } from "@std/assert";
import { PathGuard } from "../../../../src/worker/session/files/path_guard.ts";
import { files } from "../../../../src/runtime/common.ts";
import { header } from "../../support/session_builder_fixture.ts";
import { at, DELTA, placeOf, SessionBench } from "../../support/fakes.ts";
import type { SessionFiles } from "../../../../src/worker/session/files/session_file_access.ts";

/** A session in `root`, among real files, with a book of who drives what. */
class Bench implements AsyncDisposable {
  readonly top: string;
  readonly session: SessionBench;
  readonly owners: Map<string, string>;

  private constructor(top: string, session: SessionBench, owners: Map<string, string>) {
    this.top = top;
    this.session = session;
    this.owners = owners;
  }

  static async make(): Promise<Bench> {
    const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-switch-" }));
    for (const folder of ["root", "outside"]) await Deno.mkdir(`${top}/${folder}`);
    const owners = new Map<string, string>();
    const claim: SessionFiles["claim"] = (sessionId, file) => {
      const owner = owners.get(file);
      if (owner === undefined) owners.set(file, sessionId);
      return Promise.resolve(owner);
    };
    const guard = new PathGuard(files, [`${top}/root`]);
    const session = await SessionBench.live(DELTA, { place: placeOf(files, { guard, claim }) });
    session.agent.cwd = `${top}/root`;
    session.agent.calls.length = 0;
    return new Bench(top, session, owners);
  }

  async write(name: string, text: string): Promise<string> {
    await Deno.writeTextFile(`${this.top}/${name}`, text);
    return `${this.top}/${name}`;
  }

  /** The answer to a switch, in short. */
  async switchTo(sessionPath: string): Promise<unknown> {
    return await this.answered(this.session.submit({ type: "switch_session_file", sessionPath }));
  }

  /** Real files take real turns of the event loop. */
  async answered(ref: number): Promise<unknown> {
    for (let turns = 0; turns < 5_000; turns++) {
      const answer = await this.session.answer(ref);
      if (answer !== undefined) return answer;
    }
    throw new Error("there was no answer");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.top, { recursive: true });
  }
}

Deno.test("switch_session_file: a checked file is claimed, repaired, and given to pi by its canonical path", async () => {
  await using bench = await Bench.make();
  const path = await bench.write("root/s.jsonl", `${header(`${bench.top}/root`)}{"torn`);
  await Deno.symlink(path, `${bench.top}/root/alias`);
  const copy = `${path}.damaged`;
  const message = "line 2 is not JSON";
  const fileRepair = { file: path, copy, lostLines: 1, lines: [2], rejoined: 0, message };
  assertEquals(await bench.switchTo("alias"), { cancelled: false, fileRepair });
  assertEquals([bench.session.agent.calls, bench.owners.get(path)], [[`switchFile ${path}`], "a"]);
  const head = header(`${bench.top}/root`);
  assertEquals([Deno.readTextFileSync(path), Deno.readTextFileSync(copy)], [head, `${head}{"torn`]);
});

Deno.test("switch_session_file: what is missing, outside, no session, in use, or busy never reaches pi", async () => {
  await using bench = await Bench.make();
  const { top } = bench;
  await bench.write("root/notes", "notes");
  await bench.write("outside/s.jsonl", header(`${top}/root`));
  await bench.write("root/elsewhere.jsonl", header(`${top}/outside`));
  await bench.write("root/gone.jsonl", header(`${top}/root/gone`));
  bench.owners.set(await bench.write("root/taken.jsonl", `${header(`${top}/root`)}{"torn`), "b");
  const cases = [
    ["nope", "path_not_found"],
    [".", "path_not_found"],
    ["notes", "not_a_session_file"],
    ["../outside/s.jsonl", "path_forbidden"],
    ["elsewhere.jsonl", "path_forbidden"],
    ["gone.jsonl", "path_not_found"],
    ["taken.jsonl", "session_in_use"],
  ] as const;
  for (const [path, code] of cases) assertEquals(await bench.switchTo(path), code, path);
  bench.session.agent.isBusy = true;
  assertEquals(await bench.switchTo("taken.jsonl"), "agent_busy");
  assertEquals([bench.session.agent.calls, bench.owners.size], [[], 1]);
  assertEquals(Deno.readTextFileSync(`${top}/root/taken.jsonl`).endsWith('{"torn'), true);
});

Deno.test("export_html: the page goes beside the session, or where it was asked for inside the roots", async () => {
  await using bench = await Bench.make();
  const { session, top } = bench;
  const exported = (fields: Record<string, unknown> = {}): Promise<unknown> =>
    bench.answered(session.submit({ type: "export_html", ...fields }));
  assertEquals(await exported(), { path: `${top}/root/pi-session-in-memory.html` });
  session.agent.sessionFile = `${top}/elsewhere/abc.jsonl`;
  assertEquals(await exported(), { path: `${top}/root/pi-session-abc.html` });
  assertEquals(await exported({ outputPath: "x.html" }), { path: `${top}/root/x.html` });
  assertEquals(await exported({ outputPath: "../outside/x.html" }), "path_forbidden");
  assertEquals(await exported({ outputPath: "nope/x.html" }), "path_not_found");
  assertEquals(session.agent.calls.length, 3);
});

Deno.test("export_html: a session file is not written over, whatever its name, and a refusal leaves no file", async () => {
  await using bench = await Bench.make();
  const { top } = bench;
  const text = header(`${top}/root`);
  await bench.write("root/stored.jsonl", text);
  await bench.write("root/renamed.html", `${text}{"type":"message"}\n`);
  await bench.write("root/damaged.JSONL", "{");
  await Deno.symlink(`${top}/root/stored.jsonl`, `${top}/root/link.html`);
  await Deno.link(`${top}/root/renamed.html`, `${top}/root/second.html`);
  const names = [
    "stored.jsonl",
    "renamed.html",
    "damaged.JSONL",
    "link.html",
    "second.html",
    "unwritten.jsonl",
  ];
  const before = [...Deno.readDirSync(`${top}/root`)].map(({ name }) => name).toSorted();
  for (const outputPath of names) {
    const answer = bench.answered(bench.session.submit({ type: "export_html", outputPath }));
    assertEquals(await answer, "path_forbidden", outputPath);
  }
  const long = bench.session.submit({ type: "export_html", outputPath: `${"x".repeat(300)}.html` });
  assertEquals(await bench.answered(long), "invalid_params");
  assertEquals([...Deno.readDirSync(`${top}/root`)].map(({ name }) => name).toSorted(), before);
  assertEquals(bench.session.agent.calls, [], "pi was not asked for the page");
  assertEquals(Deno.readTextFileSync(`${top}/root/stored.jsonl`), text);
});

Deno.test("new_session: a parent must be a file inside the roots", async () => {
  await using bench = await Bench.make();
  await bench.write("root/p.jsonl", header("/"));
  const answered = (fields: Record<string, unknown>): Promise<unknown> =>
    bench.answered(bench.session.submit({ type: "new_session", ...fields }));
  assertEquals(await answered({ parentSession: "nope" }), "path_not_found");
  assertEquals(await answered({ parentSession: "/etc/passwd" }), "path_forbidden");
  assertEquals(await answered({ parentSession: "p.jsonl" }), { cancelled: false });
  assertEquals(at(bench.session.agent.calls, 0).startsWith("newSession "), true);
});
