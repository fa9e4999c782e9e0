// What Deno and Node share: files that appear whole or not at all, process identities, and comparing secrets.
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { common, files } from "../../src/runtime/common.ts";
import { until } from "../support/base/wait.ts";

async function inPlace(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pi-server-common-" });
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const namesIn = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
const mode = (path: string): string => ((Deno.statSync(path).mode ?? 0) & 0o777).toString(8);

Deno.test("common: createPrivate makes a file of 0600 once, and keeps what is there", async () => {
  await inPlace(async (folder) => {
    const file = `${folder}/token`;
    assertEquals([await files.createPrivate(file, "one"), await files.createPrivate(file, "two")], [
      true,
      false,
    ]);
    assertEquals([await files.read(file), mode(file), namesIn(folder)], ["one", "600", ["token"]]);
  });
});

Deno.test("common: of many that create the same file one wins, with its whole text", async () => {
  await inPlace(async (folder) => {
    const texts = Array.from({ length: 20 }, (_, index) => `${index}-`.repeat(2_000));
    const made = await Promise.all(texts.map((text) => files.createPrivate(`${folder}/f`, text)));
    assertEquals(made.filter((won) => won).length, 1);
    assertEquals(await files.read(`${folder}/f`), texts[made.indexOf(true)]);
    assertEquals(namesIn(folder), ["f"]);
  });
});

Deno.test("common: createPrivate does not follow a link, not even one to nothing", async () => {
  await inPlace(async (folder) => {
    await Deno.symlink(`${folder}/target`, `${folder}/link`);
    assertEquals(await files.createPrivate(`${folder}/link`, "x"), false);
    assertEquals(namesIn(folder), ["link"]);
  });
});

Deno.test("common: createPrivate in a folder that is not there fails and leaves nothing", async () => {
  await inPlace(async (folder) => {
    await assertRejects(() => files.createPrivate(`${folder}/nope/f`, "x"));
    assertEquals(namesIn(folder), []);
  });
});

Deno.test("common: writePrivate replaces a file in one step, a link by a file", async () => {
  await inPlace(async (folder) => {
    await Deno.writeTextFile(`${folder}/target`, "kept");
    await Deno.symlink(`${folder}/target`, `${folder}/f`);
    await files.writePrivate(`${folder}/f`, "new");
    assertEquals([await files.read(`${folder}/f`), await files.read(`${folder}/target`)], ["new", "kept"]);
    assertEquals([mode(`${folder}/f`), namesIn(folder)], ["600", ["f", "target"]]);
  });
});

Deno.test("common: what is missing is undefined, also below a file", async () => {
  await inPlace(async (folder) => {
    await Deno.writeTextFile(`${folder}/f`, "x");
    for (const path of [`${folder}/nope`, `${folder}/nope/x`, `${folder}/f/x`]) {
      assertEquals([await files.stat(path), await files.read(path), await files.realpath(path)], [
        undefined,
        undefined,
        undefined,
      ]);
      assertEquals(await files.isLink(path), false);
    }
    const modifiedAt = Date.UTC(2025, 0, 1);
    await Deno.utime(`${folder}/f`, modifiedAt / 1000, modifiedAt / 1000);
    const { ino } = await Deno.stat(`${folder}/f`);
    assertEquals(await files.stat(`${folder}/f`), { kind: "file", size: 1, modifiedAt, inode: Number(ino) });
    assertEquals((await files.stat(folder))?.kind, "directory");
    await files.remove(`${folder}/nope`);
    await assertRejects(() => files.read(folder));
  });
});

Deno.test("common: entries of a folder have kinds, and no link is followed", async () => {
  await inPlace(async (folder) => {
    await Deno.writeTextFile(`${folder}/f`, "x");
    await Deno.mkdir(`${folder}/d`);
    await Deno.symlink("f", `${folder}/l`);
    const pipe = await new Deno.Command("mkfifo", { args: [`${folder}/p`] }).output();
    assertEquals(pipe.success, true);
    const found = (await files.entries(folder)).map(({ name, kind }) => `${name} ${kind}`).toSorted();
    assertEquals(found, ["d directory", "f file", "l link", "p other"]);
    assertEquals(await files.entries(`${folder}/nope`), []);
  });
});

Deno.test("common: a file is read from a place on, and appended to at exactly its size", async () => {
  await inPlace(async (folder) => {
    const path = `${folder}/f`;
    await Deno.writeTextFile(path, "0123456789".repeat(20_000));
    for (const from of [0, 1, 70_000, 199_999, 200_000, 300_000]) {
      let text = "";
      for await (const chunk of files.chunks(path, from)) text += new TextDecoder().decode(chunk);
      assertEquals(text, "0123456789".repeat(20_000).slice(from), String(from));
    }
    assertEquals(await files.appendAt(path, 199_999, "no"), false);
    assertEquals(await files.appendAt(path, 200_000, "yes"), true);
    assertEquals((await Deno.readTextFile(path)).slice(199_998), "89yes");
    await Deno.symlink("f", `${folder}/l`);
    await assertRejects(() => files.appendAt(`${folder}/l`, 200_003, "no"));
  });
});

Deno.test("common: a folder is listed by name, and one that is not there holds nothing", async () => {
  await inPlace(async (folder) => {
    for (const name of ["b", "a", "__proto__"]) await Deno.writeTextFile(`${folder}/${name}`, "");
    await Deno.mkdir(`${folder}/sub`);
    assertEquals([...await files.list(folder)].toSorted(), ["__proto__", "a", "b", "sub"]);
    assertEquals([await files.list(`${folder}/nope`), await files.list(`${folder}/a`)], [[], []]);
  });
});

Deno.test("common: chunks are the bytes of a file, and one that cannot be read throws", async () => {
  await inPlace(async (folder) => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    await Deno.writeFile(`${folder}/f`, bytes);
    const chunks = await Array.fromAsync(files.chunks(`${folder}/f`));
    assertEquals(chunks.flatMap((chunk) => [...chunk]).join(), bytes.join());
    for (const path of [`${folder}/nope`, folder]) {
      await assertRejects(() => Array.fromAsync(files.chunks(path)));
    }
    for await (const _first of files.chunks(`${folder}/f`)) break;
  });
});

Deno.test("common: a pipe without a writer is refused and blocks neither a reader nor endLastLine", async () => {
  await inPlace(async (folder) => {
    const pipe = `${folder}/pipe`;
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    await assertRejects(() => Array.fromAsync(files.chunks(pipe)));
    await assertRejects(() => files.ensureTrailingNewline(pipe));
  });
});

Deno.test("common: endLastLine ends a torn last line and nothing else", async () => {
  await inPlace(async (folder) => {
    const file = `${folder}/f`;
    for (
      const [before, after] of [["", ""], ["a\n", "a\n"], ["a\nb", "a\nb\n"], ["a\r", "a\r\n"], ["ä", "ä\n"]]
    ) {
      await Deno.writeTextFile(file, before ?? "");
      await files.ensureTrailingNewline(file);
      await files.ensureTrailingNewline(file);
      assertEquals(await Deno.readTextFile(file), after);
    }
    await assertRejects(() => files.ensureTrailingNewline(`${folder}/nope`));
    assertEquals(namesIn(folder), ["f"], "nor is a file made");
  });
});

Deno.test("common: isLink is about the path itself, and readLink tells where it leads", async () => {
  await inPlace(async (folder) => {
    await Deno.writeTextFile(`${folder}/f`, "");
    await Deno.symlink("f", `${folder}/good`);
    await Deno.symlink(`${folder}/nope`, `${folder}/dangling`);
    const links = ["f", "good", "dangling"].map((name) => files.isLink(`${folder}/${name}`));
    assertEquals(await Promise.all(links), [false, true, true]);
    assertEquals(await files.readLink(`${folder}/good`), "f");
    assertEquals(await files.readLink(`${folder}/dangling`), `${folder}/nope`);
  });
});

Deno.test("common: readPrivate closes a file to others, and reads nothing through a link or from a pipe", async () => {
  await inPlace(async (folder) => {
    await Deno.writeTextFile(`${folder}/f`, "x", { mode: 0o644 });
    assertEquals([await files.readPrivate(`${folder}/f`), mode(`${folder}/f`)], ["x", "600"]);
    await Deno.symlink(`${folder}/f`, `${folder}/link`);
    await assertRejects(() => files.readPrivate(`${folder}/link`));
    await assertRejects(() => files.readPrivate(folder));
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
    await assertRejects(() => files.readPrivate(`${folder}/pipe`));
    await assertRejects(() => files.readPrivate(`${folder}/nope`));
  });
});

Deno.test("common: no file is read from a pipe, a device or a folder, and none is waited for", async () => {
  await inPlace(async (folder) => {
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
    await Deno.symlink(`${folder}/pipe`, `${folder}/link`);
    const all = async (path: string): Promise<void> => {
      for await (const _ of files.chunks(path)) { /* nothing may come */ }
    };
    for (const path of [`${folder}/pipe`, `${folder}/link`, folder, "/dev/zero"]) {
      for (const read of [files.read, files.readPrivate, all, files.ensureTrailingNewline]) {
        await assertRejects(() => read(path), Error, "it is ");
      }
    }
    assertEquals(await files.read(`${folder}/nope`), undefined);
    await Deno.writeTextFile(`${folder}/f`, "text");
    await Deno.symlink(`${folder}/f`, `${folder}/good`);
    assertEquals(await files.read(`${folder}/good`), "text");
    await assertRejects(() => files.ensureTrailingNewline(`${folder}/good`), Error, "symbolic link");
  });
});

Deno.test("common: a private folder is never a link to where others may write", async () => {
  await inPlace(async (folder) => {
    await Deno.mkdir(`${folder}/shared`);
    await Deno.chmod(`${folder}/shared`, 0o777);
    await Deno.symlink(`${folder}/shared`, `${folder}/link`);
    const refused = await assertRejects(() => files.makePrivateFolder(`${folder}/link`));
    assert(String(refused).includes("others may write"));
  });
});

Deno.test("common: a private folder is closed to others, and a link to one is left as it is", async () => {
  await inPlace(async (folder) => {
    await Deno.mkdir(`${folder}/open`, { mode: 0o755 });
    await Deno.symlink(`${folder}/open`, `${folder}/link`);
    await files.makePrivateFolder(`${folder}/link`);
    assertEquals(mode(`${folder}/open`), "755");
    await files.makePrivateFolder(`${folder}/open`);
    await files.makePrivateFolder(`${folder}/a/b`);
    assertEquals([mode(`${folder}/open`), mode(`${folder}/a`), mode(`${folder}/a/b`)], ["700", "700", "700"]);
  });
});

Deno.test({
  name: "common: processStartId tells a process apart, and is the same each time",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const mine = common.processStartId(Deno.pid);
    assert(mine !== undefined && /^[0-9a-f-]{36}\/[1-9][0-9]*$/.test(mine), String(mine));
    assertEquals(common.processStartId(Deno.pid), mine);
    // A name with spaces and parentheses must not shift the fields behind it.
    await inPlace(async (folder) => {
      const program = `${folder}/a) 1 (b`;
      await Deno.copyFile("/bin/cat", program);
      await using child = new Deno.Command(program, { stdin: "piped", stdout: "null" }).spawn();
      const first = common.processStartId(child.pid);
      const fields = Deno.readTextFileSync(`/proc/${child.pid}/stat`).split("(a) 1 (b) ")[1]?.split(" ");
      assertEquals(first?.split("/")[1], fields?.[19]);
      await child.stdin.close();
      await child.status;
    });
  },
});

Deno.test("common: a process that is not there neither lives nor has a start", () => {
  const nobody = 2 ** 22 + 1;
  assertEquals([common.alive(nobody), common.processStartId(nobody)], [false, undefined]);
  assertEquals([common.alive(Deno.pid), common.alive(Deno.ppid)], [true, true]);
});

Deno.test("common: equalTexts compares whole texts of any length", () => {
  const { equalTexts } = common;
  assertEquals([equalTexts("", ""), equalTexts("a", "a"), equalTexts("ä😀", "ä😀")], [true, true, true]);
  for (const [a, b] of [["a", "b"], ["a", "aa"], ["", "a"], ["a", "A"], ["ab", "ba"], ["a\0", "a"]]) {
    assertEquals(equalTexts(a ?? "", b ?? ""), false, `${a} ${b}`);
  }
});

Deno.test("common: random texts have their length and differ", () => {
  assertEquals(common.randomHex(32).length, 64);
  assertNotEquals(common.randomHex(32), common.randomHex(32));
  assertNotEquals(common.uuid(), common.uuid());
  assertEquals(common.sha256(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
});

const linux = { ignore: Deno.build.os !== "linux" };
Deno.test("runtime: a process that has ended without a waiting parent is not alive", linux, async () => {
  // The shell starts a child and becomes a program that never waits for it. The child ends only after that, because the
  // shell itself would wait for it.
  const shell = new Deno.Command("/bin/sh", {
    args: ["-c", "exec 3<&0; cat <&3 & echo $!; exec sleep 60"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  try {
    const output = shell.stdout.getReader();
    const { value } = await output.read();
    await output.cancel();
    const pid = Number(new TextDecoder().decode(value));
    const name = () => Deno.readTextFile(`/proc/${shell.pid}/comm`);
    await until(async () => await name() === "sleep\n", 10_000, () => "the shell is still a shell");
    assertEquals(common.alive(pid), true);
    await shell.stdin.close();
    for (let tries = 0; tries < 500 && common.alive(pid); tries++) {
      await new Promise((r) => setTimeout(r, 10));
    }
    assertEquals([common.alive(pid), Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ")], [
      false,
      true,
    ]);
  } finally {
    shell.kill("SIGKILL");
    await shell.status;
  }
});

Deno.test("common: a look at many files finds what a look at each of them finds", async () => {
  await inPlace(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "text");
    await Deno.symlink("file", `${folder}/link`);
    assert((await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output()).success);
    const paths = ["file", "link", "pipe", ".", "none", "file/below"].map((name) => `${folder}/${name}`);
    const found: unknown[] = [];
    await files.statEach(paths, (path, stat) => found.push([path, stat]));
    const each = paths.map(async (path) => [path, await files.stat(path).catch(() => undefined)]);
    assertEquals(found, await Promise.all(each));
  });
});

/** Swaps a folder for a link and back, with a short and changing rest in each state. */
const SWAP = `
const [inside, outside] = Deno.args;
const rest = () => { for (let n = 0; n < Math.random() * 3000; n++); };
console.log("begins");
for (;;) {
  Deno.renameSync(inside + "/turn", inside + "/away");
  Deno.symlinkSync(outside, inside + "/turn");
  rest();
  Deno.removeSync(inside + "/turn");
  Deno.renameSync(inside + "/away", inside + "/turn");
  rest();
}
`;

Deno.test("files: while another process swaps a folder for a link and back, nothing is written through the link", async () => {
  const top = await Deno.realPath(await Deno.makeTempDir());
  const [inside, outside] = [`${top}/inside`, `${top}/outside`];
  await Deno.mkdir(`${inside}/turn`, { recursive: true });
  await Deno.mkdir(outside);
  await Deno.writeTextFile(`${outside}/page`, "outside");
  await Deno.writeTextFile(`${inside}/turn/page`, "inside");
  const swap = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", SWAP, inside, outside],
    stdout: "piped",
  }).spawn();
  const said = swap.stdout.getReader();
  try {
    await said.read();
    for (let n = 0; n < 8_000; n++) {
      // While the folder is away, there is nothing to write to.
      await files.writeAt(`${inside}/turn/page`, new TextEncoder().encode(`page ${n}`), () => true).catch(
        () => false,
      );
      assertEquals(await Deno.readTextFile(`${outside}/page`), "outside", `write ${n}`);
    }
  } finally {
    swap.kill("SIGKILL");
    await swap.status;
    await said.cancel();
    await Deno.remove(top, { recursive: true });
  }
});
