// Session files on a real disk: a file of another kind is refused before pi could overwrite it, and
// lists are in order, bounded, and undisturbed by files that are torn, huge, or no sessions at all.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  listSessions,
  readHeader,
  type SessionPlaces,
} from "../../../../src/worker/session/files/session_files.ts";
import { files } from "../../../../src/runtime/common.ts";
import type { Files } from "../../../../src/runtime/runtime.ts";
import { PLAIN_FORMAT } from "../../support/fake_format.ts";

const MIB = 1024 * 1024;
const HEADER = { type: "session", version: 3, id: "id-1", timestamp: "2025-01-02T03:04:05.000Z", cwd: "/w" };
const all = (): Promise<boolean> => Promise.resolve(true);
const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const message = (role: string, content: unknown): string =>
  line({ type: "message", message: { role, content } });

/** Places where no link is followed, unless the test says where to. */
function placesOf(from: Files, allowed: readonly string[] = [], denied: string[] = []): SessionPlaces {
  return {
    files: from,
    allows: (real) => Promise.resolve(allowed.some((top) => real.startsWith(top))),
    unreadable: (folder) => void denied.push(folder),
  };
}

/** A folder of its own, gone after the test. */
class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-files-" })));
  }

  /** Writes a file; `at` is when it was changed last, in seconds. */
  async write(name: string, content: string | Uint8Array, at?: number): Promise<string> {
    const path = `${this.path}/${name}`;
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    if (at !== undefined) await Deno.utime(path, at, at);
    return path;
  }

  /** What reading the header of a file with that content comes to: its id, or the code. */
  async headerOf(content: string | Uint8Array): Promise<string> {
    const outcome = await readHeader(files, await this.write("f.jsonl", content));
    return outcome.ok ? `id ${outcome.value.id}` : outcome.failure.code;
  }

  async list(limit = 1_000, from: Files = files) {
    return await listSessions(placesOf(from), [this.path], limit, all, PLAIN_FORMAT);
  }

  /** The one session that is listed for a file with that content. */
  async only(content: string | Uint8Array) {
    await this.write("f.jsonl", content);
    const [session, ...more] = await this.list();
    assertEquals(more, []);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** The files with the paths in the order in which they were read. */
function watched(): { from: Files; read: string[] } {
  const read: string[] = [];
  const chunks = (path: string): AsyncIterable<Uint8Array> => {
    read.push(path);
    return files.chunks(path);
  };
  return { from: { ...files, chunks }, read };
}

Deno.test("session files: a header is the first line, with its id, folder and time", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("f", `${line(HEADER)}${message("user", "hi")}`);
  const { id, cwd, timestamp } = HEADER;
  assertEquals(await readHeader(files, path), { ok: true, value: { id, cwd, timestamp, version: 3 } });
  for (const text of [JSON.stringify(HEADER), ` ${JSON.stringify(HEADER)} \r\n`, `\n\n${line(HEADER)}`]) {
    assertEquals(await folder.headerOf(text), "id id-1", text);
  }
});

Deno.test("session files: what an old or odd header leaves out is filled in", async () => {
  await using folder = await Folder.make();
  const path = await folder.write("f", line({ type: "session", id: "x", cwd: 7, timestamp: null }));
  assertEquals(await readHeader(files, path), {
    ok: true,
    value: { id: "x", cwd: "", timestamp: "1970-01-01T00:00:00.000Z", version: 1 },
  });
});

Deno.test("session files: anything else is not_a_session_file, and the sentence names it", async () => {
  await using folder = await Folder.make();
  const none: readonly (string | Uint8Array)[] = [
    "",
    "\n\n\n",
    "hello\n",
    "{",
    '"session"',
    "null\n",
    "[]",
    "7",
    line([HEADER]),
    line({ ...HEADER, type: "message" }),
    line({ ...HEADER, id: 7 }),
    line({ type: "session" }),
    line({ __proto__: HEADER }),
    `{"__proto__":${JSON.stringify(HEADER)}}`,
    `x\n${line(HEADER)}`,
    `${line({ type: "message" })}${line(HEADER)}`,
    `\ufeff${line(HEADER)}`,
    JSON.stringify(HEADER).slice(0, -1),
    `${JSON.stringify(HEADER)}${JSON.stringify(HEADER)}\n`,
    `\0${line(HEADER)}`,
    new Uint8Array([0xff, 0xfe, 0x7b, 0x00]),
    new Uint8Array([...new TextEncoder().encode('{"type":"session","id":"'), 0xc3, 0x28, 0x22, 0x7d, 0x0a]),
    line({ ...HEADER, parentSession: "x".repeat(2 * MIB) }),
    "x".repeat(3 * MIB),
  ];
  for (const content of none) {
    const shown = typeof content === "string" ? content.slice(0, 80) : content.join();
    assertEquals(await folder.headerOf(content), "not_a_session_file", shown);
  }
  const outcome = await readHeader(files, await folder.write("named", "x"));
  assertStringIncludes(outcome.ok ? "" : outcome.failure.message, `${folder.path}/named`);
});

Deno.test("session files: of a huge file that is not a session only the beginning is read", async () => {
  let read = 0;
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;; read++) {
      yield await Promise.resolve(new Uint8Array(65_536).fill(0x61));
      assert(read < 100, "it reads on and on");
    }
  };
  const outcome = await readHeader({ ...files, chunks: endless }, "/f");
  assertEquals(outcome.ok, false);
});

Deno.test("session files: a session is described by its last name, first question and messages", async () => {
  await using folder = await Folder.make();
  const content = [
    line(HEADER),
    line({ type: "session_info", name: "first" }),
    message("assistant", "hello"),
    message("user", [{ type: "image" }]),
    message("user", [{ type: "text", text: "Que" }, { type: "text", text: "stion" }]),
    message("user", "later"),
    line({ type: "model_change", name: "x" }),
    line({ type: "session_info", name: "  second  " }),
  ];
  const path = `${folder.path}/f.jsonl`;
  await folder.write("f.jsonl", content.join(""), 1_700_000_000);
  assertEquals(await folder.list(), [{
    sessionId: "id-1",
    sessionName: "second",
    sessionFile: path,
    sessionPath: path,
    cwd: "/w",
    createdAt: HEADER.timestamp,
    modifiedAt: "2023-11-14T22:13:20.000Z",
    messageCount: 4,
    firstMessage: "Question",
  }]);
});

Deno.test("session files: a name that was taken back does not count, and a bare session has no question", async () => {
  await using folder = await Folder.make();
  const session = await folder.only(`${line(HEADER)}${line({ type: "session_info", name: "x" })}`);
  assertEquals([session?.sessionName, session?.messageCount], ["x", 0]);
  for (const name of ["", "  ", null, 7]) {
    const content = `${line(HEADER)}${line({ type: "session_info", name: "x" })}`;
    const unnamed = await folder.only(`${content}${line({ type: "session_info", name })}`);
    assert(unnamed !== undefined);
    assertEquals(["sessionName" in unnamed, "firstMessage" in unnamed], [false, false]);
  }
});

Deno.test("session files: a first message is clipped to a thousand characters", async () => {
  await using folder = await Folder.make();
  const session = await folder.only(`${line(HEADER)}${message("user", "q".repeat(5_000))}`);
  assertEquals(session?.firstMessage, "q".repeat(1_000));
});

Deno.test("session files: a torn last line and lines that are no JSON count for nothing", async () => {
  await using folder = await Folder.make();
  const whole = `${line(HEADER)}${message("user", "ä")}`;
  const torn = new TextEncoder().encode(`${whole}${message("user", "more")}`);
  for (const content of [whole, torn.slice(0, -4), `${whole}{{{\n\n`, `${whole}null\n7\n[]\n"x"\n`]) {
    const session = await folder.only(content);
    assertEquals([session?.messageCount, session?.firstMessage], [1, "ä"], String(content));
  }
});

Deno.test("session files: a last line that is torn inside a character does not count as a message", async () => {
  await using folder = await Folder.make();
  const bytes = new TextEncoder().encode(`${line(HEADER)}${message("user", "one")}{"type":"message","x":"ä`);
  const session = await folder.only(bytes.slice(0, -1));
  assertEquals([session?.messageCount, session?.firstMessage], [1, "one"]);
});

Deno.test("session files: a line too long to parse is a message, and what follows it counts", async () => {
  await using folder = await Folder.make();
  const image = message("user", [{ type: "image", data: "i".repeat(3 * MIB) }]);
  const content = `${line(HEADER)}${image}${message("user", "after")}${
    line({ type: "session_info", name: "n" })
  }`;
  const session = await folder.only(content);
  assertEquals([session?.messageCount, session?.firstMessage, session?.sessionName], [2, "after", "n"]);
});

Deno.test("session files: 300 files come newest first, and beyond the limit none is read", async () => {
  await using folder = await Folder.make();
  const order = Array.from({ length: 300 }, (_, index) => (index * 7919) % 300);
  for (const at of order) {
    const content = `${line({ ...HEADER, id: `s${at}` })}${message("user", `q${at}`)}`;
    await folder.write(`${(at * 31) % 300}.jsonl`, content, 1_600_000_000 + at);
  }
  const newest = Array.from({ length: 300 }, (_, index) => `s${299 - index}`);
  const { from, read } = watched();
  assertEquals((await folder.list(1_000, from)).map(({ sessionId }) => sessionId), newest);
  assertEquals(read.length, 300);
  read.length = 0;
  const some = await folder.list(10, from);
  assertEquals(some.map(({ sessionId }) => sessionId), newest.slice(0, 10));
  assert(read.length < 30, `${read.length} files were read for a list of 10`);
});

Deno.test("session files: files that are filtered out leave room for others", async () => {
  await using folder = await Folder.make();
  for (const at of [1, 2, 3, 4, 5, 6]) {
    const header = line({ ...HEADER, id: `s${at}`, cwd: at % 2 === 0 ? "/even" : "/odd" });
    await folder.write(`${at}.jsonl`, header, 1_600_000_000 + at);
  }
  const even = (session: { cwd: string }): Promise<boolean> => Promise.resolve(session.cwd === "/even");
  const found = await listSessions(placesOf(files), [folder.path], 2, even, PLAIN_FORMAT);
  assertEquals(found.map(({ sessionId }) => sessionId), ["s6", "s4"]);
});

Deno.test("session files: a file that is not a session or cannot be read is left out, and harms nothing", async () => {
  await using folder = await Folder.make();
  await folder.write("good.jsonl", line(HEADER), 1_600_000_000);
  await folder.write("good.json", line(HEADER));
  await folder.write("notes.jsonl", "notes\n");
  await folder.write("empty.jsonl", "");
  await folder.write("big.jsonl", "x".repeat(2 * MIB));
  await Deno.mkdir(`${folder.path}/folder.jsonl`);
  await Deno.symlink(`${folder.path}/nope`, `${folder.path}/dangling.jsonl`);
  await Deno.symlink("loop.jsonl", `${folder.path}/loop.jsonl`);
  // The open of a pipe without a writer waits for ever.
  const pipe = await new Deno.Command("mkfifo", { args: [`${folder.path}/pipe.jsonl`] }).output();
  assert(pipe.success);
  const gone = await folder.write("gone.jsonl", line({ ...HEADER, id: "gone" }));
  const opened: string[] = [];
  const chunks = (path: string): AsyncIterable<Uint8Array> => {
    if (path === gone) throw new Error("it has just been removed");
    opened.push(path);
    return path.endsWith("/pipe.jsonl") ? files.chunks("/dev/null") : files.chunks(path);
  };
  const found = await listSessions(
    placesOf({ ...files, chunks }),
    [`${folder.path}/nope`, folder.path],
    1_000,
    all,
    PLAIN_FORMAT,
  );
  assertEquals(found.map(({ sessionId }) => sessionId), ["id-1"]);
  assertEquals(opened.filter((path) => path.endsWith("/pipe.jsonl")), []);
});

Deno.test("session files: several folders make one list", async () => {
  await using folder = await Folder.make();
  for (const name of ["a", "b", "c"]) await Deno.mkdir(`${folder.path}/${name}`);
  await folder.write("a/1.jsonl", line({ ...HEADER, id: "1" }), 1_600_000_001);
  await folder.write("b/2.jsonl", line({ ...HEADER, id: "2" }), 1_600_000_003);
  await folder.write("3.jsonl", line({ ...HEADER, id: "3" }), 1_600_000_002);
  const folders = ["", "/a", "/b", "/c", "/nope"].map((name) => `${folder.path}${name}`);
  const found = await listSessions(placesOf(files), folders, 1_000, all, PLAIN_FORMAT);
  assertEquals(found.map(({ sessionId }) => sessionId), ["2", "3", "1"]);
});

Deno.test("session files: links are followed to what is allowed alone, and a file with two names is listed once", async () => {
  await using folder = await Folder.make();
  await using outside = await Folder.make();
  await using allowed = await Folder.make();
  const at = 1_600_000_000;
  const own = await folder.write("own.jsonl", line({ ...HEADER, id: "own" }), at);
  await outside.write("secret.jsonl", line({ ...HEADER, id: "secret" }), at);
  const other = await allowed.write("other.jsonl", line({ ...HEADER, id: "other" }), at + 1);
  await Deno.symlink(`${outside.path}/secret.jsonl`, `${folder.path}/file-link.jsonl`);
  await Deno.symlink(outside.path, `${folder.path}/folder-link`);
  await Deno.symlink(other, `${folder.path}/allowed-link.jsonl`);
  await Deno.symlink("own.jsonl", `${folder.path}/second-name.jsonl`);
  await Deno.symlink("folder-link/secret.jsonl", `${folder.path}/two-steps.jsonl`);
  await Deno.symlink("nowhere", `${folder.path}/dangling.jsonl`);
  const places = placesOf(files, [folder.path, allowed.path]);
  const found = await listSessions(places, [folder.path], 1_000, all, PLAIN_FORMAT);
  assertEquals(found.map(({ sessionFile }) => sessionFile), [other, own]);
});

Deno.test("session files: what cannot be read is left out and reported, and the rest is listed", async () => {
  await using folder = await Folder.make();
  for (const name of ["good", "closed"]) await Deno.mkdir(`${folder.path}/${name}`);
  await folder.write("good/1.jsonl", line({ ...HEADER, id: "good" }));
  await folder.write("good/2.jsonl", line({ ...HEADER, id: "unreadable" }));
  await Deno.symlink("/root/link", `${folder.path}/denied`);
  const denied = (path: string): boolean => path.includes("closed") || path.endsWith("denied");
  const refusing: Files = {
    ...files,
    list: (path) => denied(path) ? Promise.reject(new Error("EACCES")) : files.list(path),
    // As Deno does for what a link leads to, where it may not be read.
    realpath: (path) => denied(path) ? Promise.reject(new Error("NotCapable")) : files.realpath(path),
    chunks: (path) => {
      if (path.endsWith("2.jsonl")) throw new Error("EACCES");
      return files.chunks(path);
    },
  };
  const reported: string[] = [];
  const places = placesOf(refusing, [folder.path], reported);
  const found = await listSessions(
    places,
    ["good", "closed", "denied"].map((name) => `${folder.path}/${name}`),
    1_000,
    all,
    PLAIN_FORMAT,
  );
  assertEquals(found.map(({ sessionId }) => sessionId), ["good"]);
  assertEquals(reported, ["closed", "denied"].map((name) => `${folder.path}/${name}`));
});

Deno.test("session files: a file that gave its place to a link while it was read is left out", async () => {
  await using folder = await Folder.make();
  await using outside = await Folder.make();
  const secret = await outside.write("secret.jsonl", line({ ...HEADER, id: "secret" }));
  const path = await folder.write("1.jsonl", line({ ...HEADER, id: "own" }));
  const swapping: Files = {
    ...files,
    chunks: (file) => {
      Deno.removeSync(path);
      Deno.symlinkSync(secret, path);
      return files.chunks(file);
    },
  };
  assertEquals(await folder.list(1_000, swapping), []);
});
