// The journal's lines: what is written is read again, a line cut anywhere is known as cut, damage in the middle costs
// that line alone, and what a new journal begins with stands for what the old one did.
import { assertEquals } from "@std/assert";
import type { KeyState } from "../../../src/server/journal/idempotency_keys.ts";
import {
  checksum,
  decodeLine,
  encodeRecord,
  JOURNAL_VERSION,
  type JournalRecord,
  JournalReplay,
  type JournalState,
  recordsOf,
} from "../../../src/server/journal/journal_records.ts";

const LIMITS = { keys: 100, bytes: 1_000_000 };
const HEADER: JournalRecord = { k: "journal", version: JOURNAL_VERSION };
const OK = { ok: true, dataText: '{"x":"é😀\\n"}', sessionVersion: 3 } as const;

function keyed(n: number, message?: string): JournalRecord {
  const key = { scope: "admin", sessionId: "a", key: `k${n}`, digest: `d${n}`, type: "prompt" };
  const kept = message === undefined ? {} : { message: { kind: "prompt" as const, message, key: `k${n}` } };
  return { k: "intent", n, at: n * 1000, session: "a", key, ...kept };
}

function message(n: number, text: string, session = "a"): JournalRecord {
  return { k: "intent", n, at: n * 1000, session, message: { kind: "follow_up", message: text } };
}

function bytesOf(records: readonly JournalRecord[]): Uint8Array {
  return Uint8Array.from(records.flatMap((record) => [...encodeRecord(record)]));
}

function fold(bytes: Uint8Array): JournalState {
  const folding = new JournalReplay(LIMITS);
  folding.take(bytes);
  return folding.finish();
}

/** What a fold stands for, in short. */
function brief({ keys, messages, torn, damaged, foreign }: JournalState) {
  const state = (one: KeyState): string => one.kind === "finished" ? JSON.stringify(one.reply) : one.kind;
  const sessions = ["a", "b"].flatMap((id) =>
    messages.interrupted(id).map((one) => `${id} ${one.kind} ${one.message} ${one.started}`)
  );
  return {
    keys: keys.all.map((entry) => `${entry.command.key} ${state(entry.state)}`),
    sessions,
    torn,
    damaged,
    foreign,
  };
}

const WHOLE: readonly JournalRecord[] = [
  HEADER,
  keyed(1),
  { k: "outcome", n: 1, reply: OK },
  keyed(2, "hello"),
  { k: "began", n: 2 },
  message(3, "later", "b"),
  keyed(4, "refused"),
  { k: "void", n: 4 },
  message(5, "over"),
  { k: "began", n: 5 },
  { k: "closed", ns: [5] },
  keyed(6),
];

Deno.test("journal records: the checksum is CRC-32 as everybody computes it", () => {
  assertEquals(checksum(new TextEncoder().encode("123456789")), "cbf43926");
  assertEquals(checksum(new Uint8Array(0)), "00000000");
});

Deno.test("journal records: a line holds one record, with any text in it", () => {
  for (const text of ["", "two\nlines\r\n", "\u2028\u2029\0", "é😀", "\ud800", '"quotes"']) {
    const line = encodeRecord(message(1, text));
    assertEquals(line.filter((byte) => byte === 10).length, 1);
    assertEquals(decodeLine(line.subarray(0, -1)), JSON.parse(JSON.stringify(message(1, text))));
  }
});

Deno.test("journal records: it folds to answers, unknown outcomes and interrupted messages", () => {
  assertEquals(brief(fold(bytesOf(WHOLE))), {
    keys: [`k1 ${JSON.stringify(OK)}`, "k2 unknown", "k6 unknown"],
    sessions: ["a prompt hello true", "b follow_up later false"],
    torn: false,
    damaged: 0,
    foreign: false,
  });
  assertEquals(fold(bytesOf(WHOLE)).last, 6);
});

Deno.test("journal records: cut at every byte of its last record it is what it was before that record", () => {
  for (let count = 1; count < WHOLE.length; count++) {
    const before = bytesOf(WHOLE.slice(0, count));
    const after = bytesOf(WHOLE.slice(0, count + 1));
    const expected = brief(fold(before));
    for (let cut = before.length + 1; cut < after.length; cut++) {
      assertEquals(brief(fold(after.subarray(0, cut))), { ...expected, torn: true }, `${count} at ${cut}`);
    }
  }
});

Deno.test("journal records: any changed byte costs its own line, and only that", () => {
  const lines = WHOLE.map(encodeRecord);
  const whole = brief(fold(bytesOf(WHOLE)));
  for (const [index, line] of lines.entries()) {
    for (let at = 0; at < line.length; at++) {
      const damaged = lines.map((one, n) => n === index ? one.with(at, (one[at] ?? 0) ^ 1) : one);
      const folded = brief(fold(Uint8Array.from(damaged.flatMap((one) => [...one]))));
      // A changed line end makes one damaged line of two, or a line without an end.
      assertEquals(folded.damaged + (folded.torn ? 1 : 0) > 0, true, `${index} at ${at}`);
      if (index === 1) assertEquals(folded.keys.slice(-1), whole.keys.slice(-1));
    }
  }
});

Deno.test("journal records: pieces of any size make the same", () => {
  const bytes = bytesOf(WHOLE);
  for (const size of [1, 7, 64, 100_000]) {
    const folding = new JournalReplay(LIMITS);
    for (let at = 0; at < bytes.length; at += size) folding.take(bytes.subarray(at, at + size));
    assertEquals(brief(folding.finish()), brief(fold(bytes)));
  }
});

Deno.test("journal records: written anew it stands for the same, once and twice over", () => {
  const folded = fold(bytesOf(WHOLE));
  const anew = bytesOf(recordsOf(folded.keys, folded.messages, folded.versions));
  assertEquals(brief(fold(anew)), brief(fold(bytesOf(WHOLE))));
  // What was waiting to be written when a new file was begun is in it twice.
  assertEquals(brief(fold(Uint8Array.from([...anew, ...anew]))), brief(fold(anew)));
});

Deno.test("journal records: another version is foreign, and nothing of it is taken", () => {
  const folded = fold(bytesOf([{ k: "journal", version: 9 }, keyed(1)]));
  assertEquals([folded.foreign, folded.keys.size], [true, 0]);
  assertEquals(brief(fold(new Uint8Array(600))).torn, true);
});

Deno.test("journal records: an intent that comes again with its message is whole", () => {
  const folded = fold(bytesOf([HEADER, keyed(1), keyed(1, "text"), { k: "began", n: 1 }, keyed(1, "text")]));
  assertEquals(brief(folded).keys, ["k1 unknown"]);
  assertEquals(brief(folded).sessions, ["a prompt text true"]);
});
