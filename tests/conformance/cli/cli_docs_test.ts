// docs/CLI.md is held to the program: each `--help` in it is what the program prints, and each example in a shell
// block runs, in the order of the page, against a server with the scripted demo model.
import { parse } from "@std/yaml";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { command, shell } from "../../support/server/command_line.ts";
import { at, stringAt } from "../../support/base/json.ts";
import { REPO } from "../../support/server/server_process.ts";
import { alone } from "../suite.ts";

const PAGE = await Deno.readTextFile(`${REPO}/docs/CLI.md`);

/** The blocks of that language, in order. */
function blocks(language: string): string[] {
  return [...PAGE.matchAll(new RegExp("```" + language + "\\n([\\s\\S]*?)```", "g"))].map(([, text = ""]) =>
    text
  );
}

/** What a person has beside the program: a server with the demo model, on a free port. */
const ENV = { PI_SERVER_DEMO: "1", PI_SERVER_PORT: "0" };

alone("docs/CLI.md: the help of each command is what the program prints", async (bench) => {
  const helps = blocks("text").filter((block) => block.startsWith("Usage: "));
  assert(helps.length >= 11, String(helps.length));
  for (const help of helps) {
    const name = /^Usage: pi-server (\w+)/.exec(help)?.[1] ?? "";
    assertEquals(help, (await command(bench.home, [name, "--help"])).stdout, name);
  }
});

alone("docs/CLI.md: every example runs", async (bench) => {
  const { home } = bench;
  // Without scripted models the demo model is the default one.
  await Deno.remove(`${home.agentDir}/models.json`);
  await Deno.remove(`${home.agentDir}/settings.json`);
  const examples = blocks("sh");
  assert(examples.length >= 8);
  try {
    for (const example of examples) {
      // `git diff --no-index` has exit code 1 when there is a difference: the pipe's last command counts.
      const { code, stdout, stderr } = await shell(home, `set -e\n${example}`, { env: ENV });
      assertEquals(code, 0, `${example}\n${stdout}\n${stderr}`);
    }
    const [step] = blocks("yaml").map((block) => parse(block));
    const script = stringAt(step, 0, "run");
    assertEquals(typeof at(step, 0, "env", "ANTHROPIC_API_KEY"), "string");
    const repository =
      "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m 1 && " +
      "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m 2";
    const lines = [repository, "npm() { true; }", script];
    const env = { ...ENV, MODEL: "demo/demo-1", GITHUB_STEP_SUMMARY: `${home.root}/summary.md` };
    const { code, stderr } = await shell(home, `set -e\n${lines.join("\n")}`, { env });
    assertEquals(code, 0, stderr);
    assertStringIncludes(await Deno.readTextFile(`${home.root}/summary.md`), "You said:");
  } finally {
    await command(home, ["stop", "--now"]);
  }
});
