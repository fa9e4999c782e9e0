// Session files on a real disk before pi opens them. A whole file is kept byte for byte. A damaged file is repaired,
// and the original kept. A file that pi could not open without harm is refused and left unchanged.
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { FileFormat } from "../../../../src/ipc/file_format.ts";
import { FileChecker } from "../../../../src/worker/session/file_check/file_checker.ts";
import { files } from "../../../../src/runtime/common.ts";
import type { Files } from "../../../../src/runtime/runtime.ts";
import { PLAIN_FORMAT } from "../../support/fake_format.ts";

const T = "2025-01-02T03:04:05.000Z";
const HEADER = { type: "session", version: 3, id: "id-1", timestamp: T, cwd: "/w" };

function user(id: string, parentId: string | null, text = id): Record<string, unknown> {
  const content = [{ type: "text", text }];
  return { type: "message", id, parentId, timestamp: T, message: { role: "user", content, timestamp: 1 } };
}

function answer(id: string, parentId: string | null): Record<string, unknown> {
  const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, cost: { total: 0 } };
  const message = { role: "assistant", content: [{ type: "text", text: id }], usage, stopReason: "stop" };
  return { type: "message", id, parentId, timestamp: T, message };
}

const A = user("a", null);
const B = answer("b", "a");
const C = user("c", "b");
const D = answer("d", "c");

const textOf = (line: unknown): string => typeof line === "string" ? line : JSON.stringify(line);
const fileOf = (...lines: unknown[]): string => `${lines.map(textOf).join("\n")}\n`;

/** A folder with a session file, and a checker for it. */
class Bench implements AsyncDisposable {
  readonly path: string;
  readonly logs: string[] = [];
  readonly checker: FileChecker;

  private constructor(folder: string, over: Partial<Files>, format: FileFormat, memoryBytes?: number) {
    this.path = `${folder}/s.jsonl`;
    const log = (message: string): void => void this.logs.push(message);
    this.checker = new FileChecker({ files: { ...files, ...over }, format, memoryBytes, log });
  }

  static async make(over: Partial<Files> = {}, format = PLAIN_FORMAT, memoryBytes?: number): Promise<Bench> {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-check-" }));
    return new Bench(folder, over, format, memoryBytes);
  }

  /** Checks and readies a file with that content; the result is a code, or the repair. */
  async open(content: string | Uint8Array): Promise<unknown> {
    await Deno.writeFile(
      this.path,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    const inspected = await this.checker.inspect(this.path);
    if (!inspected.ok) return `${inspected.failure.code} ${inspected.failure.message}`;
    const ready = await this.checker.ready(inspected.value);
    return ready.ok ? ready.value : `${ready.failure.code} ${ready.failure.message}`;
  }

  get text(): string {
    return Deno.readTextFileSync(this.path);
  }

  get names(): string[] {
    return [...Deno.readDirSync(this.path.slice(0, -"/s.jsonl".length))].map(({ name }) => name).sort();
  }

  /** Ids and parents of the file's entries. */
  get chain(): string[] {
    const entries = this.text.trim().split("\n").slice(1).map((line) => JSON.parse(line));
    return entries.map(({ id, parentId }) => `${id}<${parentId}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path.slice(0, -"/s.jsonl".length), { recursive: true });
  }
}

Deno.test("checker: a whole file keeps its bytes, and a missing last line end is added", async () => {
  await using bench = await Bench.make();
  const whole = fileOf(HEADER, A, B, "", "   ", C, HEADER, D);
  for (const content of [whole, whole.replaceAll("\n", "\r\n"), fileOf(HEADER)]) {
    assertEquals([await bench.open(content), bench.text], [undefined, content]);
  }
  assertEquals([await bench.open(whole.slice(0, -1)), bench.text, bench.names], [undefined, whole, [
    "s.jsonl",
  ]]);
  const odd = new TextEncoder().encode(whole.replace('"text":"a"', '"text":"a?"'));
  odd[odd.indexOf(63)] = 0xff;
  await bench.open(odd);
  assertEquals(Deno.readFileSync(bench.path), odd, "bytes that are not UTF-8 are not touched");
  assertEquals(bench.logs, []);
});

Deno.test("checker: damage in every place is bridged and reported, and the damaged file is kept", async () => {
  const nul = "\0".repeat(512);
  const half = textOf(C).slice(0, 60);
  const cases: [string, string, number[], string[]][] = [
    ["a lost line", fileOf(HEADER, A, B, "{{{{", D), [4], ["a<null", "b<a", "d<b"]],
    ["a line cut short", fileOf(HEADER, A, half, D), [3], ["a<null", "d<a"]],
    ["two in a row", fileOf(HEADER, A, textOf(B).slice(0, -9), half, D), [3, 4], ["a<null", "d<a"]],
    ["NUL before a whole entry", fileOf(HEADER, A, B, nul + textOf(C), D), [4], [
      "a<null",
      "b<a",
      "c<b",
      "d<c",
    ]],
    ["half a line before a whole one", fileOf(HEADER, A, B, half + textOf(C), D), [4], [
      "a<null",
      "b<a",
      "c<b",
      "d<c",
    ]],
    ["NUL at the end", fileOf(HEADER, A, B) + nul, [4], ["a<null", "b<a"]],
    ["a torn last line", fileOf(HEADER, A, B) + half, [4], ["a<null", "b<a"]],
    ["the first entry", fileOf(HEADER, "{{{{", B, C), [2], ["b<a", "c<b"]],
    ["values that are not entries", fileOf(HEADER, "null", "5", '"x"', "[]", A, B), [2, 3, 4, 5], [
      "a<null",
      "b<a",
    ]],
    ["a message without one", fileOf(HEADER, A, { ...B, message: undefined }, C), [3], ["a<null", "c<a"]],
    [
      "content that is null",
      fileOf(HEADER, A, user("x", "a"), B).replace('[{"type":"text","text":"x"}]', "null"),
      [
        3,
      ],
      ["a<null", "b<a"],
    ],
    ["an entry without an id", fileOf(HEADER, A, { ...B, id: undefined }, C), [3], ["a<null", "c<a"]],
  ];
  for (const [name, content, lines, chain] of cases) {
    await using bench = await Bench.make();
    const repair = await bench.open(content);
    const copy = `${bench.path}.damaged`;
    const told = repair as { lines?: unknown; lostLines?: unknown; copy?: unknown; message?: unknown };
    assertEquals([told.lines, told.lostLines, told.copy], [lines, lines.length, copy], name);
    assertEquals(bench.chain, chain, name);
    assertEquals(Deno.readTextFileSync(copy), content, `${name}: the copy has all bytes`);
    assertStringIncludes(bench.logs.join(), `line ${lines[0]}`);
    assertStringIncludes(String(told.message), `line ${lines[0]}`);
    // What was repaired is whole.
    const text = bench.text;
    assertEquals([await bench.open(text), bench.text], [undefined, text], name);
  }
});

Deno.test("checker: an entry that hangs below a dropped label is joined again", async () => {
  await using bench = await Bench.make();
  const repair = await bench.open(fileOf(HEADER, A, B, user("c", "dropped"), D));
  assertEquals(bench.chain, ["a<null", "b<a", "c<b", "d<c"]);
  assertEquals((repair as { rejoined?: unknown }).rejoined, 1);
});

Deno.test("checker: copies of earlier damage are kept, and permissions stay", async () => {
  await using bench = await Bench.make();
  await bench.open(fileOf(HEADER, A, "{{{", B));
  await Deno.chmod(bench.path, 0o640);
  await bench.open(fileOf(HEADER, A, "}}}", B));
  assertEquals(bench.names, ["s.jsonl", "s.jsonl.damaged", "s.jsonl.damaged-2"]);
  assertStringIncludes(Deno.readTextFileSync(`${bench.path}.damaged`), "{{{");
  assertEquals((Deno.statSync(bench.path).mode ?? 0) & 0o777, 0o640);
});

Deno.test("checker: circles, equal ids and files without a whole entry are refused and left alone", async () => {
  await using bench = await Bench.make();
  const cases = [
    fileOf(HEADER, user("a", "b"), answer("b", "a")),
    fileOf(HEADER, user("a", "a"), B),
    fileOf(HEADER, A, B, user("a", "b"), answer("d", "a")),
    fileOf(HEADER, { ...A, id: 5 }, { ...B, id: 6, parentId: 5 }),
    fileOf(HEADER, "x", "y", "z"),
  ];
  for (const content of cases) {
    assertStringIncludes(String(await bench.open(content)), "session_file_damaged");
    assertEquals([bench.text, bench.names], [content, ["s.jsonl"]]);
  }
});

Deno.test("checker: what only a newer pi knows is refused by name and line; what the loaded pi knows is not", async () => {
  const edit = {
    type: "context_edit",
    id: "e",
    parentId: "b",
    timestamp: T,
    targetId: "a",
    replacement: null,
  };
  const compaction = {
    type: "compaction",
    id: "k",
    parentId: "b",
    timestamp: T,
    summary: "s",
    firstKeptEntryId: "k",
  };
  const system = { ...user("s", null), message: { role: "system", content: "" } };
  const cases: [string, unknown][] = [
    ["context_edit (line 4)", edit],
    ["usage (line 4)", { ...edit, type: "usage" }],
    ["message:system (line 4)", system],
    ["compaction:keeps-nothing (line 4)", compaction],
  ];
  const newer: FileFormat = {
    version: 3,
    types: new Set([...PLAIN_FORMAT.types, "context_edit", "usage"]),
    roles: new Set([...PLAIN_FORMAT.roles, "system"]),
    keepsNothing: true,
    skipsUnknown: false,
    wayOut: "start the server with --pi 1.6",
  };
  for (const [what, entry] of cases) {
    await using bench = await Bench.make();
    const content = fileOf(HEADER, A, B, entry);
    const refused = String(await bench.open(content));
    for (const word of ["session_file_newer", what, "--pi 1.6"]) assertStringIncludes(refused, word);
    assertEquals([bench.text, bench.names], [content, ["s.jsonl"]]);
    await using other = await Bench.make({}, newer);
    assertEquals(await other.open(content), undefined, what);
  }
  await using bench = await Bench.make();
  assertStringIncludes(String(await bench.open(fileOf({ ...HEADER, version: 4 }, A))), "version:4 (line 1)");
  const known = [
    { type: "custom", customType: "pi.anything", data: {}, id: "x", parentId: "b", timestamp: T },
    {
      type: "custom_message",
      customType: "n",
      content: "t",
      display: true,
      id: "y",
      parentId: "x",
      timestamp: T,
    },
    { type: "label", targetId: "a", label: "l", id: "z", parentId: "y", timestamp: T },
    { type: "session_info", name: "n", id: "q", parentId: "z", timestamp: T },
  ];
  assertEquals(await bench.open(fileOf(HEADER, A, B, ...known)), undefined);
});

Deno.test("checker: on a newer pi a damaged edit of the context is refused, since what it took out would be sent", async () => {
  const newer = { ...PLAIN_FORMAT, types: new Set([...PLAIN_FORMAT.types, "context_edit"]) };
  await using bench = await Bench.make({}, newer);
  const torn = '{"type":"context_edit","id":"e","parentId":"b","targetId":"a","repl';
  assertStringIncludes(String(await bench.open(fileOf(HEADER, A, B) + torn)), "session_file_damaged");
});

Deno.test("checker: files of the first version have no ids, and lose only what is damaged", async () => {
  await using bench = await Bench.make();
  const old = { ...HEADER, version: undefined };
  const plain = [A, B].map((entry) => ({ ...entry, id: undefined, parentId: undefined }));
  assertEquals(await bench.open(fileOf(old, ...plain)), undefined);
  await bench.open(fileOf(old, plain[0], "{{{", plain[1]));
  assertEquals(bench.text, fileOf(old, ...plain));
});

Deno.test("checker: a file that is too large for the worker, or too deep for pi, is refused", async () => {
  await using bench = await Bench.make({}, PLAIN_FORMAT, 100_000);
  const large = String(await bench.open(fileOf(HEADER, user("a", null, "x".repeat(20_000)))));
  for (const word of ["session_file_too_large", "--max-host-memory-bytes"]) assertStringIncludes(large, word);
  const unread = (): never => {
    throw new Error("the size alone says it");
  };
  await using unopened = await Bench.make({ chunks: unread }, PLAIN_FORMAT, 100_000);
  assertStringIncludes(String(await unopened.open("x".repeat(10_001))), "session_file_too_large");
  // One character beyond Latin-1 has V8 take two bytes for each of the text.
  const wide = `€${"x".repeat(6_000)}`;
  assertStringIncludes(
    String(await bench.open(fileOf(HEADER, user("a", null, wide)))),
    "session_file_too_large",
  );
  assertEquals(await bench.open(fileOf(HEADER, user("a", null, wide.slice(1)))), undefined);
  await using other = await Bench.make();
  let parent: string | null = null;
  const lines: unknown[] = [HEADER];
  for (let n = 0; n <= 50_000; n++) {
    lines.push({ type: "custom", customType: "n", id: `e${n}`, parentId: parent, timestamp: T });
    parent = `e${n}`;
  }
  assertStringIncludes(String(await other.open(fileOf(...lines))), "session_file_too_large");
  assertEquals(await other.open(fileOf(...lines.slice(0, -1))), undefined);
});

Deno.test("checker: a file that another program writes meanwhile, or a disk that refuses, leaves the file as it was", async () => {
  const content = fileOf(HEADER, A, "{{{", B);
  const full = () => Promise.reject(new Error("no space left"));
  await using bench = await Bench.make({ newFile: full });
  assertStringIncludes(String(await bench.open(content)), "no space left");
  assertEquals([bench.text, bench.names], [content, ["s.jsonl"]]);
  const path: string[] = [];
  await using other = await Bench.make({
    copyMode: () => Deno.writeTextFile(path[0] ?? "", fileOf(C), { append: true }),
  });
  path.push(other.path);
  assertStringIncludes(String(await other.open(content)), "another program writes");
  assertEquals([other.text, other.names], [content + fileOf(C), ["s.jsonl"]]);
});
