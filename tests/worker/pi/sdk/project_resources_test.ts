// What a folder would bring into pi by itself, on real folders: found where pi looks, and nothing else.
import { assertEquals } from "@std/assert";
import { projectResources } from "../../../../src/worker/pi/sdk/project_resources.ts";
import { files } from "../../../../src/runtime/common.ts";

/** Calls `fn` with a new folder that holds a project in `project`. */
async function inPlace(fn: (top: string) => Promise<void>): Promise<void> {
  const top = await Deno.makeTempDir({ prefix: "pi-server-trust-" });
  try {
    await Deno.mkdir(`${top}/project`);
    await fn(top);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

async function put(path: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, "{}");
}

/** What is found, without what lies above the test's own folder. */
async function found(top: string, ofUser: readonly string[] = []): Promise<string[]> {
  const all = await projectResources(`${top}/project`, files, ofUser);
  return all.filter((path) => !path.startsWith("/") || path.startsWith(top)).toSorted();
}

Deno.test("trust: a folder with nothing of pi's has nothing to trust", async () => {
  await inPlace(async (top) => {
    await put(`${top}/project/README.md`);
    await put(`${top}/project/.pi/notes.md`);
    await put(`${top}/project/sub/AGENTS.md`);
    assertEquals(await found(top), []);
  });
});

Deno.test("trust: everything that pi loads from the folder is listed, relative to it", async () => {
  await inPlace(async (top) => {
    const folders = [".pi/extensions", ".pi/prompts", ".pi/skills", ".pi/themes", ".agents/skills"];
    const named = [".pi/SYSTEM.md", ".pi/APPEND_SYSTEM.md", ".pi/settings.json", "AGENTS.md", "CLAUDE.md"];
    for (const name of folders) await Deno.mkdir(`${top}/project/${name}`, { recursive: true });
    for (const name of named) await put(`${top}/project/${name}`);
    assertEquals(await found(top), [...folders, ...named].toSorted());
  });
});

Deno.test("trust: what lies in folders above is listed with its whole path, .pi there is not", async () => {
  await inPlace(async (top) => {
    await put(`${top}/CLAUDE.md`);
    await put(`${top}/.agents/skills/x/SKILL.md`);
    await put(`${top}/.pi/settings.json`);
    assertEquals(await found(top), [`${top}/.agents/skills`, `${top}/CLAUDE.md`]);
  });
});

Deno.test("trust: what is the user's own counts as trusted, in exactly that place", async () => {
  await inPlace(async (top) => {
    await put(`${top}/.agents/skills/x/SKILL.md`);
    await put(`${top}/project/.agents/skills/x/SKILL.md`);
    assertEquals(await found(top, [`${top}/.agents/skills`]), [".agents/skills"]);
  });
});

Deno.test("trust: a link counts as what it leads to, a dangling one as nothing", async () => {
  await inPlace(async (top) => {
    await put(`${top}/elsewhere/agents`);
    await Deno.symlink(`${top}/elsewhere/agents`, `${top}/project/AGENTS.md`);
    await Deno.symlink(`${top}/nowhere`, `${top}/project/CLAUDE.md`);
    assertEquals(await found(top), ["AGENTS.md"]);
  });
});
