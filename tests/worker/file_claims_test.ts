// A worker's view of file owners: each claim gets its own answer, and the list holds the reported owners.
import { assertEquals } from "@std/assert";
import { FileClaims } from "../../src/worker/file_claims.ts";
import type { FromWorker } from "../../src/ipc/messages.ts";
import { turn } from "../support/base/fake_clock.ts";

/** Claims and what they sent. */
function bench() {
  const sent: FromWorker[] = [];
  const claims = new FileClaims((message) => sent.push(message));
  const asked: Record<string, string | undefined> = {};
  const ask = (sessionId: string, file: string): void => {
    void claims.claim(sessionId, file).then((owner) => asked[file] = String(owner ?? "free"));
  };
  return { sent, claims, asked, ask };
}

Deno.test("claims: answers are matched by their numbers, whatever their order", async () => {
  const { sent, claims, asked, ask } = bench();
  for (const file of ["/1", "/2", "/3"]) ask("a", file);
  assertEquals(sent, [
    { kind: "claim_file", ref: 1, sessionId: "a", file: "/1" },
    { kind: "claim_file", ref: 2, sessionId: "a", file: "/2" },
    { kind: "claim_file", ref: 3, sessionId: "a", file: "/3" },
  ]);
  claims.handlers.claim_result({ kind: "claim_result", ref: 3, owner: "other" });
  claims.handlers.claim_result({ kind: "claim_result", ref: 1 });
  await turn();
  assertEquals(asked, { "/1": "free", "/3": "other" });
  claims.handlers.claim_result({ kind: "claim_result", ref: 1, owner: "twice" });
  claims.handlers.claim_result({ kind: "claim_result", ref: 99, owner: "unknown number" });
  claims.handlers.claim_result({ kind: "claim_result", ref: 2, owner: "constructor" });
  await turn();
  assertEquals(asked, { "/1": "free", "/2": "constructor", "/3": "other" });
});

Deno.test("claims: a change of file is reported, also a change to none", () => {
  const { sent, claims } = bench();
  claims.setFile("a", "/f");
  claims.setFile("a", undefined);
  assertEquals(sent, [{ kind: "session_file", sessionId: "a", file: "/f" }, {
    kind: "session_file",
    sessionId: "a",
  }]);
  assertEquals(claims.liveSession("/f"), undefined, "only the book says what is live");
});

Deno.test("claims: a file is live as long as the book says so", () => {
  const { claims } = bench();
  claims.handlers.file_owner({ kind: "file_owner", file: "/f", sessionId: "a" });
  claims.handlers.file_owner({ kind: "file_owner", file: "__proto__", sessionId: "b" });
  assertEquals([claims.liveSession("/f"), claims.liveSession("__proto__")], ["a", "b"]);
  assertEquals([claims.liveSession("/g"), claims.liveSession("constructor")], [undefined, undefined]);
  claims.handlers.file_owner({ kind: "file_owner", file: "/f", sessionId: "c" });
  assertEquals(claims.liveSession("/f"), "c");
  claims.handlers.file_owner({ kind: "file_owner", file: "/f" });
  assertEquals(claims.liveSession("/f"), undefined);
});
