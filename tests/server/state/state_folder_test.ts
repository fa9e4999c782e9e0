// The state folder on the real file system: one token, for its owner's eyes alone, and one owner at a time.
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { StateFolder, StateFolderError } from "../../../src/server/state/state_folder.ts";
import { common } from "../../../src/runtime/common.ts";
import type { Runtime } from "../../../src/runtime/runtime.ts";
import { fakeRuntime } from "../../worker/support/fake_runtime.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { keptLog } from "../manager/fakes.ts";

const HEX_64 = /^[0-9a-f]{64}$/;

/** The real file system, seen by a process of that id; processes in `living` are alive. */
function machine(pid: number, living: readonly number[] = [], started = "boot/1"): Runtime {
  return fakeRuntime(new FakeClock(), {
    files: common.files,
    pid,
    alive: (one) => living.includes(one),
    processStartId: (one) => one === pid ? started : undefined,
  });
}

async function inPlace(fn: (path: string) => Promise<void>): Promise<void> {
  const top = await Deno.makeTempDir({ prefix: "pi-server-state-" });
  try {
    await fn(`${top}/deep/state`);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

const mode = async (path: string): Promise<string> =>
  ((await Deno.stat(path)).mode ?? 0).toString(8).slice(-3);

/** The message with which `open` or `token` refuses. */
async function refusal(work: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(work);
  assert(error instanceof StateFolderError, String(error));
  return error.message;
}

Deno.test("state folder: it is made with its parents, 0700, and closed if it was open to others", async () => {
  await inPlace(async (path) => {
    const folder = await StateFolder.open(path, machine(1));
    assertEquals(await mode(path), "700");
    await folder.release();
    await Deno.chmod(path, 0o755);
    await StateFolder.open(path, machine(1));
    assertEquals(await mode(path), "700");
  });
});

Deno.test("state folder: the token is 256 random bits in hex, 0600, and made once", async () => {
  await inPlace(async (path) => {
    const folder = await StateFolder.open(path, machine(1));
    const token = await folder.token();
    assertMatch(token, HEX_64);
    assertEquals([await mode(folder.tokenFile), await folder.token()], ["600", token]);
    await folder.release();
    assertEquals(await (await StateFolder.open(path, machine(2))).token(), token, "the next start keeps it");
    const files = [...Deno.readDirSync(path)].map(({ name }) => name).toSorted();
    assertEquals(files, ["owner.json", "token"], "and no temporary file stays");
  });
});

Deno.test("state folder: two folders have two tokens", async () => {
  await inPlace(async (path) => {
    const [one, two] = [
      await StateFolder.open(`${path}/1`, machine(1)),
      await StateFolder.open(`${path}/2`, machine(1)),
    ];
    assert(await one.token() !== await two.token());
  });
});

Deno.test("state folder: a token that others may read is closed to them", async () => {
  await inPlace(async (path) => {
    const folder = await StateFolder.open(path, machine(1));
    await Deno.writeTextFile(folder.tokenFile, "0123456789abcdef-mine\n", { mode: 0o644 });
    assertEquals(await folder.token(), "0123456789abcdef-mine");
    assertEquals(await mode(folder.tokenFile), "600");
  });
});

Deno.test("state folder: a token that is a link is refused, also one to nothing, and left alone", async () => {
  await inPlace(async (path) => {
    const folder = await StateFolder.open(path, machine(1));
    const target = `${path}/../target`;
    for (const exists of [false, true]) {
      if (exists) await Deno.writeTextFile(target, "0123456789abcdef-target", { mode: 0o644 });
      await Deno.symlink(target, folder.tokenFile);
      assertStringIncludes(await refusal(() => folder.token()), "symbolic link");
      await Deno.remove(folder.tokenFile);
    }
    assertEquals([await mode(target), await Deno.readTextFile(target)], ["644", "0123456789abcdef-target"]);
  });
});

Deno.test("state folder: an empty, short or odd token is refused with the next step", async () => {
  await inPlace(async (path) => {
    const folder = await StateFolder.open(path, machine(1));
    for (
      const text of [
        "",
        "\n",
        "x".repeat(15),
        "has a space in it",
        "ümlaut-ümlaut-ümlaut",
        "c2VjcmV0IHRva2Vu/+A=",
      ]
    ) {
      await Deno.writeTextFile(folder.tokenFile, text);
      assertStringIncludes(await refusal(() => folder.token()), "remove it", JSON.stringify(text));
    }
    await Deno.writeTextFile(folder.tokenFile, "x".repeat(16));
    assertEquals(await folder.token(), "x".repeat(16));
  });
});

Deno.test("state folder: a second owner is refused, and the error names the first one's address", async () => {
  await inPlace(async (path) => {
    const first = await StateFolder.open(path, machine(1));
    const second = (): Promise<StateFolder> => StateFolder.open(path, machine(2, [1]));
    assertStringIncludes(await refusal(second), "process 1, stdio only");
    assertStringIncludes(await refusal(second), "end the program that started it, stop process 1, or choose");
    const url = "ws://127.0.0.1:3141/";
    await first.publish({ pid: 1, serverId: "s", version: "0", url, transports: ["websocket"] });
    const message = await refusal(second);
    for (const word of [url, path, "--state-dir"]) assertStringIncludes(message, word);
    assertEquals(await mode(`${path}/endpoint.json`), "600");
    await first.release();
    await second();
  });
});

Deno.test("state folder: its own process cannot open it a second time", async () => {
  await inPlace(async (path) => {
    await StateFolder.open(path, machine(1, [1]));
    assertStringIncludes(await refusal(() => StateFolder.open(path, machine(1, [1]))), "process 1");
  });
});

Deno.test("state folder: what a dead owner left is taken over", async () => {
  await inPlace(async (path) => {
    await StateFolder.open(path, machine(1));
    await StateFolder.open(path, machine(2));
    assertEquals(JSON.parse(await Deno.readTextFile(`${path}/owner.json`)).pid, 2);
    assertStringIncludes(await refusal(() => StateFolder.open(path, machine(3, [2]))), "process 2");
  });
});

Deno.test("state folder: an owner with our own id that is not us is dead", async () => {
  await inPlace(async (path) => {
    await StateFolder.open(path, machine(1, [1], "boot/1"));
    await StateFolder.open(path, machine(1, [1], "boot/2"));
    await Deno.writeTextFile(`${path}/owner.json`, '{"pid":1}');
    await StateFolder.open(path, machine(1, [1], "boot/3"));
  });
});

Deno.test("state folder: an id that another process has by now does not own it", async () => {
  await inPlace(async (path) => {
    await StateFolder.open(path, machine(7, [], "boot/1"));
    const reused: Runtime = { ...machine(2, [7]), processStartId: (pid) => pid === 7 ? "boot/99" : "boot/2" };
    await StateFolder.open(path, reused);
    assertEquals(JSON.parse(await Deno.readTextFile(`${path}/owner.json`)).pid, 2);
  });
});

Deno.test("state folder: an owner file that cannot be read as one is replaced", async () => {
  for (const text of ["", "{", "null", "[]", '{"pid":"1"}']) {
    await inPlace(async (path) => {
      await Deno.mkdir(path, { recursive: true });
      await Deno.writeTextFile(`${path}/owner.json`, text);
      await StateFolder.open(path, machine(2, [1]));
      assertEquals(JSON.parse(await Deno.readTextFile(`${path}/owner.json`)).pid, 2, text);
      assertEquals([...Deno.readDirSync(path)].length, 1, "nothing is left aside");
    });
  }
});

/** A machine that waits for `go` where it replaces the owner; `reached` tells that it has come to it. */
function paused(pid: number, living: readonly number[]) {
  const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const writePrivate = async (file: string, text: string): Promise<void> => {
    reached.resolve();
    await go.promise;
    await common.files.writePrivate(file, text);
  };
  return { runtime: { ...machine(pid, living), files: { ...common.files, writePrivate } }, reached, go };
}

/** The processes that became owners. */
async function owners(opening: readonly Promise<StateFolder>[]): Promise<number> {
  const opened = await Promise.allSettled(opening);
  return opened.filter(({ status }) => status === "fulfilled").length;
}

Deno.test("state folder: of several that find a dead owner, the one that came first takes over", async () => {
  await inPlace(async (path) => {
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(`${path}/owner.json`, '{"pid":99}');
    const living = [1, 2, 3];
    const slow = paused(1, living);
    const first = StateFolder.open(path, slow.runtime);
    await slow.reached.promise;
    const others = [2, 3].map((pid) => StateFolder.open(path, machine(pid, living)));
    assertEquals(await owners(others), 0);
    slow.go.resolve();
    assertEquals(await owners([first]), 1);
    assertEquals(JSON.parse(await Deno.readTextFile(`${path}/owner.json`)).pid, 1);
    assertEquals([...Deno.readDirSync(path)].length, 1, "nothing is left aside");
  });
});

Deno.test("state folder: one that died while it took over blocks no successor", async () => {
  await inPlace(async (path) => {
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(`${path}/owner.json`, '{"pid":99}');
    await Deno.writeTextFile(`${path}/owner.lock`, '{"pid":98}');
    await StateFolder.open(path, machine(2, [1]));
    assertEquals(JSON.parse(await Deno.readTextFile(`${path}/owner.json`)).pid, 2);
  });
});

Deno.test("state folder: who comes late does not replace an owner that took over meanwhile", async () => {
  await inPlace(async (path) => {
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(`${path}/owner.json`, '{"pid":99}');
    const late = machine(1, [1, 2]);
    let second: Promise<StateFolder> | undefined;
    const createPrivate = async (file: string, text: string): Promise<boolean> => {
      // Between its look at the dead owner and its lock, another one takes over, whole.
      if (file.endsWith(".lock")) await (second ??= StateFolder.open(path, machine(2, [1, 2])));
      return await common.files.createPrivate(file, text);
    };
    const first = StateFolder.open(path, { ...late, files: { ...common.files, createPrivate } });
    assertEquals(await owners([first]), 0);
    assertEquals(JSON.parse(await Deno.readTextFile(`${path}/owner.json`)).pid, 2);
  });
});

Deno.test("state folder: a path that is not a folder is refused with the next step", async () => {
  await inPlace(async (path) => {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, "a file");
    const message = await refusal(() => StateFolder.open(path, machine(1)));
    for (const word of [path, "--state-dir"]) assertStringIncludes(message, word);
  });
});

Deno.test("state folder: a copy of one has another id, and so has what it starts", async () => {
  await inPlace(async (path) => {
    const { log } = keptLog();
    const ended: string[] = [];
    const runtime = { ...machine(1), endChildren: (of: string) => Promise.resolve(ended.push(of) * 0) };
    const first = await StateFolder.open(path, runtime);
    const id = await first.adopt(log);
    await Deno.mkdir(`${path}-2`, { mode: 0o700 });
    await Deno.copyFile(`${path}/id`, `${path}-2/id`);
    const copy = await StateFolder.open(`${path}-2`, runtime);
    assertNotEquals(await copy.adopt(log), id);
    // The folder may be gone by the time of the last look.
    await Deno.remove(path, { recursive: true });
    await first.endOrphans(log);
    assertEquals([ended[0], ended[2]], [id, id]);
    await first.release();
  });
});

Deno.test("state folder: an id that is none is refused with the next step, or as good as any", async () => {
  await inPlace(async (path) => {
    const { log } = keptLog();
    const runtime = { ...machine(1), endChildren: () => Promise.resolve(0) };
    for (const odd of ["", "\0\n\u{1a}"]) {
      const folder = await StateFolder.open(path, runtime);
      await Deno.writeTextFile(`${path}/id`, odd);
      assertMatch(await folder.adopt(log), /^[\w+/=]+$/);
      await folder.release();
    }
    await Deno.remove(`${path}/id`);
    await Deno.mkdir(`${path}/id`);
    const folder = await StateFolder.open(path, runtime);
    assertStringIncludes(await refusal(() => folder.adopt(log)), "remove it");
    await folder.release();
  });
});

Deno.test("state folder: a release does not touch the files of a later owner", async () => {
  await inPlace(async (path) => {
    const first = await StateFolder.open(path, machine(1));
    await Deno.remove(path, { recursive: true });
    const second = await StateFolder.open(path, machine(2));
    await first.release();
    assert((await Deno.stat(`${path}/owner.json`)).isFile);
    await second.release();
    assertEquals([...Deno.readDirSync(path)], []);
  });
});
