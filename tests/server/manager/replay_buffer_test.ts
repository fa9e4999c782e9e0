// The logs of what sessions have emitted: what a cursor may still be answered from, and that each session's bytes
// and those of all together stay within their bounds.
import { assert, assertEquals } from "@std/assert";
import type { EncodedEvent } from "../../../src/ipc/messages.ts";
import { ReplayBuffer, ReplayBuffers } from "../../../src/server/manager/replay_buffer.ts";

const record = (seq: number, chars = 36): EncodedEvent => ({ seq, type: "t", text: "x".repeat(chars) });
/** What a record of 36 characters counts: its text and its place. */
const EACH = 100;

/** A log with those events. */
function logOf(...seqs: number[]): ReplayBuffer {
  const log = new ReplayBuffer();
  for (const seq of seqs) log.append(record(seq));
  return log;
}

/** Logs of those sessions, with that many events each. */
function logsOf(each: number, all: number, counts: Record<string, number> = {}): ReplayBuffers {
  const logs = new ReplayBuffers(each * EACH, all * EACH);
  for (const [id, count] of Object.entries(counts)) {
    for (let seq = 1; seq <= count; seq++) logs.append(id, [record(seq)]);
  }
  return logs;
}

const seqs = (records: readonly EncodedEvent[] | undefined) => records?.map(({ seq }) => seq);

Deno.test("replay buffer: covers a cursor from right before its oldest event up to its last", () => {
  const log = logOf(1, 2, 3, 4, 5);
  assertEquals([0, 1, 4, 5].map((seq) => log.covers(seq, 5)), [true, true, true, true]);
  assertEquals([6, 7, Number.MAX_SAFE_INTEGER].map((seq) => log.covers(seq, 5)), [false, false, false]);
  log.dropOldest();
  log.dropOldest();
  assertEquals([0, 1, 2, 3, 5].map((seq) => log.covers(seq, 5)), [false, false, true, true, true]);
});

Deno.test("replay buffer: does not cover what it has not seen yet", () => {
  const log = logOf(1, 2, 3);
  assertEquals([log.covers(1, 4), log.covers(3, 4), log.covers(4, 4)], [false, false, true]);
});

Deno.test("replay buffer: an empty one covers only where the session stands", () => {
  const log = new ReplayBuffer();
  assertEquals([log.covers(0, 0), log.covers(7, 7), log.covers(0, 1), log.covers(1, 0)], [
    true,
    true,
    false,
    false,
  ]);
  assertEquals([log.lastSeq, log.bytes, log.since(0), log.dropOldest()], [0, 0, [], 0]);
});

Deno.test("replay buffer: gives the events after a cursor, oldest first", () => {
  const log = logOf(1, 2, 3, 4);
  assertEquals([0, 1, 3, 4, 9].map((seq) => seqs(log.since(seq))), [[1, 2, 3, 4], [2, 3, 4], [4], [], []]);
  log.dropOldest();
  assertEquals([1, 2].map((seq) => seqs(log.since(seq))), [[2, 3, 4], [3, 4]]);
  for (let n = 0; n < 3; n++) log.dropOldest();
  assertEquals([log.since(0), log.lastSeq, log.bytes], [[], 4, 0]);
});

Deno.test("replay buffer: what was given stays as it was when the log moves on", () => {
  const log = logOf(1, 2, 3);
  const given = log.since(0);
  log.dropOldest();
  log.append(record(4));
  assertEquals(seqs(given), [1, 2, 3]);
});

Deno.test("replay buffer: numbering may start anywhere, as after a log was dropped", () => {
  const log = logOf(50, 51, 52);
  assertEquals([48, 49, 50, 52].map((seq) => log.covers(seq, 52)), [false, true, true, true]);
  assertEquals([seqs(log.since(49)), seqs(log.since(51))], [[50, 51, 52], [52]]);
});

Deno.test("replay buffer: a ring that has turned thousands of times keeps its order and its bytes", () => {
  const log = new ReplayBuffer();
  for (let seq = 1; seq <= 10_000; seq++) {
    log.append(record(seq, seq % 50));
    if (seq > 700) log.dropOldest();
    const kept = log.since(0);
    if (seq % 997 !== 0) continue;
    assertEquals(kept.length, Math.min(seq, 700));
    assertEquals([kept[0]?.seq, kept.at(-1)?.seq], [Math.max(1, seq - 699), seq]);
    assertEquals(log.bytes, kept.reduce((sum, { text }) => sum + text.length + 64, 0));
  }
});

Deno.test("replay buffer: a session keeps what fits, to the byte", () => {
  const logs = logsOf(3, 100, { a: 3 });
  assertEquals([seqs(logs.of("a")?.since(0)), logs.bytes], [[1, 2, 3], 3 * EACH]);
  logs.append("a", [record(4)]);
  assertEquals([seqs(logs.of("a")?.since(1)), logs.bytes, logs.of("a")?.covers(0, 4)], [
    [2, 3, 4],
    3 * EACH,
    false,
  ]);
  logs.append("a", [record(5, 37)]);
  assertEquals(seqs(logs.of("a")?.since(0)), [4, 5], "a byte too many costs another one");
});

Deno.test("replay buffer: an event larger than a log leaves it empty, but with its number", () => {
  const logs = logsOf(3, 100, { a: 2 });
  logs.append("a", [record(3, 1_000)]);
  const log = logs.of("a");
  assertEquals([log?.bytes, logs.bytes, log?.lastSeq], [0, 0, 3]);
  assertEquals([log?.covers(2, 3), log?.covers(3, 3)], [false, true]);
  logs.append("a", [record(4)]);
  assertEquals([log?.covers(3, 4), seqs(log?.since(3))], [true, [4]]);
});

Deno.test("replay buffer: beyond the bound for all, the stalest session gives way first", () => {
  const logs = logsOf(10, 6, { a: 2, b: 2, c: 2 });
  assertEquals(logs.bytes, 6 * EACH);
  logs.append("a", [record(3)]);
  // a was the stalest until then; now it is b.
  assertEquals(["a", "b", "c"].map((id) => seqs(logs.of(id)?.since(0))), [[1, 2, 3], [2], [1, 2]]);
  logs.append("c", [record(3)]);
  logs.append("c", [record(4)]);
  assertEquals(["a", "b", "c"].map((id) => seqs(logs.of(id)?.since(0))), [[2, 3], [], [1, 2, 3, 4]]);
  assertEquals([logs.bytes, logs.of("b")?.lastSeq], [6 * EACH, 2], "an emptied log knows where it stood");
});

Deno.test("replay buffer: one session alone is bounded by the bound for all, too", () => {
  const logs = logsOf(100, 3, { a: 9 });
  assertEquals([seqs(logs.of("a")?.since(0)), logs.bytes], [[7, 8, 9], 3 * EACH]);
  logs.append("a", [record(10, 10_000)]);
  assertEquals([logs.of("a")?.lastSeq, logs.bytes], [10, 0]);
});

Deno.test("replay buffer: many emptied ones do not keep a new event from its place", () => {
  const logs = logsOf(10, 2, Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`s${n}`, 1])));
  assertEquals(logs.bytes, 2 * EACH);
  for (let seq = 2; seq < 20; seq++) logs.append("s7", [record(seq)]);
  assertEquals([seqs(logs.of("s7")?.since(0)), logs.bytes], [[18, 19], 2 * EACH]);
});

Deno.test("replay buffer: a session that is dropped takes its bytes with it, and its namesake starts afresh", () => {
  const logs = logsOf(10, 100, { a: 3, b: 1 });
  logs.drop("a");
  logs.drop("missing");
  assertEquals([logs.of("a"), logs.bytes], [undefined, EACH]);
  logs.append("a", [record(1)]);
  assertEquals([logs.of("a")?.lastSeq, logs.bytes], [1, 2 * EACH]);
});

Deno.test("replay buffer: names of JavaScript's own are names", () => {
  const logs = logsOf(10, 100);
  for (const id of ["__proto__", "constructor", "toString"]) {
    assertEquals(logs.of(id), undefined);
    logs.append(id, [record(1)]);
    assertEquals(logs.of(id)?.lastSeq, 1, id);
  }
});

Deno.test("replay buffer: the full form, which no replay uses, is not kept", () => {
  const logs = logsOf(10, 100);
  logs.append("a", [{ ...record(1), full: "y".repeat(1_000_000) }]);
  const [kept] = logs.of("a")?.since(0) ?? [];
  assert(kept !== undefined && JSON.stringify(kept).length < 1_000, "a megabyte that is not counted");
});

Deno.test("replay buffers: shell output takes a quarter of a session's buffer, without a gap in what stays", () => {
  const logs = logsOf(40, 400, { a: 20 });
  for (let seq = 21; seq <= 30; seq++) logs.append("a", [{ ...record(seq), type: "bash_output" }]);
  assertEquals(seqs(logs.of("a")?.since(0))?.length, 30);
  // The eleventh takes the twenty events before the output and its first one along: a replay has no gaps.
  logs.append("a", [{ ...record(31), type: "bash_output" }]);
  assertEquals(seqs(logs.of("a")?.since(0)), [22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);
  assertEquals([logs.of("a")?.covers(20, 31), logs.of("a")?.covers(21, 31)], [false, true]);
  for (let seq = 32; seq <= 61; seq++) logs.append("a", [record(seq)]);
  assertEquals([seqs(logs.of("a")?.since(0))?.[0], logs.bytes], [22, 40 * EACH]);
});
