import { assertEquals } from "@std/assert";
import { SessionManager } from "@mariozechner/pi-coding-agent";
import { readOnce } from "../../../../src/worker/pi/sdk/single_read.ts";
import { Entries, writeSession } from "../../../support/model/session_file.ts";

/** What a history is, apart from pi's own fields. */
function shown(history: SessionManager): unknown {
  return [
    history.getCwd(),
    history.getSessionDir(),
    history.getSessionId(),
    history.getSessionFile(),
    history.getLeafId(),
    history.isPersisted(),
    history.getEntries(),
  ];
}

/** pi's own `open`, kept before it is replaced. */
const open = SessionManager.open.bind(SessionManager);
readOnce(SessionManager);

async function withFile(body: (file: string, folder: string) => void, header?: string): Promise<void> {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/one.jsonl`;
  const entries = new Entries();
  entries.user("a");
  entries.assistant("b");
  await writeSession(file, "one", folder, entries.all);
  if (header !== undefined) {
    const [, ...rest] = (await Deno.readTextFile(file)).split("\n");
    await Deno.writeTextFile(file, [header, ...rest].join("\n"));
  }
  try {
    body(file, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("single read: the history is the one of pi's own open, with and without a folder", async () => {
  await withFile((file, folder) => {
    for (const [dir, cwd] of [[undefined, "/"], [folder, "/"], [undefined, undefined], [folder, undefined]]) {
      assertEquals(shown(SessionManager.open(file, dir, cwd)), shown(open(file, dir, cwd)));
    }
  });
});

Deno.test("single read: a header without a folder, or a very long one, is as for pi", async () => {
  for (const more of [{}, { cwd: "/", long: "x".repeat(100_000) }]) {
    const header = JSON.stringify({ type: "session", version: 3, id: "one", timestamp: "", ...more });
    await withFile((file) => assertEquals(shown(SessionManager.open(file)), shown(open(file))), header);
  }
});

Deno.test("single read: the file is parsed once", async () => {
  const parse = JSON.parse;
  let parsed = 0;
  await withFile((file) => {
    JSON.parse = (text, reviver) => {
      if (text.includes('"role"')) parsed++;
      return parse(text, reviver);
    };
    try {
      SessionManager.open(file, undefined, "/");
    } finally {
      JSON.parse = parse;
    }
  });
  assertEquals(parsed, 2);
});
