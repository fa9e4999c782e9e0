// Follows CONTRIBUTING.md's steps to add a command, to the letter, on a copy of the sources, and talks to the
// server that results. When the steps or the anchors in them go stale, this fails.
import { assert, assertEquals } from "@std/assert";

interface Step {
  readonly file: string;
  readonly anchor: string;
  readonly code: string;
}

const ROOT = new URL("../", import.meta.url).pathname;

/** Code blocks whose first line is `// <file>, before: <anchor>`. */
function stepsOf(markdown: string): Step[] {
  const blocks = markdown.matchAll(/```ts\n *\/\/ (\S+), before: (.+)\n([\s\S]*?)\n *```/g);
  return [...blocks].map(([, file = "", anchor = "", code = ""]) => ({ file, anchor, code }));
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory) await copyTree(source, target);
    else await Deno.copyFile(source, target);
  }
}

async function follow(folder: string, { file, anchor, code }: Step): Promise<void> {
  const path = `${folder}/${file}`;
  const text = await Deno.readTextFile(path);
  assertEquals(text.split(anchor).length, 2, `${file} must contain exactly once: ${anchor}`);
  await Deno.writeTextFile(path, text.replace(anchor, () => `${code}\n${anchor}`));
}

async function talk(folder: string, commands: readonly object[]): Promise<Record<string, unknown>[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${folder}/mod.ts`, "--demo", "--no-ws", "--state-dir", `${folder}/state`],
    cwd: folder,
    env: { PI_CODING_AGENT_DIR: `${folder}/pi` },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(commands.map((one) => `${JSON.stringify(one)}\n`).join("")));
  await writer.close();
  const { stdout, stderr, code } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return lines.map((line): Record<string, unknown> => JSON.parse(line));
}

Deno.test("the steps in CONTRIBUTING.md add a command that works", async () => {
  const steps = stepsOf(await Deno.readTextFile(`${ROOT}CONTRIBUTING.md`));
  assertEquals(steps.map(({ file }) => file), [
    "src/protocol/schema/session_commands.ts",
    "src/worker/session/handlers/state.ts",
  ]);
  const folder = await Deno.makeTempDir({ prefix: "pi-server-contributing-" });
  try {
    for (const name of ["src", "types"]) await copyTree(ROOT + name, `${folder}/${name}`);
    for (const name of ["mod.ts", "deno.json", "deno.lock"]) {
      await Deno.copyFile(ROOT + name, `${folder}/${name}`);
    }
    await Deno.symlink(`${ROOT}node_modules`, `${folder}/node_modules`);
    for (const step of steps) await follow(folder, step);
    const check = await new Deno.Command(Deno.execPath(), {
      args: ["check", `${folder}/mod.ts`, `${folder}/src/worker/worker.ts`],
      stderr: "piped",
    }).output();
    assert(check.success, new TextDecoder().decode(check.stderr));
    const messages = await talk(folder, [
      { type: "create_session", sessionId: "a", inMemory: true },
      { type: "prompt", sessionId: "a", message: "Count these words", waitFor: "settled" },
      { id: "good", type: "count_words", sessionId: "a", minLength: 3 },
      { id: "bad", type: "count_words", sessionId: "a", minLength: 0 },
    ]);
    const answer = (id: string) => messages.find((message) => message["id"] === id);
    assertEquals(answer("good")?.["success"], true);
    assertEquals(answer("bad")?.["code"], "invalid_params");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
