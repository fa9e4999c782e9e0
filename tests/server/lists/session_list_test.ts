// The pages of `list_sessions`: filters, orders, bounds in bytes, and each session that stayed exactly once.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { SessionRecord } from "../../../src/ipc/session_record.ts";
import { LISTING_MS } from "../../../src/base/listing/listings.ts";
import type { Limits } from "../../../src/governor/limits.ts";
import { recordOf } from "../manager/fakes.ts";
import { type Peer, RouterBench } from "../router/router_fixture.ts";
import { at, type Json } from "../../support/base/json.ts";

type Info = SessionRecord["info"];

/** Sessions on one scripted worker, which answers every question about them at once. */
class Sessions {
  readonly bench: RouterBench;
  readonly peer: Peer;
  readonly infos = new Map<string, Info>();
  #answered = 0;

  constructor(limits: Partial<Limits> = {}) {
    this.bench = new RouterBench(limits);
    this.peer = this.bench.connect();
  }

  create(sessionId: string, over: Partial<Info> = {}): void {
    this.bench.live(sessionId);
    this.set(sessionId, over);
    this.peer.take();
  }

  /** The session reports another state. */
  set(sessionId: string, over: Partial<Info>): void {
    const record = recordOf(sessionId, { ...this.infos.get(sessionId), ...over });
    this.infos.set(sessionId, record.info);
    this.bench.worker.says({ kind: "save_record", record });
  }

  delete(sessionId: string): void {
    this.peer.send({ type: "delete_session", sessionId });
    this.bench.worker.reply(this.bench.worker.last("command").ref);
    this.infos.delete(sessionId);
    this.peer.take();
  }

  /** `data` of a page, or the code. */
  page(fields: Record<string, Json | undefined>, peer = this.peer): Json {
    peer.send({ id: "p", type: "list_sessions", ...fields });
    for (; this.#answered < this.bench.worker.of("get_states").length; this.#answered++) {
      const { ref, sessionIds } = this.bench.worker.of("get_states")[this.#answered] ?? { ref: 0 };
      const sessions = (sessionIds ?? [...this.infos.keys()]).flatMap((sessionId) => {
        const info = this.infos.get(sessionId);
        const rest = { epoch: "e", seq: 0, sessionVersion: 0, pendingUi: [] };
        return info === undefined ? [] : [{ sessionId, ...rest, infoText: JSON.stringify(info) }];
      });
      this.bench.worker.says({ kind: "states", ref, sessions });
    }
    const [response] = peer.take().filter((one) => at(one, "id") === "p");
    return at(response, "data") ?? at(response, "code") ?? null;
  }

  /** Ids of a page. */
  ids(fields: Record<string, Json | undefined>): unknown {
    return idsOf(this.page(fields));
  }
}

function idsOf(page: Json): unknown[] {
  const sessions = at(page, "sessions");
  assert(Array.isArray(sessions), JSON.stringify(page));
  return sessions.map((one) => at(one, "sessionId"));
}

function cursorOf(page: Json): string | undefined {
  const cursor = at(page, "nextCursor");
  return typeof cursor === "string" ? cursor : undefined;
}

function filled(): Sessions {
  const sessions = new Sessions();
  const day = (n: number): string => new Date(Date.UTC(2026, 0, n)).toISOString();
  sessions.create("a", { lastActivityAt: day(3), createdAt: day(1), sessionName: "Zoo", cwd: "/one" });
  const usage = { usd: 2, turns: 1, wallMs: 1 };
  sessions.create("b", { lastActivityAt: day(1), createdAt: day(2), sessionName: "apes", usage });
  sessions.create("c", { lastActivityAt: day(2), createdAt: day(3), firstMessage: "Feed the ZEBRAS" });
  return sessions;
}

Deno.test("session list: each order, and pages that follow each other", () => {
  const sessions = filled();
  const orders = { activity: "a c b", created: "c b a", name: "b a c", cost: "b a c" };
  for (const [sort, order] of Object.entries(orders)) {
    const first = sessions.page({ sort, limit: 2 });
    const second = sessions.page({ cursor: cursorOf(first), limit: 2 });
    assertEquals([...idsOf(first), ...idsOf(second)].join(" "), order, sort);
    assertEquals([idsOf(first).length, cursorOf(second)], [2, undefined]);
  }
  assertEquals(sessions.ids({ limit: 3 }), ["a", "c", "b"]);
});

Deno.test("session list: filters by folder, status, and text of name, first message and folder", () => {
  const sessions = filled();
  assertEquals(sessions.ids({ cwd: "/one" }), ["a"]);
  assertEquals([sessions.ids({ status: "live" }), sessions.ids({ status: "parked" })], [["a", "c", "b"], []]);
  for (const [query, found] of [["zoo", "a"], ["zebra", "c"], ["/ONE", "a"], ["none", ""]] as const) {
    assertEquals(sessions.ids({ query }), found === "" ? [] : [found], query);
  }
  assertEquals([sessions.ids({ archived: true }), sessions.ids({ archived: false })], [[], ["a", "c", "b"]]);
});

Deno.test("session list: a page is bounded in bytes, and a larger session comes alone", () => {
  const sessions = new Sessions();
  for (const id of ["a", "b", "c"]) sessions.create(id, { cwd: "/".repeat(300_000) });
  const first = sessions.page({ sort: "name" });
  const second = sessions.page({ cursor: cursorOf(first) });
  const third = sessions.page({ cursor: cursorOf(second) });
  assertEquals([idsOf(first), idsOf(second), idsOf(third)], [["a"], ["b"], ["c"]]);
  assertEquals(cursorOf(third), undefined);
});

Deno.test("session list: a token for some sessions gets those alone", () => {
  const sessions = filled();
  const peer = sessions.bench.connect({ id: "t", role: "observe", sessions: new Set(["b"]) });
  assertEquals(idsOf(sessions.page({ limit: 1 }, peer)), ["b"]);
});

Deno.test("session list: a list is dropped some time after its last page, with a code of its own", async () => {
  const sessions = filled();
  const cursor = cursorOf(sessions.page({ limit: 1 }));
  await sessions.bench.made.clock.advance(LISTING_MS + 1);
  sessions.peer.take();
  assertEquals(sessions.page({ cursor, limit: 1 }), "cursor_expired");
  assertEquals(sessions.page({ cursor: "forged" }), "cursor_invalid");
});

Deno.test("session list: a worker that does not answer delays a page, and its last report counts", async () => {
  const sessions = filled();
  sessions.peer.send({ id: "late", type: "list_sessions", limit: 1 });
  await sessions.bench.made.clock.advance(2_000);
  const [response] = sessions.peer.take().filter((one) => at(one, "id") === "late");
  assertEquals(idsOf(at(response, "data") ?? null), ["a"]);
});

Deno.test("session list: paging while sessions come, change and go gives each that stayed exactly once", () => {
  const id = fc.integer({ min: 0, max: 30 }).map((n) => `s${n}`);
  const time = fc.integer({ min: 0, max: 1_000 }).map((n) => new Date(n * 1000).toISOString());
  const change = fc.record({
    id,
    what: fc.constantFrom("create", "change", "delete"),
    sessionName: fc.string({ maxLength: 2 }),
    lastActivityAt: time,
    usd: fc.integer({ min: 0, max: 5 }),
  });
  const step = fc.record({
    changes: fc.array(change, { maxLength: 5 }),
    limit: fc.integer({ min: 1, max: 4 }),
  });
  const sort = fc.constantFrom("activity", "created", "name", "cost");
  fc.assert(
    fc.property(sort, fc.array(step, { minLength: 20, maxLength: 20 }), (sort, steps) => {
      const sessions = new Sessions();
      for (let n = 0; n < 12; n++) sessions.create(`s${n}`, { sessionName: `n${n}` });
      const stayed = new Set(sessions.infos.keys());
      const seen: unknown[] = [];
      let cursor: string | undefined;
      for (const [index, { changes, limit }] of steps.entries()) {
        const page = sessions.page(index === 0 ? { sort, limit } : { cursor, limit });
        seen.push(...idsOf(page));
        cursor = cursorOf(page);
        if (cursor === undefined) break;
        for (const { id, what, sessionName, lastActivityAt, usd } of changes) {
          const usage = { usd, turns: 0, wallMs: 0 };
          if (!sessions.infos.has(id)) {
            if (what === "create") sessions.create(id, { sessionName, lastActivityAt });
          } else if (what === "delete") {
            sessions.delete(id);
            stayed.delete(id);
          } else sessions.set(id, { sessionName, lastActivityAt, usage });
        }
      }
      assertEquals(cursor, undefined, "the list has an end");
      assertEquals(new Set(seen).size, seen.length, "none comes twice");
      for (const one of stayed) assert(seen.includes(one), `${one} was missed`);
    }),
    { numRuns: 60 },
  );
});

Deno.test("session list: a list of all that fits no frame is cut, with a cursor for the rest", () => {
  const sessions = new Sessions({ frameBytes: 64 * 1024 });
  for (const id of ["a", "b", "c"]) sessions.create(id, { cwd: "/".repeat(30_000) });
  const first = sessions.page({});
  assertEquals([idsOf(first).length, at(first, "truncated")], [2, true]);
  const rest = sessions.page({ cursor: cursorOf(first) });
  assertEquals([...idsOf(first), ...idsOf(rest)].toSorted(), ["a", "b", "c"]);
  assertEquals([at(rest, "truncated"), cursorOf(rest)], [undefined, undefined]);
  sessions.delete("c");
  assertEquals(Object.keys(Object(sessions.page({}))), ["sessions"], "what fits is as before");
});
