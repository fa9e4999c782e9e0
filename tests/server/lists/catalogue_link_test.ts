// The link to the catalogue's thread: started at the first need, and every call is answered whatever becomes of it.
import { assert, assertEquals } from "@std/assert";
import type { CatalogueCall, ToCatalogue } from "../../../src/ipc/catalogue_messages.ts";
import { type CatalogueEvents, CatalogueLink } from "../../../src/server/lists/catalogue_link.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { keptLog } from "../manager/fakes.ts";

const CALL: CatalogueCall = { type: "identify", path: "/f" };

/** A thread that does what the test says. */
class Thread {
  readonly got: ToCatalogue[] = [];
  ended = false;
  readonly events: CatalogueEvents;

  constructor(events: CatalogueEvents) {
    this.events = events;
  }

  /** Answers the last call. */
  answer(file: string): void {
    const call = this.got.findLast((message) => message.kind === "call");
    assert(call?.kind === "call");
    this.events.onMessage({ kind: "answer", ref: call.ref, answer: { ok: true, dataText: "{}", file } });
  }
}

function linked(prepare: () => Promise<void> = () => Promise.resolve()) {
  const threads: Thread[] = [];
  const clock = new FakeClock();
  const { log, records } = keptLog();
  const changes: string[] = [];
  const config = { engine: "0.73", cwd: "/", closed: [], folders: [], indexFolder: "/i" } as const;
  const link = new CatalogueLink({
    clock,
    log,
    prepare,
    config,
    start: (events) => {
      const thread = new Thread(events);
      threads.push(thread);
      return { post: (message) => thread.got.push(message), terminate: () => thread.ended = true };
    },
    owners: () => [["/owned", "a"]],
    archived: () => ["/old"],
    changed: (files, indexed) => changes.push(`${indexed}/${files}`),
  });
  return { link, threads, clock, records, changes };
}

/** Lets promises that are settled go on. */
async function turn(): Promise<void> {
  for (let n = 0; n < 10; n++) await Promise.resolve();
}

Deno.test("catalogue link: it starts at the first need, and tells the thread what it must know", async () => {
  const { link, threads, changes } = linked();
  link.owner("/f", "x");
  link.touched("/f");
  assertEquals(threads.length, 0);
  const asked = link.ask(CALL, 1_000);
  await turn();
  const [thread] = threads;
  assertEquals(thread?.got.map(({ kind }) => kind), ["open", "owner", "archived", "call"]);
  thread?.answer("/f");
  assertEquals(await asked, { ok: true, dataText: "{}", file: "/f" });
  link.owner("/f", undefined);
  link.archived("/f", true);
  link.touched("/f");
  assertEquals(thread?.got.slice(4), [
    { kind: "owner", file: "/f" },
    { kind: "archived", file: "/f", archived: true },
    { kind: "touched", file: "/f" },
  ]);
  thread?.events.onMessage({ kind: "changed", files: 3, indexed: 2 });
  assertEquals(changes, ["2/3"]);
});

Deno.test("catalogue link: the end of the thread answers its calls, and the next call starts another with new lists", async () => {
  const { link, threads, records } = linked();
  const asked = link.ask(CALL, 1_000);
  await turn();
  threads[0]?.events.onExit("it broke");
  const answer = await asked;
  assert(answer.ok === false && answer.failure.code === "internal");
  assert(records.join().includes("catalogue's thread has ended"));
  const again = link.ask(CALL, 1_000);
  await turn();
  const firsts = threads.map(({ got: [open] }) => open?.kind === "open" ? open.config.firstList : undefined);
  assertEquals(firsts, [1, 1_000_000_001]);
  // A late report of the first thread changes nothing.
  threads[0]?.events.onExit("again");
  threads[1]?.answer("/g");
  assertEquals((await again).ok, true);
});

Deno.test("catalogue link: a silent thread is a timeout, and a failed start is the answer, and is tried again", async () => {
  const { link, clock } = linked();
  const asked = link.ask(CALL, 1_000);
  await turn();
  await clock.advance(1_000);
  const answer = await asked;
  assert(answer.ok === false && answer.failure.code === "timeout");
  let fails = true;
  const broken = linked(() => fails ? Promise.reject(new Error("disk full")) : Promise.resolve());
  const refused = await broken.link.ask(CALL, 1_000);
  assert(refused.ok === false && refused.failure.message.includes("disk full"));
  fails = false;
  const tried = broken.link.ask(CALL, 1_000);
  await turn();
  broken.threads[0]?.answer("/f");
  assertEquals((await tried).ok, true);
});

Deno.test("catalogue link: a close saves, ends the thread, and refuses what comes later", async () => {
  const { link, threads, clock } = linked();
  const open = link.ask(CALL, 60_000);
  await turn();
  const closing = link.close();
  assertEquals(threads[0]?.got.at(-1), { kind: "close" });
  threads[0]?.events.onMessage({ kind: "closed" });
  await closing;
  assertEquals([threads[0]?.ended, (await open).ok], [true, false]);
  const late = await link.ask(CALL, 1_000);
  assert(late.ok === false && late.failure.code === "shutting_down");
  assertEquals(clock.pending, 0);
  await linked().link.close();
});
