// The archived session files: kept on disk for the owner alone, and a damaged list is set aside.
import { assertEquals } from "@std/assert";
import { files } from "../../../src/runtime/common.ts";
import { ArchiveStore } from "../../../src/server/state/archive_store.ts";
import { keptLog } from "../manager/fakes.ts";

async function inFolder(run: (file: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-archive-" });
  try {
    await run(`${folder}/archived.json`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("archive: marks survive a restart, for the owner alone", async () => {
  await inFolder(async (file) => {
    const { log } = keptLog();
    const store = await ArchiveStore.open({ files, file, log });
    assertEquals(await store.set("/a", true), undefined);
    void store.set("/b", true);
    void store.set("/a", false);
    await store.saved();
    assertEquals(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
    const again = await ArchiveStore.open({ files, file, log });
    assertEquals([[...again.paths], again.has("/a"), again.has("/b")], [["/b"], false, true]);
  });
});

Deno.test("archive: a damaged list is set aside and logged, and a disk that fails is the answer", async () => {
  await inFolder(async (file) => {
    const { log, records } = keptLog();
    await Deno.writeTextFile(file, '{"files":["/a"');
    const store = await ArchiveStore.open({ files, file, log });
    assertEquals([[...store.paths], records.length], [[], 1]);
    assertEquals(await Deno.readTextFile(`${file}.aside`), '{"files":["/a"');
    const failing = { ...files, writePrivate: () => Promise.reject(new Error("ENOSPC")) };
    const full = await ArchiveStore.open({ files: failing, file, log });
    assertEquals(await full.set("/a", true), "ENOSPC");
    assertEquals(full.has("/a"), true, "it counts until the server ends");
  });
});
