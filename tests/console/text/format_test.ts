// Numbers, times and texts as people read them.
import { assertEquals } from "@std/assert";
import {
  ago,
  bytes,
  clip,
  count,
  duration,
  money,
  plainOutput,
  several,
  shortPath,
  visible,
} from "../../../src/console/text/format.ts";

Deno.test("ages and lengths of time have the unit that fits", () => {
  assertEquals(ago(0, 4000), "now");
  assertEquals(ago(0, 65_000), "1 min");
  assertEquals(ago("not a time", 1), "now");
  assertEquals(duration(250), "250 ms");
  assertEquals(duration(3_900_000), "1 h 5 min");
  assertEquals(duration(2 * 86_400_000), "2 d");
});

Deno.test("money, counts and bytes are short", () => {
  assertEquals([0, 0.0004, 0.0234, 12.345].map(money), ["$0", "<$0.001", "$0.023", "$12.35"]);
  assertEquals([7, 1500, 123_456, 2_500_000].map(count), ["7", "1.5k", "123k", "2.5M"]);
  assertEquals([0, 1023, 1536, 5 * 1024 ** 2].map(bytes), ["0 B", "1023 B", "1.5 KB", "5.0 MB"]);
  assertEquals([several(1, "turn"), several(2, "turn")], ["1 turn", "2 turns"]);
});

Deno.test("of a long path the last two parts are shown", () => {
  assertEquals(shortPath("/home/me/projects/demo"), "…/projects/demo");
  assertEquals(shortPath("/tmp/x"), "/tmp/x");
});

Deno.test("the output of a terminal program is plain text", () => {
  assertEquals(plainOutput("\u001b[32mok\u001b[0m\r\nnext"), "ok\nnext");
  assertEquals(plainOutput("10 %\r50 %\r100 %\ndone"), "100 %\ndone");
  assertEquals(plainOutput("\u001b]8;;https://x\u0007link\u001b]8;;\u0007"), "link");
});

Deno.test("marks that turn the text around are visible", () => {
  assertEquals(visible("file\u202egpj.exe"), "file⟦202e⟧gpj.exe");
  assertEquals(visible("a\u0000b\tc\nd"), "a⟦0000⟧b\tc\nd");
});

Deno.test("a clipped text splits no character", () => {
  assertEquals(clip("abc", 3), "abc");
  assertEquals(clip("ab😀cd", 4), "ab…");
});
