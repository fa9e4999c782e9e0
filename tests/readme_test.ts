// Runs the README's own clients against a real server: the TypeScript one over WebSocket, the Python one as
// the parent of a stdio child, and the pipe of three lines. What is shown there is what was run here.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../", import.meta.url).pathname;
const decoder = new TextDecoder();

async function block(language: string, containing: string): Promise<string> {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const blocks = [...readme.matchAll(new RegExp("```" + language + "\\n([\\s\\S]*?)\\n```", "g"))];
  const found = blocks.map(([, code = ""]) => code).find((code) => code.includes(containing));
  assert(found !== undefined, `README.md has no ${language} block with ${containing}`);
  return found;
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-readme-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(command: string, args: string[], env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, env, cwd: ROOT, stdin: "null" })
    .output();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

const server = (folder: string): string[] => [
  ...["run", "-A", `${ROOT}mod.ts`, "--demo", "--state-dir", `${folder}/state`, "--log-level", "error"],
];

Deno.test("the README's Python client gets an answer", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/client.py`, await block("python", "subprocess"));
    const args = [`${folder}/client.py`, Deno.execPath(), ...server(folder), "--no-ws"];
    const output = await run("python3", args, { PI_CODING_AGENT_DIR: `${folder}/pi` });
    assertMatch(output, /^\d+ agent_settled$/m);
    assertStringIncludes(output, 'Answer: You said: "Hello".');
  }));

/** Runs a README client, as these arguments of Deno, beside a server that listens. */
async function asksServer(folder: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...server(folder), "--port", "0", "--stdio", "on"],
    env: { PI_CODING_AGENT_DIR: `${folder}/pi` },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = child.stdout.getReader();
  // The greeting says that it listens; until then there is no endpoint.json.
  assertStringIncludes(decoder.decode((await output.read()).value), "server_ready");
  const said = await run(Deno.execPath(), ["run", "-A", ...args], env);
  assertStringIncludes(said, 'Answer: You said: "Hello".');
  await child.stdin.close();
  while (!(await output.read()).done) { /* drained, so that the server can end */ }
  assertEquals((await child.status).code, 0);
}

Deno.test("the README's TypeScript client gets an answer", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/client.ts`, await block("ts", "new WebSocket"));
    await asksServer(folder, ["--no-config", `${folder}/client.ts`, `${folder}/state`]);
  }));

Deno.test("the README's program with the package's client gets an answer", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/client.ts`, await block("ts", "await connect()"));
    // With the package's configuration its own name leads to its sources.
    const args = ["--config", `${ROOT}deno.json`, `${folder}/client.ts`];
    await asksServer(folder, args, { PI_SERVER_STATE_DIR: `${folder}/state` });
  }));

Deno.test("the README's three piped lines give a greeting, three responses and a whole run", () =>
  inFolder(async (folder) => {
    const shell = await block("sh", "printf");
    const script = shell.replace("deno run -A mod.ts", `"$DENO" run -A mod.ts --state-dir "$STATE"`);
    const env = { DENO: Deno.execPath(), STATE: `${folder}/state`, PI_CODING_AGENT_DIR: `${folder}/pi` };
    const lines = (await run("sh", ["-c", script], env)).trim().split("\n");
    const messages = lines.map((line): Record<string, unknown> => JSON.parse(line));
    assertEquals(messages[0]?.["type"], "server_ready");
    const responses = messages.filter(({ type }) => type === "response");
    assertEquals(responses.map(({ id, success }) => [id, success]), [["1", true], ["2", true], ["3", true]]);
    const events = messages.filter(({ type }) => type === "event");
    assertEquals(events.map(({ seq }) => seq), events.map((_, index) => index + 1));
    assertEquals(lines.filter((line) => line.includes('"agent_settled"')).length, 1);
  }));
