// `pi-server completion`: each shell really loads its script and completes from it, as a person types and presses Tab.
// Where a shell or tmux is missing, its case is left out by name.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { command, programOf, variables } from "../../support/server/command_line.ts";
import type { Home } from "../../support/server/server_process.ts";
import { findTmux, Terminal } from "../../support/fronts/tmux.ts";
import { alone } from "../suite.ts";

/** What is typed before Tab, and what stands in the line then. */
const TYPED: readonly (readonly [typed: string, completed: string])[] = [
  ["pi-server sess", "pi-server sessions"],
  ["pi-server run --ans", "pi-server run --answer"],
  ["pi-server run --answer f", "pi-server run --answer first"],
  ["pi-server token mi", "pi-server token mint"],
  ["pi-server call create_s", "pi-server call create_session"],
  ["pi-server --max-par", "pi-server --max-parked-sessions"],
  ["pi-server start --max-par", "pi-server start --max-parked-sessions"],
  ["pi-server run --cwd some-f", "pi-server run --cwd some-folder/"],
];

async function without(...programs: readonly string[]): Promise<string | undefined> {
  for (const program of programs) {
    const there = program === "tmux"
      ? await findTmux()
      : (await new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" }).output())
        .success;
    if (!there) return `${program} is not there`;
  }
  return undefined;
}

/** A shell in a terminal, in which `pi-server` is the target, after it has loaded the script. */
async function typing(home: Home, shell: readonly string[], load: string): Promise<void> {
  const { program, args } = programOf();
  const quoted = [program, ...args].map((part) => `'${part}'`).join(" ");
  await Deno.mkdir(`${home.root}/some-folder`, { recursive: true });
  await Deno.writeTextFile(
    `${home.root}/load`,
    `PS1='ready> '\npi-server() { ${quoted} "$@"; }\n${load}\nclear\necho the script is loaded\n`,
  );
  await using terminal = await Terminal.run(home, shell, {
    cwd: home.root,
    env: variables(home),
    columns: 100,
  });
  await terminal.send("source ./load");
  await terminal.shows("the script is loaded\nready>");
  for (const [typed, completed] of TYPED) {
    await terminal.type(typed);
    await terminal.press("Tab");
    await terminal.shows(new RegExp(`ready> ${completed}\\s*$`));
    await terminal.press("C-u");
    await terminal.hides(completed);
  }
  // A value of which nothing is known may be a file: no flags are offered for it.
  await terminal.type("pi-server run --cwd ");
  await terminal.press("Tab", "Tab");
  assertEquals((await terminal.shows("some-folder")).includes("--quiet"), false);
}

alone(
  "completion: bash loads its script and completes commands, flags, values, fields and folders",
  ({ home }) => typing(home, ["bash", "--norc", "-i"], "source <(pi-server completion bash)"),
  undefined,
  await without("tmux", "bash"),
);

const ZSH = "autoload -Uz compinit; compinit -u -D";

alone(
  "completion: zsh does with a script that it sources, and with one in its fpath",
  async ({ home }) => {
    await typing(home, ["zsh", "-f"], `${ZSH}\nsource <(pi-server completion zsh)`);
    await typing(
      home,
      ["zsh", "-f"],
      `mkdir zfunc; pi-server completion zsh > zfunc/_pi-server; fpath=($PWD/zfunc $fpath); ${ZSH}`,
    );
  },
  undefined,
  await without("tmux", "zsh"),
);

alone(
  "completion: fish does",
  async ({ home }) => {
    await Deno.mkdir(`${home.root}/some-folder`);
    const { stdout: script } = await command(home, ["completion", "fish"]);
    await Deno.writeTextFile(`${home.root}/pi-server.fish`, script);
    for (const [typed, completed] of TYPED) {
      const child = new Deno.Command("fish", {
        args: ["-c", 'source pi-server.fish; complete -C "$argv"', typed],
        cwd: home.root,
        clearEnv: true,
        env: variables(home),
      });
      const { stdout, stderr } = await child.output();
      assertEquals(new TextDecoder().decode(stderr), "", typed);
      const words = new TextDecoder().decode(stdout).split("\n").map((line) => line.split("\t")[0]);
      assertStringIncludes(words.join(" "), completed.split(" ").at(-1) ?? "", typed);
    }
  },
  undefined,
  await without("fish"),
);
