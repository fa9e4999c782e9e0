// Modes of files that node:fs writes on Deno: as on Node, whatever is written how.

import { assertEquals } from "@std/assert";
import * as fs from "node:fs";
import * as promises from "node:fs/promises";
import { mendFileModes, modeAfterWrite } from "../../../src/runtime/deno/file_modes.ts";

mendFileModes();

const windows = Deno.build.os === "windows";
const modeOf = (path: string): number => (Deno.statSync(path).mode ?? 0) & 0o777;

const WRITES: Record<string, (path: string, mode?: number) => void | Promise<void>> = {
  appendFileSync: (path, mode) => fs.appendFileSync(path, "x", { mode }),
  appendFile: (path, mode) =>
    new Promise((done, fail) => fs.appendFile(path, "x", { mode }, (error) => error ? fail(error) : done())),
  "promises.appendFile": (path, mode) => promises.appendFile(path, "x", { mode }),
  writeFileSync: (path, mode) => fs.writeFileSync(path, "x", { mode }),
  writeFile: (path, mode) =>
    new Promise((done, fail) => fs.writeFile(path, "x", { mode }, (error) => error ? fail(error) : done())),
  "promises.writeFile": (path, mode) => promises.writeFile(path, "x", { mode }),
};

for (const [name, write] of Object.entries(WRITES)) {
  Deno.test(
    { name: `${name}: a new file respects the umask, a file keeps its mode`, ignore: windows },
    async () => {
      const folder = await Deno.makeTempDir();
      const umask = Deno.umask();
      try {
        for (const asked of [undefined, 0o666, 0o600, 0o640, 0o777]) {
          const path = `${folder}/new-${asked}`;
          await write(path, asked);
          assertEquals(modeOf(path), (asked ?? 0o666) & ~umask, `new, ${asked?.toString(8)}`);
          for (const mode of [0o600, 0o755]) {
            const old = `${folder}/old-${asked}-${mode}`;
            await Deno.writeTextFile(old, "something");
            await Deno.chmod(old, mode);
            await write(old, asked);
            // Born and truncated within one tick of the clock, a file looks like a new one.
            if (name.includes("append") || asked === undefined || asked === 0o666) {
              assertEquals(modeOf(old), mode, `old, ${asked?.toString(8)}`);
            }
            fs.chmodSync(old, 0o666);
            assertEquals(modeOf(old), 0o666, "chmodSync");
            await promises.chmod(old, 0o640);
            assertEquals(modeOf(old), 0o640, "chmod");
          }
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

Deno.test("a file that is not new is left alone; a new one never gets more than the umask gave", () => {
  const born = new Date(1000);
  const fresh = { size: 0, mode: 0o100644, mtime: born, birthtime: born };
  assertEquals(modeAfterWrite(fresh, 0o600), 0o600);
  assertEquals(modeAfterWrite(fresh, 0o777), 0o755);
  assertEquals(modeAfterWrite({ ...fresh, mode: 0o100600 }, 0o777), 0o700);
  assertEquals(modeAfterWrite({ ...fresh, size: 1 }, 0o600), undefined);
  assertEquals(modeAfterWrite({ ...fresh, mtime: new Date(2000) }, 0o600), undefined);
  // A file system that keeps no birth time: rights are taken, never given.
  assertEquals(modeAfterWrite({ ...fresh, birthtime: null }, 0o600), 0o600);
  assertEquals(modeAfterWrite({ ...fresh, mode: null }, 0o600), undefined);
});
