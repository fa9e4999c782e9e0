// What the operator names for pi to load: extensions, skills and prompts by path, in place of what pi finds or beside it.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { arrayAt, stringAt } from "../../support/base/json.ts";
import { text } from "../../support/model/model_server.ts";
import { alone, type Bench, settled } from "../suite.ts";

/** The source of an extension with one slash command, in two files. */
const EXTENSION = (name: string) =>
  `import { about } from "./about.ts";
export default (pi) => pi.registerCommand("${name}", { description: about, handler: async () => {} });
`;

const SKILL = (name: string) => `---\nname: ${name}\ndescription: Says ${name}\n---\nSay ${name}.\n`;

/** Resources beside the roots of sessions, where only the flags lead to them. */
async function beside(bench: Bench): Promise<string> {
  const folder = `${bench.home.dir}/beside`;
  await Deno.mkdir(`${folder}/named-skill`, { recursive: true });
  await Deno.writeTextFile(`${folder}/named.ts`, EXTENSION("named"));
  await Deno.writeTextFile(`${folder}/about.ts`, `export const about = "from beside";\n`);
  await Deno.writeTextFile(`${folder}/named-skill/SKILL.md`, SKILL("named-skill"));
  await Deno.writeTextFile(`${folder}/named-prompt.md`, "Do the named thing");
  await Deno.writeTextFile(`${folder}/system.md`, "You are the named one.");
  return folder;
}

/** Resources of the user, where pi finds them. */
async function ofUser(bench: Bench): Promise<void> {
  const { agentDir } = bench.home;
  await bench.home.extension(
    "own",
    EXTENSION("own").replace("./about.ts", `${bench.home.dir}/beside/about.ts`),
  );
  await Deno.mkdir(`${agentDir}/skills/own-skill`, { recursive: true });
  await Deno.writeTextFile(`${agentDir}/skills/own-skill/SKILL.md`, SKILL("own-skill"));
  await Deno.mkdir(`${agentDir}/prompts`, { recursive: true });
  await Deno.writeTextFile(`${agentDir}/prompts/own-prompt.md`, "Do your own thing");
  await Deno.writeTextFile(`${agentDir}/AGENTS.md`, "Instructions of the user.");
}

const namesIn = (data: Parameters<typeof arrayAt>[0]): string[] =>
  // The newer pi brings commands of its own.
  arrayAt(data, "commands").map((one) => stringAt(one, "name")).filter((name) => /named|own/.test(name))
    .toSorted();

const FLAGS = (folder: string) => [
  ...["--extension", `${folder}/named.ts`, "--skill", `${folder}/named-skill`],
  ...["--prompt-template", `${folder}/named-prompt.md`],
];
const NAMED = ["named", "named-prompt", "skill:named-skill"];
const OWN = ["own", "own-prompt", "skill:own-skill"];
const ALONE = ["--no-extensions", "--no-skills", "--no-prompt-templates", "--no-context-files"];

for (const trusted of [false, true]) {
  alone(
    `named resources: beside those of the user, in ${trusted ? "a trusted" : "another"} folder`,
    async (bench) => {
      const folder = await beside(bench);
      await ofUser(bench);
      await bench.start(FLAGS(folder));
      const wire = await bench.connect();
      const { id } = await bench.session(wire, { trustProject: trusted });
      const commands = await wire.ok({ type: "get_commands", sessionId: id });
      assertEquals(namesIn(commands), [...NAMED, ...OWN].toSorted());
      assertEquals((await wire.ok({ type: "get_state", sessionId: id })).extensionErrors, undefined);
    },
  );

  alone(
    `named resources: in place of those of the user, in ${trusted ? "a trusted" : "another"} folder`,
    async (bench) => {
      const folder = await beside(bench);
      await ofUser(bench);
      const prompts = [
        "--system-prompt",
        `${folder}/system.md`,
        "--append-system-prompt",
        "And be brief, please.",
      ];
      await bench.start([...FLAGS(folder), ...ALONE, ...prompts]);
      const wire = await bench.connect();
      const { id, cwd } = await bench.session(wire, { trustProject: trusted });
      await Deno.writeTextFile(`${cwd}/AGENTS.md`, "Instructions of the project.");
      await wire.ok({ type: "reload", sessionId: id });
      assertEquals(namesIn(await wire.ok({ type: "get_commands", sessionId: id })), NAMED);
      const marker = bench.name("asked");
      bench.model.script(marker, text(["yes"]));
      await settled(wire, id, marker);
      const { body } = await bench.model.request(marker);
      const sent = JSON.stringify(body);
      assert(sent.includes("You are the named one.") && sent.includes("And be brief, please."), sent);
      assert(!sent.includes("Instructions of the") && !sent.includes("own-skill"), sent);
    },
  );
}

alone("named resources: a path that leads nowhere ends the start with a sentence", async (bench) => {
  await Deno.mkdir(`${bench.home.dir}/beside`);
  const pipe = `${bench.home.dir}/beside/pipe`;
  assert((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
  const none = `${bench.home.dir}/beside/none.ts`;
  const cases: [flags: string[], words: RegExp][] = [
    [["--extension", none], /--extension: there is no file or folder .*none\.ts$/m],
    [["--skill", pipe], /--skill: .*pipe is neither a file nor a folder$/m],
    [["--prompt-template="], /--prompt-template: expected a value/m],
  ];
  for (const [flags, words] of cases) {
    const server = bench.spawn({ args: flags });
    assertEquals(await server.exitCode(), 2);
    assertMatch(server.stderr, words);
  }
});
