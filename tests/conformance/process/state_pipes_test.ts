// A pipe in the place of a file of the state folder, on the build that ships: opening it would wait for its other end,
// past SIGTERM. The server starts without it, or ends at once and names the file.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { alone } from "../suite.ts";

async function pipe(path: string): Promise<void> {
  const made = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert(made.success, `mkfifo ${path}`);
}

/** Files that a server cannot do without: a pipe in their place ends the start. */
for (const name of ["token", "id", "owner.json"]) {
  alone(`state folder: a pipe as ${name} ends the start with the file's name`, async (bench) => {
    await Deno.mkdir(bench.home.stateDir, { recursive: true, mode: 0o700 });
    await pipe(`${bench.home.stateDir}/${name}`);
    const server = bench.spawn({ args: ["--port", "0"] });
    assertEquals(await server.exitCode(30_000), 1);
    assertStringIncludes(server.stderr, "not a regular file");
    assertStringIncludes(server.stderr, bench.home.stateDir);
    // The bench reads the token when the case is over.
    await Deno.remove(`${bench.home.stateDir}/${name}`);
  });
}

/** Files that count as empty when they cannot be read. */
const OTHERS = ["tokens.json", "trusted.json", "journal.jsonl", "sessions/a.json"];

alone("state folder: pipes in the place of its other files keep no server from starting", async (bench) => {
  await Deno.mkdir(`${bench.home.stateDir}/sessions`, { recursive: true, mode: 0o700 });
  for (const name of OTHERS) await pipe(`${bench.home.stateDir}/${name}`);
  await bench.start();
  const admin = await bench.connect("admin");
  const { id } = await bench.session(admin);
  await admin.ok({ type: "mint_token", role: "observe", ttlMs: 60_000 });
  await admin.ok({ type: "delete_session", sessionId: id });
  bench.server.signal("SIGTERM");
  assertEquals(await bench.server.exitCode(), 0);
});

alone("state folder: a link as token is refused, and what it leads to is not read", async (bench) => {
  await Deno.mkdir(bench.home.stateDir, { recursive: true, mode: 0o700 });
  const elsewhere = `${bench.home.dir}/elsewhere`;
  await Deno.writeTextFile(elsewhere, "a-token-that-lies-elsewhere\n", { mode: 0o644 });
  await Deno.symlink(elsewhere, `${bench.home.stateDir}/token`);
  const server = bench.spawn({ args: ["--port", "0"] });
  assertEquals(await server.exitCode(30_000), 1);
  assertStringIncludes(server.stderr, "symbolic link");
  assertEquals((Deno.statSync(elsewhere).mode ?? 0) & 0o777, 0o644, "nothing is done to what it leads to");
});
