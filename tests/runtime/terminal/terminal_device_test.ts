// The terminal of the process, in a real one: an error that nothing catches, in a timer or in a promise, gives it
// back, and so does its own close.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Home, REPO } from "../../support/server/server_process.ts";
import { findTmux, Terminal } from "../../support/fronts/tmux.ts";

const ignore = !await findTmux();

/** A program that opens the terminal, does something, and says why it gave it back. */
const program = (act: string): string => `
import { openTerminal } from "${REPO}/src/runtime/terminal/terminal_device.ts";
const terminal = openTerminal();
terminal.open((text) => { terminal.write("key " + text); }, () => {}, (reason) => {
  terminal.close("\\x1b[?1049l");
  console.log(reason.kind, String(reason.error?.message ?? reason.name ?? ""));
  process.exit(7);
});
terminal.write("\\x1b[?1049hopen ");
${act}
setTimeout(() => {}, 60_000);
`;

for (
  const [name, act, said] of [
    ["an error in a timer", 'setTimeout(() => { throw new Error("boom"); }, 300);', "error boom"],
    ["a rejection", 'setTimeout(() => { void Promise.reject(new Error("bang")); }, 300);', "error bang"],
    ["a signal", 'setTimeout(() => process.kill(process.pid, "SIGTERM"), 300);', "signal SIGTERM"],
  ] as const
) {
  Deno.test(
    { name: `the terminal is given back after ${name}`, ignore, sanitizeResources: false },
    async () => {
      const home = await Home.make();
      try {
        const file = `${home.dir}/program.ts`;
        await Deno.writeTextFile(file, `import process from "node:process";\n${program(act)}`);
        const command = [Deno.execPath(), "run", "-A", "--no-check", "--config", `${REPO}/deno.json`, file];
        await using terminal = await Terminal.run(home, command, { cwd: home.root });
        await terminal.shows(said, "exit code 7");
        assertEquals(await terminal.ask("#{alternate_on}"), "0");
        await terminal.send(
          "stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(icanon|echo)' | tr '\\n' ' '; echo mode-is-shown",
        );
        const screen = await terminal.shows(/mode-is-shown\n.*done>/s);
        assertStringIncludes(screen, "icanon echo mode-is-shown");
      } finally {
        await home.remove();
      }
    },
  );
}
