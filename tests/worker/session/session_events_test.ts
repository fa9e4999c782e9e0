// A session's events: numbering, the forms that someone wants, what cannot be encoded, and the state.
import { assertEquals } from "@std/assert";
import { at, BOTH, DELTA, NOBODY, SessionBench } from "../support/fakes.ts";

const UPDATE = {
  type: "message_update",
  message: { content: "so far" },
  assistantMessageEvent: { type: "text_delta", contentIndex: 0, delta: "x", partial: { content: "so far" } },
};

Deno.test("session events: seq counts from 1 without gap, also without a subscriber", async () => {
  const bench = await SessionBench.live(DELTA);
  for (const type of ["a", "b"]) bench.session.emit({ type });
  bench.session.setDemand(NOBODY);
  bench.session.emit({ type: "unheard" });
  bench.session.setDemand(DELTA);
  bench.session.emit({ type: "c" });
  assertEquals(bench.records.map(({ seq, type }) => [seq, type]), [
    [1, "a"],
    [2, "b"],
    [3, "unheard"],
    [4, "c"],
  ], "the event log wants them all");
  assertEquals(bench.session.info().seq, 4);
});

Deno.test("session events: the full form is encoded only where someone wants it", async () => {
  const bench = await SessionBench.live(NOBODY);
  const forms = (demand: typeof BOTH): string => {
    bench.session.setDemand(demand);
    bench.records.length = 0;
    bench.session.emit(UPDATE);
    return Object.entries(bench.records[0] ?? {}).flatMap(([key, value]) =>
      (key === "text" || key === "full") && value !== undefined ? [key] : []
    ).join();
  };
  for (const demand of [NOBODY, DELTA]) assertEquals(forms(demand), "text");
  for (const demand of [{ full: true, subscribers: 1 }, BOTH]) assertEquals(forms(demand), "text,full");
  const { full = "", text } = at(bench.records, 0);
  assertEquals(JSON.parse(full).event, UPDATE);
  assertEquals([text.includes("so far"), JSON.parse(text).seq], [false, JSON.parse(full).seq]);
});

Deno.test("session events: an event of one form has it for every subscriber", async () => {
  const bench = await SessionBench.live({ full: true, subscribers: 1 });
  bench.session.emit({ type: "agent_start" });
  const record = at(bench.records, 0);
  assertEquals([JSON.parse(record.text).event, record.full], [{ type: "agent_start" }, undefined]);
});

Deno.test("session events: one that cannot be encoded keeps its seq, and the next one comes", async () => {
  const bench = await SessionBench.live(BOTH);
  bench.session.emit({ type: "tool_execution_end", result: { details: 1n } });
  bench.session.emit({ type: "agent_start" });
  const [bad, good] = bench.records.map(({ text }) => JSON.parse(text));
  assertEquals([bad.seq, bad.event], [1, { type: "tool_execution_end", unencodable: true }]);
  assertEquals([good.seq, good.event.type], [2, "agent_start"]);
});

Deno.test("session events: the state names epoch, seq, version and subscribers", async () => {
  const bench = await SessionBench.live(BOTH);
  bench.session.emit({ type: "x" });
  const { epoch, seq, sessionVersion, subscribers, status, createdAt } = bench.session.info();
  assertEquals([epoch, seq, sessionVersion, subscribers, status], ["e1", 1, 0, 2, "live"]);
  assertEquals(createdAt, "2026-01-02T03:04:05.000Z");
});
