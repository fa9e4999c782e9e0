// The owners of session files: one session a file, for any number of requests, and every change is reported once.
import { assertEquals } from "@std/assert";
import type { ToWorker } from "../../../src/ipc/messages.ts";
import { FileClaims, FileOwners } from "../../../src/server/manager/file_claims.ts";

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

/** The server's side of claims, with leases that answer what the test says. */
function claimsWith(holder?: { pid: number; host: string }) {
  const released: string[] = [];
  const sent: ToWorker[] = [];
  const workers = { all: [0], send: (_: number, message: ToWorker) => sent.push(message) };
  const leases = {
    acquire: () => Promise.resolve(holder),
    release: (file: string) => {
      released.push(file);
      return Promise.resolve();
    },
  };
  const registry = { has: () => true };
  // The claims use no more of them.
  const claims = new FileClaims(workers as never, registry as never, leases as never);
  const claim = (ref: number): void =>
    claims.handlers.claim_file({ kind: "claim_file", ref, sessionId: "a", file: "/f" }, 0);
  return { claims, claim, sent, released };
}

async function turn(): Promise<void> {
  for (let n = 0; n < 10; n++) await Promise.resolve();
}

Deno.test("claims: an edit of a file at rest delays the claims of sessions until its end", async () => {
  const { claims, claim, sent, released } = claimsWith();
  assertEquals(await claims.hold("/f"), undefined);
  claim(1);
  const second = claims.hold("/f");
  await turn();
  assertEquals(sent, []);
  await claims.letGo("/f");
  assertEquals([released, await second], [["/f"], undefined], "edits take their turns");
  await claims.letGo("/f");
  await turn();
  assertEquals(sent.filter(({ kind }) => kind === "claim_result"), [{ kind: "claim_result", ref: 1 }]);
  assertEquals(await claims.hold("/f"), "a", "a session drives it now");
});

Deno.test("claims: a file of another server is not held, and delays no claim", async () => {
  const { claims, claim, sent } = claimsWith({ pid: 7, host: "h" });
  assertEquals(await claims.hold("/f"), { pid: 7, host: "h" });
  claim(1);
  await turn();
  assertEquals(sent.length, 1);
});
