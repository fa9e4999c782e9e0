// Workers with permissions on a Deno that was started without --unstable-worker-options, which ends the process for them.
import { assertEquals } from "@std/assert";

const GUARD = new URL("../../../src/runtime/deno/nested_workers.ts", import.meta.url).href;

/** Runs a program that makes a worker with these options and then says that it lives; its exit code and output. */
async function program(guarded: boolean, options: string): Promise<{ code: number; said: string }> {
  const source = `
    ${guarded ? `import { guardWorkers } from "${GUARD}"; guardWorkers();` : ""}
    let refused = false;
    try {
      new Worker("data:application/javascript,0", ${options}).terminate();
    } catch {
      refused = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(refused ? "refused, alive" : "alive");`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, source);
    const args = ["run", "-A", "--no-config", "--no-check", "--no-lock", file];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    return { code, said: new TextDecoder().decode(stdout).trim() };
  } finally {
    await Deno.remove(file);
  }
}

const HELD = `{ type: "module", deno: { permissions: "none" } }`;

Deno.test("deno workers: without the guard a worker with permissions ends the process", async () => {
  assertEquals((await program(false, HELD)).said, "");
});

Deno.test("deno workers: with the guard it is refused, also when the options change between two looks", async () => {
  const turning = `{ type: "module", get deno() { return (globalThis.n = (globalThis.n ?? 0) + 1) > 1
    ? { permissions: "none" } : undefined; } }`;
  assertEquals(await program(true, HELD), { code: 0, said: "refused, alive" });
  assertEquals(await program(true, turning), { code: 0, said: "alive" });
});

Deno.test("deno workers: workers without permissions are made as before", async () => {
  assertEquals(await program(true, `{ type: "module", deno: {} }`), { code: 0, said: "alive" });
  assertEquals(await program(true, `{ type: "module" }`), { code: 0, said: "alive" });
});
