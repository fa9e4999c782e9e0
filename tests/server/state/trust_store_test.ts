// Remembered folders: kept over a restart, forgotten on request, bounded, and none by a damaged file.
import { assertEquals } from "@std/assert";
import { TrustStore } from "../../../src/server/state/trust_store.ts";
import { files } from "../../../src/runtime/common.ts";
import { keptLog } from "../manager/fakes.ts";

async function inPlace(fn: (file: string, open: () => Promise<TrustStore>) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-trust-" });
  const file = `${folder}/trusted.json`;
  const open = async (): Promise<TrustStore> => {
    const book = new TrustStore();
    await book.open({ files, file, log: keptLog().log });
    return book;
  };
  try {
    await fn(file, open);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("trust store: folders are remembered over a restart, until they are forgotten", async () => {
  await inPlace(async (file, open) => {
    const book = await open();
    let told = 0;
    for (const folder of ["/a", "/b", "/a"]) book.set({ folder, trusted: true }, () => told++);
    book.set({ folder: "/b", trusted: false }, () => told++);
    book.set({ folder: "/never", trusted: false }, () => told++);
    await book.saved();
    assertEquals([book.folders, (await open()).folders, told], [["/a"], ["/a"], 3]);
    assertEquals((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("trust store: of too many folders those named longest ago are forgotten", async () => {
  await inPlace(async (_file, open) => {
    const book = await open();
    for (let n = 0; n < 10_001; n++) book.set({ folder: `/${n}`, trusted: true });
    assertEquals([book.folders.length, book.folders[0]], [10_000, "/1"]);
    await book.saved();
  });
});

Deno.test("trust store: a damaged file trusts nothing", async () => {
  await inPlace(async (file, open) => {
    for (const text of ["", "{", "null", "[]", '{"folders":"/a"}', '{"folders":[1,null,{}]}', '["/a"]']) {
      await Deno.writeTextFile(file, text);
      assertEquals((await open()).folders, [], text);
    }
  });
});
