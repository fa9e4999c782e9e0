// Which rows of a long transcript are in the page.
import { assert, assertEquals } from "@std/assert";
import {
  appended,
  atEnd,
  down,
  FIRST_ROWS,
  MOST_ROWS,
  shifted,
  up,
} from "../../../src/console/transcript/window.ts";

Deno.test("a transcript opens at its end", () => {
  assertEquals(atEnd(10_000), { start: 10_000 - FIRST_ROWS, end: 10_000 });
  assertEquals(atEnd(5), { start: 0, end: 5 });
});

Deno.test("a reader who goes up and down never has more than the most rows, and reaches both ends", () => {
  let window = atEnd(1000);
  for (let i = 0; i < 200; i++) {
    window = up(window);
    assert(window.end - window.start <= MOST_ROWS);
  }
  assertEquals(window.start, 0);
  for (let i = 0; i < 200; i++) {
    window = down(window, 1000);
    assert(window.end - window.start <= MOST_ROWS);
  }
  assertEquals(window.end, 1000);
});

Deno.test("rows that come in front or leave there move the window with its rows", () => {
  assertEquals(shifted({ start: 10, end: 40 }, 60, 200), { start: 70, end: 100 });
  assertEquals(shifted({ start: 10, end: 40 }, -20, 80), { start: 0, end: 20 });
});

Deno.test("new rows show to a reader at the end, and move no other reader", () => {
  assertEquals(appended({ start: 10, end: 40 }, 41, true), { start: 10, end: 41 });
  assertEquals(appended({ start: 10, end: 40 }, 41, false), { start: 10, end: 40 });
  assertEquals(appended({ start: 0, end: 90 }, 91, true), atEnd(91));
});
