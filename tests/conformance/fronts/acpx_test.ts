// acpx, a client of other authors for the Agent Client Protocol, drives `pi-server acp` unchanged: one-shot runs with
// tools and permissions, kept sessions, options, and the list of sessions.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { programOf, variables } from "../../support/server/command_line.ts";
import { installDialogs, recorded, uiPrompt } from "../../support/extensions/dialog_extension.ts";
import { at } from "../../support/base/json.ts";
import { calls, OTHER, text } from "../../support/model/model_server.ts";
import { nodeOf } from "../../support/base/node_versions.ts";
import { npmTools } from "../../support/base/npm_tools.ts";
import { alone, type Bench } from "../suite.ts";

const ACPX = { acpx: "0.19.1" };
const RUN_MS = 120_000;
const CASE_MS = 600_000;

/** Runs acpx with the target as its agent. */
type Acpx = (...args: string[]) => Promise<{ code: number; stdout: string; stderr: string }>;

// It needs Node 22.13, whatever the target runs on.
const [NODE, TOOLS] = [await nodeOf("22"), await npmTools("acpx", ACPX)];
const WITHOUT = "reason" in NODE ? NODE.reason : "reason" in TOOLS ? TOOLS.reason : undefined;

/** acpx in that folder. */
function acpxIn(bench: Bench, cwd: string): Acpx {
  if ("reason" in NODE || "reason" in TOOLS) throw new Error("the case runs without acpx");
  const { program, args } = programOf();
  const agent = [program, ...args, "acp"].map((part) => `'${part}'`).join(" ");
  return async (...more) => {
    const { code, stdout, stderr } = await new Deno.Command(NODE.path, {
      args: [`${TOOLS.folder}/node_modules/acpx/dist/cli.js`, "--agent", agent, "--cwd", cwd, ...more],
      cwd,
      clearEnv: true,
      env: variables(bench.home),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(RUN_MS),
    }).output();
    const decoded = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, stdout: decoded(stdout), stderr: decoded(stderr) };
  };
}

alone(
  "acpx: a one-shot run with tools, a difference and a permission",
  async (bench) => {
    await installDialogs(`${bench.home.agentDir}/extensions`);
    await bench.start();
    const cwd = await bench.home.folder("work");
    await Deno.writeTextFile(`${cwd}/a.txt`, "one\n");
    const acpx = acpxIn(bench, cwd);
    const script = (): void =>
      bench.model.script(
        "one-shot",
        calls([{ name: "edit", args: { path: "a.txt", edits: [{ oldText: "one", newText: "two" }] } }]),
        text(["All is ", "two now."]),
      );
    script();
    const plain = await acpx("--approve-all", "exec", "one-shot please");
    assertEquals(plain.code, 0, plain.stderr);
    assertStringIncludes(plain.stdout, "Edit a.txt");
    assertStringIncludes(plain.stdout, "All is two now.");
    assertEquals(await Deno.readTextFile(`${cwd}/a.txt`), "two\n");
    await Deno.writeTextFile(`${cwd}/a.txt`, "one\n");
    script();
    const json = await acpx("--approve-all", "--format", "json", "exec", "one-shot again");
    const events = json.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(json.code, 0, json.stderr);
    const diff = events.find((event) => at(event, "params", "update", "content", 0, "type") === "diff");
    assertEquals(at(diff, "params", "update", "content", 0), {
      ...{ type: "diff", path: `${cwd}/a.txt`, oldText: "one", newText: "two" },
    });
    assert(events.some((event) => at(event, "result", "stopReason") === "end_turn"));
    // --approve-all takes the first permission that allows.
    const ask = uiPrompt("out.json", [["select", "Deploy?", ["No", "Yes, go"]]]);
    const asked = await acpx("--approve-all", "exec", ask);
    assertEquals(asked.code, 0, asked.stderr);
    assertEquals(await recorded(cwd, "out.json"), ["Yes, go"]);
  },
  CASE_MS,
  WITHOUT,
);

alone(
  "acpx: a kept session goes on between runs, and its options are set",
  async (bench) => {
    await bench.start();
    const cwd = await bench.home.folder("work");
    const acpx = acpxIn(bench, cwd);
    bench.model.script("keep-on", text(["first answer"]), text(["second answer"]), text(["third answer"]));
    const made = await acpx("sessions", "new");
    assertEquals(made.code, 0, made.stderr);
    try {
      for (const answer of ["first answer", "second answer"]) {
        const run = await acpx("--format", "quiet", "keep-on");
        assertEquals([run.code, run.stdout.trim()], [0, answer], run.stderr);
      }
      const roles = await bench.model.request("keep-on", 1);
      assertStringIncludes(JSON.stringify(roles.body), "first answer", "the second run knows the first");
      const model = `${OTHER.provider}/${OTHER.modelId}`;
      const set = await acpx("set", "model", model);
      assertEquals(set.code, 0, set.stderr);
      const run = await acpx("--format", "quiet", "keep-on");
      assertEquals([run.code, run.stdout.trim()], [0, "third answer"], run.stderr);
      assertEquals((await bench.model.request("keep-on", 2)).model, OTHER.modelId);
      const listed = await acpx("--format", "json", "sessions");
      assertEquals(listed.code, 0, listed.stderr);
      assertStringIncludes(listed.stdout, cwd);
      const wire = await bench.connect();
      const data = await wire.ok({ type: "list_sessions" });
      assertStringIncludes(listed.stdout, String(at(data, "sessions", 0, "sessionId")));
    } finally {
      const closed = await acpx("sessions", "close");
      assertEquals(closed.code, 0, closed.stderr);
    }
  },
  CASE_MS,
  WITHOUT,
);
