// Forms of paths that are judged as text, on POSIX and on Windows, and what the guard makes of folders that stay
// closed, of the kernel's folders, and of links that are swapped after the check.
import { assertEquals } from "@std/assert";
import { isForeign, isKernel, isOfAnotherSystem } from "../../../../src/worker/session/files/path_forms.ts";
import { PathGuard } from "../../../../src/worker/session/files/path_guard.ts";
import { files } from "../../../../src/runtime/common.ts";
import type { Files } from "../../../../src/runtime/runtime.ts";

Deno.test("forms: UNC names and drives are no paths on POSIX, other names are files", () => {
  for (const path of ["C:\\x", "c:/x", "C:", "\\\\server\\share", "\\\\?\\C:\\x", "\\\\.\\NUL"]) {
    assertEquals(isForeign(path, "/"), true, path);
  }
  for (const path of ["x", "/x", "//x", "aux", "a:b", "C:x", "~", "x\\y", "1:/x"]) {
    assertEquals(isForeign(path, "/"), false, path);
  }
});

Deno.test("forms: on Windows only plain names below a drive are paths", () => {
  const bad = [
    ..."\\\\server\\share //server/share \\\\?\\C:\\x \\\\.\\pipe\\x /\\server C:x C: c:..\\x".split(" "),
    ..."NUL nul CON con.txt C:\\work\\aux C:\\work\\COM1.log LPT9 lpt¹ CONIN$ PRN.tar.gz C:/a/nul/b".split(
      " ",
    ),
    ..."file:stream C:\\x:y x::$DATA a* b? c< d> e| trailing. C:\\dots...\\x".split(" "),
    ...["NUL .txt", "space ", "C:\\a \\b", "a\x01b", 'q"'],
  ];
  for (const path of bad) assertEquals(isForeign(path, "\\"), true, path);
  const good = "C:\\x c:/x x .\\x ..\\x x.y C:\\console C:\\com10 .git a.b.c nulx COM".split(" ");
  for (const path of good) assertEquals(isForeign(path, "\\"), false, path);
});

Deno.test("forms: a missing file with a name of another system is never made", () => {
  for (const path of ["NUL", "a/aux.txt", "x\\y", "..\\..\\x", "C:x", "com1"]) {
    assertEquals(isOfAnotherSystem(path, "/"), true, path);
  }
  for (const path of ["x", "a/b", "auxiliary", "console", "com10"]) {
    assertEquals(isOfAnotherSystem(path, "/"), false, path);
  }
  assertEquals([isKernel("/proc"), isKernel("/dev/null"), isKernel("/process"), isKernel("/developer/x")], [
    true,
    true,
    false,
    false,
  ]);
});

async function inPlace(fn: (top: string) => Promise<void>): Promise<void> {
  const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-forms-" }));
  try {
    for (const folder of ["root/sub", "root/state", "root/aux", "outside"]) {
      await Deno.mkdir(`${top}/${folder}`, { recursive: true });
    }
    await Deno.writeTextFile(`${top}/root/state/token`, "secret");
    await Deno.writeTextFile(`${top}/outside/file`, "outside");
    await fn(top);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

type Asked = "folder" | "file" | "output";

async function codeOf(guard: PathGuard, how: Asked, base: string, path: string): Promise<string> {
  const outcome = await guard[how](base, path);
  return outcome.ok ? "ok" : outcome.failure.code;
}

Deno.test("guard: the state folder is closed inside a root, by any way and in any case", async () => {
  await inPlace(async (top) => {
    const root = `${top}/root`;
    await Deno.symlink(`${root}/state`, `${root}/alias`);
    await Deno.symlink(`${root}/state/token`, `${root}/tok`);
    for (const roots of [[root], ["/"], [`${root}/state`]]) {
      const guard = new PathGuard(files, roots, [`${root}/state`]);
      const ask = (how: Asked, path: string) => codeOf(guard, how, root, path);
      for (const path of ["state", "alias", "sub/../state", "STATE"]) {
        assertEquals(await ask("folder", path), "path_forbidden", path);
      }
      for (const path of ["state/token", "alias/token", "tok"]) {
        assertEquals([await ask("file", path), await ask("output", path)], [
          "path_forbidden",
          "path_forbidden",
        ], path);
      }
      assertEquals(await ask("output", "alias/new"), "path_forbidden");
    }
    assertEquals(await codeOf(new PathGuard(files, [root], [`${root}/state`]), "folder", root, "sub"), "ok");
    assertEquals(await codeOf(new PathGuard(files, [root], [`${root}/sta`]), "folder", root, "state"), "ok");
  });
});

Deno.test({
  name: "guard: the kernel's folders and devices are closed, also where everything is allowed",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const guard = new PathGuard(files, ["/"]);
    const ask = (how: Asked, path: string) => codeOf(guard, how, "/", path);
    for (
      const path of ["/proc", "/proc/self", "/proc/self/cwd", "/proc/self/root/tmp", "/dev", "/sys/kernel"]
    ) {
      assertEquals(await ask("folder", path), "path_forbidden", path);
    }
    for (
      const path of [
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/dev/null",
        "/dev/stdin",
        "/dev/zero",
        "/dev/fd/0",
      ]
    ) {
      assertEquals(await ask("file", path), "path_forbidden", path);
      assertEquals(await ask("output", path), "path_forbidden", path);
    }
    await inPlace(async (top) => {
      await new Deno.Command("mkfifo", { args: [`${top}/root/pipe`] }).output();
      await Deno.symlink("/proc/self/environ", `${top}/root/env`);
      for (const path of [`${top}/root/pipe`, `${top}/root/env`]) {
        assertEquals([await ask("file", path), await ask("output", path)], [
          "path_forbidden",
          "path_forbidden",
        ], path);
      }
    });
  },
});

Deno.test("guard: names of other systems are used when they are there, and never made", async () => {
  await inPlace(async (top) => {
    const root = `${top}/root`;
    const guard = new PathGuard(files, [root]);
    const ask = (how: Asked, path: string) => codeOf(guard, how, root, path);
    assertEquals(await ask("folder", "aux"), "ok");
    for (const path of ["NUL", "con.html", "..\\..\\x", "C:\\x", "C:x", "\\\\server\\share\\x"]) {
      assertEquals(await ask("folder", path), "path_forbidden", path);
      assertEquals(await ask("output", path), "path_forbidden", path);
    }
  });
});

Deno.test("guard: a folder that was swapped for a link after the check is found out", async () => {
  await inPlace(async (top) => {
    const root = `${top}/root`;
    const guard = new PathGuard(files, [root]);
    await Deno.writeTextFile(`${root}/sub/file`, "inside");
    const checked = await guard.file(root, "sub/file");
    assertEquals(checked, { ok: true, value: `${root}/sub/file` });
    assertEquals((await guard.still(`${root}/sub/file`)).ok, true);
    await Deno.rename(`${root}/sub`, `${root}/moved`);
    await Deno.symlink(`${top}/outside`, `${root}/sub`);
    const now = await guard.still(`${root}/sub/file`);
    assertEquals(now.ok ? "ok" : now.failure.code, "path_forbidden");
    await Deno.remove(`${root}/sub`);
    await Deno.symlink(`${root}/moved`, `${root}/sub`);
    assertEquals((await guard.still(`${root}/sub/file`)).ok, false, "elsewhere inside the roots counts too");
  });
});

const all = (): boolean => true;

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("writeAt: writes where the path says, and never through a link or into a second name", async () => {
  await inPlace(async (top) => {
    const root = `${top}/root`;
    assertEquals(await files.writeAt(`${root}/new`, bytesOf("one"), all), true);
    assertEquals(await files.writeAt(`${root}/new`, bytesOf("two"), all), true);
    assertEquals(await Deno.readTextFile(`${root}/new`), "two");
    await Deno.symlink(`${top}/outside/file`, `${root}/link`);
    await Deno.link(`${top}/outside/file`, `${root}/second`);
    await Deno.symlink(`${top}/outside`, `${root}/swapped`);
    await new Deno.Command("mkfifo", { args: [`${root}/pipe`] }).output();
    for (const name of ["link", "second", "swapped/file", "pipe"]) {
      assertEquals(await files.writeAt(`${root}/${name}`, bytesOf("x"), all), false, name);
    }
    assertEquals(await files.writeAt(`${root}/swapped/made`, bytesOf("x"), all), false);
    assertEquals(await Deno.stat(`${top}/outside/made`).catch(() => "absent"), "absent");
    const spared = (head: string): boolean => head !== "two";
    assertEquals(await files.writeAt(`${root}/new`, bytesOf("x"), spared), false);
    assertEquals(await Deno.readTextFile(`${root}/new`), "two");
    assertEquals(await Deno.readTextFile(`${top}/outside/file`), "outside");
  });
});

Deno.test("guard: on Windows drives and case are as the system has them", async () => {
  const known = new Map([["c:\\work", "C:\\Work"], ["c:\\work\\a", "C:\\Work\\a"], ["d:\\x", "D:\\x"]]);
  const windows: Files = {
    ...files,
    separator: "\\",
    realpath: (path) => Promise.resolve(known.get(path.toLowerCase())),
    stat: () => Promise.resolve({ kind: "directory", size: 0, modifiedAt: 0 }),
    readLink: () => Promise.resolve(undefined),
    resolve: (base, path) => /^[A-Za-z]:/.test(path) ? path : `${base}\\${path}`,
    parent: (path) => path.replace(/\\[^\\]*$/, "") || path,
    join: (...parts) => parts.join("\\"),
  };
  const guard = new PathGuard(windows, ["C:\\Work"], ["c:\\work\\A"]);
  const ask = (path: string) => codeOf(guard, "folder", "C:\\Work", path);
  assertEquals([await ask("C:\\Work"), await ask("c:\\WORK"), await ask("C:\\Work\\b")], ["ok", "ok", "ok"]);
  for (
    const path of ["D:\\x", "C:\\Work\\a", "c:\\work\\A\\token", "C:\\Workshop", "C:x", "NUL", "\\\\s\\c"]
  ) {
    assertEquals(await ask(path), "path_forbidden", path);
  }
});
