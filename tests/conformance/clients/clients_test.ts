// The programs of docs/clients against this build: each starts the server as its child, streams an answer with a tool
// call, answers a dialog, and tells a refusal. Those whose language is not on this machine are left out by name.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { commandOf, environment, type Home, REPO, TARGET } from "../../support/server/server_process.ts";
import { alone } from "../suite.ts";

interface Language {
  readonly file: string;
  /** What must be on PATH. */
  readonly needs: readonly string[];
  /** Compiles, where that is needed, and returns what to run. */
  prepare(source: string, folder: string): Promise<string[]>;
}

const LANGUAGES: readonly Language[] = [
  { file: "client.py", needs: ["python3"], prepare: (source) => Promise.resolve(["python3", source]) },
  { file: "client.sh", needs: ["sh", "jq", "mkfifo"], prepare: (source) => Promise.resolve(["sh", source]) },
  {
    file: "client.rs",
    needs: ["rustc"],
    prepare: (source, folder) =>
      compiled(["rustc", "--edition", "2021", "-D", "warnings", "-o"], source, folder),
  },
  {
    file: "client.go",
    needs: ["go"],
    prepare: (source, folder) => compiled(["go", "build", "-o"], source, folder),
  },
];

const EXTENSION = `export default (pi) => pi.on("input", async (event, ctx) => {
  if (event.text.includes("dialog")) ctx.ui.notify("picked " + await ctx.ui.select("Which?", ["A", "B"]));
});`;

async function compiled(command: readonly string[], source: string, folder: string): Promise<string[]> {
  const program = `${folder}/client`;
  const [name = "", ...args] = [...command, program, source];
  // A compiler has its caches at home, so it gets this process's environment.
  const env = { GOCACHE: `${folder}/go`, GOFLAGS: "-mod=mod" };
  const { success, stderr } = await new Deno.Command(name, { args, env, cwd: folder }).output();
  assert(success, new TextDecoder().decode(stderr));
  return [program];
}

async function isOnPath(program: string): Promise<boolean> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    if (await Deno.stat(`${folder}/${program}`).then(({ isFile }) => isFile, () => false)) return true;
  }
  return false;
}

async function ask(
  home: Home,
  client: readonly string[],
  question: string,
  flags: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const { program, args } = commandOf();
  const [name = "", ...own] = client;
  // They run at the same time, and a state folder has one owner.
  const place = [
    "--state-dir",
    await Deno.makeTempDir({ dir: home.dir }),
    "--root",
    home.root,
    "--cwd",
    home.root,
  ];
  const server = [program, ...args, "--no-ws", "--log-level", "error", ...place, ...flags];
  const child = new Deno.Command(name, {
    args: [...own, question, ...server],
    cwd: home.root,
    clearEnv: true,
    env: environment(home),
    stdin: "null",
  });
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

// The binary is what they are meant for; elsewhere one of them says that nothing is different.
for (const { file, needs, prepare } of TARGET === "binary" ? LANGUAGES : LANGUAGES.slice(0, 1)) {
  const there = await Promise.all(needs.map(isOnPath));
  const missing = needs.filter((_, index) => there[index] !== true);
  if (missing.length > 0) {
    const name = `[${TARGET}] docs/clients/${file}: not run, there is no ${missing.join(", ")} here`;
    Deno.test.ignore(name, () => {});
    continue;
  }
  alone(`docs/clients/${file}: an answer with a tool call, a dialog, a refusal`, async ({ home }) => {
    await Deno.remove(`${home.agentDir}/models.json`).catch(() => {});
    await Deno.remove(`${home.agentDir}/settings.json`).catch(() => {});
    await home.extension("ask", EXTENSION);
    const client = await prepare(`${REPO}/docs/clients/${file}`, home.dir);

    const question = 'Use a "tool", ünïcode 😀 \\ and\ta tab';
    const [used, dialog, refused, unknown] = await Promise.all([
      ask(home, client, question, ["--demo"]),
      ask(home, client, "A dialog 😀", ["--demo"]),
      ask(home, client, "Hello", []),
      ask(home, client, "Hello", ["--no-such-flag"]),
    ]);
    assertEquals(used.code, 0, used.err);
    const whole = /^Let me run a command\.[^]*\n\[bash\]\nThe command worked\.[^]*\n\(stop, \d+ tokens\)\n$/;
    assertMatch(used.out, whole);
    assertEquals(dialog.code, 0, dialog.err);
    assertStringIncludes(dialog.out, 'You said: "A dialog 😀".');
    assertEquals(refused.code, 1, refused.out);
    assertStringIncludes(refused.err, `${file}: prompt: `);
    assertStringIncludes(refused.err, "(no_model)");
    assertEquals(unknown.code, 1, unknown.out);
    assertStringIncludes(unknown.err, "--no-such-flag");
    assertMatch(unknown.err, new RegExp(`${file}: the server .*; see above for its reason`));
  });
}
