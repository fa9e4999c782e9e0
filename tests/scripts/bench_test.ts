// The table of two engines that `deno task bench --pi 1.6` ends with.
import { assertEquals } from "@std/assert";
import { type Entry, sideBySide } from "../../scripts/bench.ts";

const entry = (pi: Entry["pi"], bench: string, rows: Entry["rows"]): Entry => ({ run: "r", pi, bench, rows });

Deno.test("bench: a row stands beside the same row of the other engine, and so does its baseline", () => {
  const text = sideBySide([
    entry("0.73", "f", [
      { what: "start", unit: "ms", ours: 200, baseline: 1000 },
      { what: "binary: start", unit: "ms", ours: 300 },
    ]),
    entry("1.6", "f", [{ what: "start", unit: "ms", ours: 300, baseline: 1500 }]),
    entry("1.6", "b", [{ what: "start", unit: "ms", ours: 1 }]),
  ], ["0.73", "1.6"]);
  const cells = text.split("\n").map((line) => line.split("|").map((cell) => cell.trim()).slice(1, -1));
  assertEquals([cells[0], ...cells.slice(2)], [
    ["what", "unit", "pi 0.73", "pi 1.6", "ratio"],
    ["f start", "ms", "200", "300", "1.50"],
    ["f start, baseline", "ms", "1,000", "1,500", "1.50"],
  ]);
});
