// A host's view of the book of session files: each question gets its own answer, and the list is what was told.
import { assertEquals } from "@std/assert";
import { Claims } from "../../src/worker/file_claims.ts";
import type { FromHost } from "../../src/ipc/messages.ts";
import { turn } from "../support/fake_clock.ts";

/** Claims and what they sent. */
function bench() {
  const sent: FromHost[] = [];
  const claims = new Claims((message) => sent.push(message));
  const asked: Record<string, string | undefined> = {};
  const ask = (sessionId: string, file: string): void => {
    void claims.ask(sessionId, file).then((owner) => asked[file] = String(owner ?? "free"));
  };
  return { sent, claims, asked, ask };
}

Deno.test("claims: answers are matched by their numbers, whatever their order", async () => {
  const { sent, claims, asked, ask } = bench();
  for (const file of ["/1", "/2", "/3"]) ask("a", file);
  assertEquals(sent, [
    { kind: "claim", ref: 1, sessionId: "a", file: "/1" },
    { kind: "claim", ref: 2, sessionId: "a", file: "/2" },
    { kind: "claim", ref: 3, sessionId: "a", file: "/3" },
  ]);
  claims.answered(3, "other");
  claims.answered(1, undefined);
  await turn();
  assertEquals(asked, { "/1": "free", "/3": "other" });
  claims.answered(1, "twice");
  claims.answered(99, "nobody asked");
  claims.answered(2, "constructor");
  await turn();
  assertEquals(asked, { "/1": "free", "/2": "constructor", "/3": "other" });
});

Deno.test("claims: a change of file is told as it is, none as none", () => {
  const { sent, claims } = bench();
  claims.tell("a", "/f");
  claims.tell("a", undefined);
  assertEquals(sent, [{ kind: "file", sessionId: "a", file: "/f" }, { kind: "file", sessionId: "a" }]);
  assertEquals(claims.liveSession("/f"), undefined, "only the book says what is live");
});

Deno.test("claims: a file is live as long as the book says so", () => {
  const { claims } = bench();
  claims.learn("/f", "a");
  claims.learn("__proto__", "b");
  assertEquals([claims.liveSession("/f"), claims.liveSession("__proto__")], ["a", "b"]);
  assertEquals([claims.liveSession("/g"), claims.liveSession("constructor")], [undefined, undefined]);
  claims.learn("/f", "c");
  assertEquals(claims.liveSession("/f"), "c");
  claims.learn("/f", undefined);
  assertEquals(claims.liveSession("/f"), undefined);
});
