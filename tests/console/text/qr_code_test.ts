// QR codes: their fixed patterns, and one whole code as a known encoder makes it.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { qrCode } from "../../../src/console/text/qr_code.ts";

const rowsOf = (text: string): string[] =>
  qrCode(text).map((row) => row.map((dark) => dark ? "#" : ".").join(""));

const EXPECTED = [
  "#######..#.#..#...#######",
  "#.....#..##.##.#..#.....#",
  "#.###.#.#.....#...#.###.#",
  "#.###.#.##..##..#.#.###.#",
  "#.###.#.#.#...#...#.###.#",
  "#.....#.##.##..##.#.....#",
  "#######.#.#.#.#.#.#######",
  "........#..#..##.........",
  "#.#####..##..#.##.#####..",
  ".###.#.##.#.#.#..#.....#.",
  "....######.#..##.##.##.##",
  "##...#.#..##....##......#",
  "....#.##.....#....###.###",
  "#.###..#.##.#.#......#.#.",
  "#...#.##.#.....#.#.#.#.##",
  "#....#.###..#.##.....#..#",
  "#.###.#.###.##.######.#..",
  "........###..#..#...###..",
  "#######..#.####.#.#.#####",
  "#.....#.#..#..###...##...",
  "#.###.#.##.#...##########",
  "#.###.#.#.#.##.##.###.###",
  "#.###.#.#....##.##....#.#",
  "#.....#..##.##.##.####..#",
  "#######.#.#.#.##..#######",
];

Deno.test("the code of a short text is the one that other encoders make", () => {
  assertEquals(rowsOf("http://127.0.0.1:3141/"), EXPECTED);
});

Deno.test("a code grows with its text, and three corners are marked", () => {
  for (const [length, version] of [[14, 1], [15, 2], [120, 7], [200, 10], [2331, 40]] as const) {
    const rows = rowsOf("x".repeat(length));
    assertEquals(rows.length, version * 4 + 17);
    const last = rows.length - 7;
    assert(rows[0]?.startsWith("#######.") && rows[0].endsWith(".#######"));
    assert(rows[last]?.startsWith("#######."));
  }
});

Deno.test("a text that fits no code is refused", () => {
  assertThrows(() => qrCode("x".repeat(2332)));
});
