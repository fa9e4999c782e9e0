// What `deno task compile` says and ends with, with a stand-in for `deno compile` that does what the case says.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { buildAll, exitCode, type Wanted } from "../../scripts/build/compile.ts";
import { COMPILE_TARGETS } from "../../scripts/build/targets.ts";

const WINDOWS: Wanted[] = COMPILE_TARGETS.filter(({ name }) => name === "windows-x64")
  .map((target) => ({ target, file: "pi-server-windows-x64.exe" }));
/** The first bytes of a program for Windows on x64: a DOS head that leads to a PE head with its machine. */
const PROGRAM = String.raw`printf 'MZ%58s\100\0\0\0PE\0\0\144\206' '' | tr ' ' '\0'`;

/** Builds for Windows with that shell script as the compiler; how many are missing, what was said, the folder. */
async function compiledBy(
  script: string,
  work: (missing: number, said: string, dist: string) => Promise<void>,
) {
  const dist = await Deno.makeTempDir({ prefix: "pi-server-compile-" });
  const [said, log] = [[] as string[], console.log];
  try {
    const deno = `${dist}/deno`;
    // The output's name is what follows --output.
    const output = 'while [ "$1" != --output ]; do shift; done; out=$2';
    await Deno.writeTextFile(deno, `#!/bin/sh\n${output}\n${script}\n`, { mode: 0o755 });
    await Deno.writeTextFile(`${dist}/${WINDOWS[0]?.file}`, "left by an earlier run");
    console.log = (line: string) => said.push(line);
    const choose = () => Promise.resolve({ name: "stand-in", deno, env: {}, downloads: true });
    const missing = await buildAll(WINDOWS, { bundleDir: dist, dist }, choose);
    await work(missing, said.join("\n"), dist);
  } finally {
    console.log = log;
    await Deno.remove(dist, { recursive: true });
  }
}

Deno.test("compile: a missing base runtime is reported, and fails unless that is allowed", () =>
  compiledBy('echo "error sending request for url (denort.zip)" >&2; exit 1', async (missing, said, dist) => {
    assertStringIncludes(
      said,
      "pi-server-windows-x64.exe: not built: base runtime unreachable (error sending",
    );
    assertEquals([missing, exitCode(missing, false), exitCode(missing, true)], [1, 3, 0]);
    assertEquals(await Deno.readTextFile(`${dist}/SHA256SUMS`), "");
    const names = (await Array.fromAsync(Deno.readDir(dist))).map(({ name }) => name).sort();
    assertEquals(names, ["SHA256SUMS", "deno"], "an earlier executable passes for this run's");
  }));

Deno.test("compile: what is built has its sum, and nothing is missing", () =>
  compiledBy(`${PROGRAM} > "$out"`, async (missing, said, dist) => {
    assertStringIncludes(said, "MB in");
    assertEquals([missing, exitCode(missing, false)], [0, 0]);
    const { success } = await new Deno.Command("sha256sum", { args: ["-c", "SHA256SUMS"], cwd: dist })
      .output();
    assertEquals(success, true);
  }));

Deno.test("compile: any other trouble, and an executable for another system, is a failure", async () => {
  const done = () => Promise.resolve();
  for (
    const [script, told] of [
      ['echo "error: no such module" >&2; exit 1', "no such module"],
      ['echo text > "$out"', "not for windows-x64"],
    ] as const
  ) assertStringIncludes(String(await assertRejects(() => compiledBy(script, done))), told);
});
