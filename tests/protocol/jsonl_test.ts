// The line decoder against hand-picked inputs, cut at every byte, and against a naive reference on random ones.
import { assertEquals } from "@std/assert";
import { JsonlDecoder, type Line } from "../../src/protocol/jsonl.ts";

const encoder = new TextEncoder();
const FRAME = 64;

/** Everything the decoder finds in these chunks, the end of the stream included. */
function decode(chunks: readonly Uint8Array[], frameBytes = FRAME): Line[] {
  const decoder = new JsonlDecoder(frameBytes);
  return [...chunks.flatMap((chunk) => [...decoder.push(chunk)]), ...decoder.end()];
}

const bytes = (text: string): Uint8Array => encoder.encode(text);
const line = (text: string): Line => ({ kind: "line", text, bytes: bytes(text).length });

/** The rules of docs/PROTOCOL.md#framing on the whole input at once. */
function reference(input: Uint8Array, frameBytes: number): Line[] {
  const records: number[][] = [[]];
  for (const byte of input) {
    if (byte === 10) records.push([]);
    else records.at(-1)?.push(byte);
  }
  return records.flatMap((record): Line[] => {
    if (record.at(-1) === 13) record.pop();
    if (record.length === 0) return [];
    if (record.length > frameBytes) return [{ kind: "too_large" }];
    try {
      const options = { fatal: true, ignoreBOM: true };
      const text = new TextDecoder("utf-8", options).decode(new Uint8Array(record));
      return [{ kind: "line", text, bytes: record.length }];
    } catch {
      return [{ kind: "malformed" }];
    }
  });
}

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

Deno.test("jsonl: an input cut in two at any byte gives the same lines", () => {
  const input = bytes('{"a":"ä"}\r\n\n{"b":"😀\u2028\u2029"}\n\r\nlast \u0085 one');
  const expected = [line('{"a":"ä"}'), line('{"b":"😀\u2028\u2029"}'), line("last \u0085 one")];
  for (let at = 0; at <= input.length; at++) {
    assertEquals(decode([input.slice(0, at), input.slice(at)]), expected, `cut at ${at}`);
  }
  assertEquals(decode([...input].map((byte) => new Uint8Array([byte]))), expected, "byte by byte");
});

Deno.test("jsonl: only LF ends a line, and only one CR before it is stripped", () => {
  assertEquals(decode([bytes("a\rb\r\r\n\vc\f\u2028\n")]), [line("a\rb\r"), line("\vc\f\u2028")]);
});

Deno.test("jsonl: empty lines are ignored, with and without CR", () => {
  assertEquals(decode([bytes("\n\r\n\n"), bytes("\r"), bytes("\n \n")]), [line(" ")]);
});

Deno.test("jsonl: a line of exactly the limit is a line, with and without CR", () => {
  const full = "x".repeat(FRAME);
  assertEquals(decode([bytes(`${full}\n${full}\r\n${full}`)]), [line(full), line(full), line(full)]);
});

Deno.test("jsonl: the limit counts bytes, not characters", () => {
  const full = "ä".repeat(FRAME / 2);
  assertEquals(decode([bytes(`${full}\n`)]), [line(full)]);
  assertEquals(decode([bytes(`${full}x\n`)]), [{ kind: "too_large" }]);
});

for (const ending of ["\n", "\r\n", ""]) {
  Deno.test(`jsonl: a byte over the limit is too large before ${JSON.stringify(ending)}`, () => {
    assertEquals(decode([bytes(`${"x".repeat(FRAME + 1)}${ending}`)]), [{ kind: "too_large" }]);
  });
}

Deno.test("jsonl: a line over the limit is reported once, discarded, and the stream goes on", () => {
  const long = bytes("y".repeat(FRAME * 5));
  const chunks = [bytes("a\n"), long, long, long, bytes("rest\r\nb\n"), long, bytes("\nc")];
  assertEquals(decode(chunks), [
    line("a"),
    { kind: "too_large" },
    line("b"),
    { kind: "too_large" },
    line("c"),
  ]);
});

Deno.test("jsonl: a line that is too large is reported before it ends", () => {
  const decoder = new JsonlDecoder(4);
  assertEquals([...decoder.push(bytes("12345"))], [], "the fifth byte may be the CR");
  assertEquals([...decoder.push(bytes("6"))], [{ kind: "too_large" }]);
  assertEquals([...decoder.push(bytes("7\n"))], []);
});

Deno.test("jsonl: a byte order mark stays in the text", () => {
  assertEquals(decode([bytes("\ufeff{}\n\ufeff{}\n")]), [line("\ufeff{}"), line("\ufeff{}")]);
});

Deno.test("jsonl: malformed UTF-8 spoils its own line alone", () => {
  const broken: readonly (readonly number[])[] = [
    [0xc3], // cut short
    [0xff],
    [0xc0, 0xaf], // overlong
    [0xed, 0xa0, 0x80], // a surrogate
    [0xf4, 0x90, 0x80, 0x80], // beyond U+10FFFF
    [0x80],
  ];
  for (const sequence of broken) {
    const input = [bytes("a\n"), new Uint8Array([...sequence, 10]), bytes("ä\n")];
    assertEquals(decode(input), [line("a"), { kind: "malformed" }, line("ä")], `${sequence}`);
  }
});

Deno.test("jsonl: a character cut off by the end of the stream is malformed", () => {
  assertEquals(decode([bytes("a\n"), new Uint8Array([0xf0, 0x9f])]), [line("a"), { kind: "malformed" }]);
});

Deno.test("jsonl: the caller may reuse its chunk", () => {
  const decoder = new JsonlDecoder(FRAME);
  const chunk = bytes("abc");
  assertEquals([...decoder.push(chunk)], []);
  chunk.fill(120);
  assertEquals([...decoder.push(bytes("d\n"))], [line("abcd")]);
});

Deno.test("jsonl: agrees with a naive reference on random bytes in random chunks", () => {
  const alphabet = [10, 10, 13, 97, 123, 0xc3, 0xa4, 0xe2, 0x80, 0xa8, 0xf0, 0x9f, 0x98, 0xff];
  for (let seed = 1; seed <= 500; seed++) {
    const random = mulberry(seed);
    const pick = (most: number): number => Math.floor(random() * most);
    const frameBytes = 1 + pick(12);
    const input = Uint8Array.from({ length: pick(120) }, () => alphabet[pick(alphabet.length)] ?? 0);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < input.length;) {
      const size = pick(9);
      chunks.push(input.slice(at, at + size));
      at += size;
    }
    assertEquals(decode(chunks, frameBytes), reference(input, frameBytes), `seed ${seed}`);
  }
});
