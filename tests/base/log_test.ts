// The log: which levels it shows, and that a record is one line, as text and as JSON.
import { assertEquals } from "@std/assert";
import { createLog, LOG_LEVELS, type LogLevel } from "../../src/base/log.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

function lines(level: LogLevel, format: "text" | "json" = "text") {
  const written: string[] = [];
  const log = createLog({ level, format, now: () => NOW, write: (line) => void written.push(line) });
  return { log, written };
}

for (const [index, level] of LOG_LEVELS.entries()) {
  Deno.test(`log: ${level} shows itself and what is graver`, () => {
    const { log, written } = lines(level);
    for (const name of ["debug", "info", "warn", "error"] as const) log[name]("m");
    assertEquals(written.length, 4 - index);
    assertEquals(written.every((line) => line.endsWith(" m\n")), true);
  });
}

Deno.test("log: a text record has time, level, message and fields on one line", () => {
  const { log, written } = lines("debug");
  log.warn("it happened", { plain: "a-b", spaced: "a b", empty: "", number: 5, nested: { x: [1] } });
  const fields = 'plain=a-b spaced="a b" empty="" number=5 nested={"x":[1]}';
  assertEquals(written, [`2026-01-02T03:04:05.006Z warn  it happened ${fields}\n`]);
});

Deno.test("log: a JSON record is one object", () => {
  const { log, written } = lines("debug", "json");
  log.error("a\nb", { stack: "x\ny" });
  assertEquals(written.length, 1);
  assertEquals(written.map((line) => JSON.parse(line)), [{
    time: "2026-01-02T03:04:05.006Z",
    level: "error",
    message: "a\nb",
    stack: "x\ny",
  }]);
  assertEquals(written[0]?.indexOf("\n"), (written[0]?.length ?? 0) - 1);
});

Deno.test("log: line breaks in a message or a field do not make a second line of text", () => {
  const { log, written } = lines("debug");
  log.info("m", { stack: "x\ny" });
  log.info("failed: first\n2026-01-02T03:04:05.006Z error forged");
  assertEquals(written.map((line) => line.trimEnd().split("\n").length), [1, 1]);
});

/** What a peer or an extension may put into an id, a header, a path or an error. */
const HOSTILE = "a\u001b[31mred\u001b[0m\u001b]0;title\u0007\u009b2Jb\u007f\u202etxt\u0000\tc\b";

Deno.test("log: nothing that a terminal acts on is printed, and JSON keeps the text", () => {
  const acts = /[\p{Cc}\p{Bidi_Control}]/u;
  const { log, written } = lines("debug");
  log.warn(`failed: ${HOSTILE}`, { path: HOSTILE, nested: { id: HOSTILE }, id: "a\u009bb" });
  assertEquals(acts.test(written.join("").trimEnd()), false, JSON.stringify(written));
  assertEquals(written[0]?.includes("failed: ared]0;title2Jbtxt c path="), true, written[0]);
  assertEquals(written[0]?.endsWith(' id="a\\u009bb"\n'), true, written[0]);
  const json = lines("debug", "json");
  json.log.warn(HOSTILE, { path: HOSTILE });
  assertEquals(acts.test(json.written.join("").trimEnd()), false);
  const record = JSON.parse(json.written[0] ?? "");
  assertEquals([record.message, record.path], [HOSTILE, HOSTILE]);
});
