// The owners of session files: one session a file, for any number of requests, and every change is reported once.
import { assertEquals } from "@std/assert";
import { FileOwners } from "../../../src/server/manager/file_claims.ts";

function bench() {
  const changes: string[] = [];
  const book = new FileOwners((file, sessionId) => changes.push(`${file}=${sessionId ?? ""}`));
  return { book, changes };
}

Deno.test("file owners: the first session gets a file, another learns whose it is", () => {
  const { book, changes } = bench();
  assertEquals(book.owner("/f"), undefined);
  assertEquals([book.claim("/f", "a"), book.claim("/f", "b"), book.claim("/f", "a")], [
    undefined,
    "a",
    undefined,
  ]);
  assertEquals([book.owner("/f"), changes], ["a", ["/f=a"]], "asking again changes nothing");
});

Deno.test("file owners: a session may claim a second file before it releases its first", () => {
  const { book, changes } = bench();
  book.claim("/old", "a");
  book.claim("/new", "a");
  assertEquals([book.claim("/old", "b"), book.claim("/new", "b")], ["a", "a"]);
  book.setFile("a", "/new");
  assertEquals([book.claim("/old", "b"), book.claim("/new", "b")], [undefined, "a"]);
  assertEquals(changes, ["/old=a", "/new=a", "/old=", "/old=b"]);
});

Deno.test("file owners: a session that moves to a file of its own has it alone", () => {
  const { book, changes } = bench();
  book.setFile("a", "/f");
  book.setFile("a", "/f");
  assertEquals([book.owner("/f"), changes], ["a", ["/f=a"]]);
  book.setFile("a", "/g");
  assertEquals([book.owner("/f"), book.owner("/g"), changes.slice(1)], [undefined, "a", ["/f=", "/g=a"]]);
});

Deno.test("file owners: a session that is gone holds nothing, and others keep what is theirs", () => {
  const { book, changes } = bench();
  for (const file of ["/1", "/2"]) book.claim(file, "a");
  book.claim("/3", "b");
  book.setFile("a", undefined);
  book.setFile("missing", undefined);
  assertEquals(["/1", "/2", "/3"].map((file) => book.owner(file)), [undefined, undefined, "b"]);
  assertEquals(changes.slice(3), ["/1=", "/2="]);
});

Deno.test("file owners: names of JavaScript's own are files and sessions like others", () => {
  const { book } = bench();
  assertEquals(book.owner("constructor"), undefined);
  book.claim("__proto__", "constructor");
  assertEquals([book.owner("__proto__"), book.claim("__proto__", "b")], ["constructor", "constructor"]);
});
