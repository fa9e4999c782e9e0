// The cursors of long lists: those of this server and that command lead on, and every other one is refused by its code.
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { PageCursors } from "../../../src/server/lists/page_cursors.ts";

function cursorsOf(serverId: string, secret = "s"): PageCursors {
  const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");
  return new PageCursors({ serverId: () => serverId, secret, sha256, equalTexts: (a, b) => a === b });
}

const PLACE = { key: 7, at: 100, offset: 0 };
const cursors = cursorsOf("0b3e-1");
const cursor = cursors.encode("list_sessions", PLACE);

/** The code for a cursor, or where it leads. */
function outcome(text: string, command = "list_sessions"): unknown {
  const decoded = cursors.decode(command, text);
  return decoded.ok ? decoded.value : decoded.failure.code;
}

Deno.test("page cursors: a cursor leads to its place", () => {
  assertEquals(outcome(cursor), PLACE);
});

Deno.test("page cursors: another server, another format, another command and no cursor each have their code", () => {
  assertEquals(outcome(cursorsOf("0b3e-2").encode("list_sessions", PLACE)), "cursor_foreign");
  assertEquals(outcome(cursor.replace("pc1", "pc2")), "cursor_version");
  assertEquals(outcome("pc2.something else"), "cursor_version");
  assertEquals(outcome(cursor, "search"), "cursor_invalid");
  for (const text of ["", "x", "pc1", "pc1.a.b", `${cursor}x`, cursor.slice(1), " " + cursor, "e30"]) {
    assertEquals(outcome(text), "cursor_invalid", text);
  }
});

Deno.test("page cursors: no changed character is accepted, nor a cursor made without the secret", () => {
  for (let index = 0; index < cursor.length; index++) {
    const other = cursor[index] === "1" ? "2" : "1";
    assert(
      typeof outcome(cursor.slice(0, index) + other + cursor.slice(index + 1)) === "string",
      String(index),
    );
  }
  assertEquals(outcome(cursorsOf("0b3e-1", "guess").encode("list_sessions", PLACE)), "cursor_invalid");
});
