// What a shell command prints, in pieces of any size: the same text however it is cut, the end of a long output, and a
// log that is whole, or is not named.

import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { ShellLogs } from "../../../../src/worker/pi/tools/shell_log.ts";
import { Cleaner, ShellOutput } from "../../../../src/worker/pi/tools/shell_output.ts";
import { FakeClock } from "../../../support/base/fake_clock.ts";

const PRINTED =
  "a\x1b[31mred\x1b[0m \x1b]8;;http://a.b/?c\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07t \x1b(Bx " +
  "\x1b[?25l\x1b[38;2;1;2;3mz\x9b1mq\x1bPdata\x1b\\\r\n😀\x00\x07é\t.\n";
const SHOWN = "ared link t x zq\n😀é\t.\n";

Deno.test("sequences and control characters go, wherever a read cuts", () => {
  for (let at = 0; at <= PRINTED.length; at++) {
    const cleaner = new Cleaner();
    const shown = cleaner.push(PRINTED.slice(0, at)) + cleaner.push(PRINTED.slice(at)) + cleaner.end();
    assertEquals(shown, SHOWN, `cut at ${at}`);
  }
  const cleaner = new Cleaner();
  assertEquals([...PRINTED].map((char) => cleaner.push(char)).join("") + cleaner.end(), SHOWN);
});

Deno.test("a sequence without end is not waited for", () => {
  const cleaner = new Cleaner();
  cleaner.push("\x1b]0;");
  let shown = "";
  for (let n = 0; n < 10; n++) shown += cleaner.push("x".repeat(1000));
  assertEquals(shown.length > 5_000, true);
});

/** Runs `use` with logs in a folder of its own. */
async function withLogs(
  use: (logs: (most?: number) => ShellLogs, folder: string) => Promise<void>,
): Promise<void> {
  const parent = await Deno.makeTempDir();
  const clock = new FakeClock();
  try {
    await use((most) => new ShellLogs(clock, `${parent}/logs`, most), `${parent}/logs`);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("a short output has no log, a long one a whole one, also when pieces come at once", async () => {
  await withLogs(async (logs) => {
    const short = new ShellOutput(logs(), false);
    short.push(bytes("hi\n"));
    await short.end();
    assertEquals([short.show().content, short.show().truncation.truncated], ["hi\n", false]);

    const long = new ShellOutput(logs(), false);
    const whole = Array.from({ length: 2001 }, (_, n) => `${n}\n`);
    for (const line of whole) void long.push(bytes(line));
    await long.end();
    const { content, truncation, lastLine, fullOutputPath = "" } = long.show();
    assertEquals([content.split("\n").length, truncation.totalLines, lastLine], [2000, 2001, 2001]);
    assertEquals(await Deno.readTextFile(fullOutputPath), whole.join(""));
  });
});

Deno.test("a log ends at its bound and says so; one that the disk does not take is not named", async () => {
  await withLogs(async (logs, folder) => {
    const full = new ShellOutput(logs(100_000), false);
    for (let n = 0; n < 200; n++) await full.push(bytes("x".repeat(1000))).taken;
    await full.end();
    const text = await Deno.readTextFile(full.show().fullOutputPath ?? "");
    assertEquals(text.startsWith("x".repeat(100_000) + "\n[pi-server: the log is full"), true);

    await Deno.remove(folder, { recursive: true });
    await Deno.writeTextFile(folder, "in the way");
    const lost = new ShellOutput(logs(), false);
    await lost.push(bytes("x".repeat(60_000))).taken;
    await lost.end();
    assertEquals([lost.show().truncation.truncated, lost.show().fullOutputPath], [true, undefined]);
  });
});

Deno.test("an output that never ends is held in little memory, and many empty lines cost no time", async () => {
  await withLogs(async (logs) => {
    const output = new ShellOutput(logs(1000), true);
    for (let n = 0; n < 100; n++) await output.push(bytes("\n".repeat(65_536))).taken;
    await output.push(bytes("end")).taken;
    const begun = performance.now();
    const { content, truncation, lastLine } = output.show();
    assertEquals([content.length, content.endsWith("end")], [1999 + 3, true]);
    assertEquals([truncation.totalLines, lastLine], [6_553_601, 6_553_601]);
    assertEquals(performance.now() - begun < 1_000, true);
    await output.end();
  });
});

const MIXED = "\ufeffplain\n\ufeffmark é 😀\n" + "only letters\n".repeat(3) + "\x1b[1mbold\x1b[0m\n\n\r\n";

Deno.test("the same text and the same log, wherever a read cuts, with the memory of a piece used again", async () => {
  await withLogs(async (logs) => {
    const all = bytes(MIXED);
    const text = MIXED.slice(1);
    // deno-lint-ignore no-control-regex
    const cases = [[false, text], [true, text.replaceAll(/\x1b\[\dm|\r/g, "")]] as const;
    for (const [cleaned, expected] of cases) {
      for (let at = 0; at <= all.length; at++) {
        const output = new ShellOutput(logs(), cleaned);
        const memory = new Uint8Array(all.length);
        let told = "";
        for (const piece of [all.subarray(0, at), all.subarray(at)]) {
          memory.set(piece);
          const pushed = output.push(memory.subarray(0, piece.length));
          told += pushed.text;
          await pushed.taken;
          memory.fill(0);
        }
        told += await output.end();
        assertEquals([output.show().content, cleaned ? told : ""], [expected, cleaned ? expected : ""]);
      }
    }
    // Long enough for a log, which begins after its first bytes have come.
    const long = new ShellOutput(logs(), true);
    const memory = Buffer.alloc(1024);
    let written = "";
    for (let n = 0; n < 100; n++) {
      const { taken } = long.push(memory.fill(0x61 + n % 26));
      written += memory.toString();
      await taken;
    }
    await long.end();
    const log = await Deno.readTextFile(long.show().fullOutputPath ?? "");
    assertEquals(log === written, true);
  });
});
