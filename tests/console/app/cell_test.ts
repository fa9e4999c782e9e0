// Cells: changes between two frames reach the followers once, with the frame, or after a while where no frame comes.
import { assertEquals } from "@std/assert";
import { Cell } from "../../../src/console/app/cell.ts";

/** A page whose frames and timers come when the test says so. */
function fakePage(): { frame(): void; timers: Map<number, () => void>; restore(): void } {
  const frames: (() => void)[] = [];
  const timers = new Map<number, () => void>();
  let ids = 0;
  const fakes = {
    document: { hidden: false },
    requestAnimationFrame: (run: () => void) => frames.push(run),
    setTimeout: (run: () => void) => {
      timers.set(++ids, run);
      return ids;
    },
    clearTimeout: (id: number) => timers.delete(id),
  };
  const before = Object.entries(fakes).map(([name, value]) => {
    const old = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    return [name, old] as const;
  });
  return {
    timers,
    frame: () => {
      for (const run of frames.splice(0)) run();
    },
    restore: () => {
      for (const [name, old] of before) {
        if (old === undefined) Reflect.deleteProperty(globalThis, name);
        else Object.defineProperty(globalThis, name, old);
      }
    },
  };
}

Deno.test("cells: a frame tells of all changes once, and leaves no timer that would tell of later ones early", () => {
  const page = fakePage();
  try {
    const cell = new Cell(0);
    const seen: number[] = [];
    const stop = cell.follow(() => seen.push(cell.value));
    cell.set(1);
    cell.set(2);
    assertEquals([seen, page.timers.size], [[], 1]);
    page.frame();
    assertEquals([seen, page.timers.size], [[2], 0]);
    cell.set(3);
    assertEquals(page.timers.size, 1);
    page.frame();
    assertEquals([seen, page.timers.size], [[2, 3], 0]);
    stop();
    cell.set(4);
    page.frame();
    assertEquals(seen, [2, 3]);
  } finally {
    page.restore();
  }
});

Deno.test("cells: where no frame comes, a timer tells of the changes", () => {
  const page = fakePage();
  try {
    const cell = new Cell("");
    const seen: string[] = [];
    cell.follow(() => seen.push(cell.value));
    cell.set("hidden");
    for (const run of [...page.timers.values()]) run();
    assertEquals(seen, ["hidden"]);
    page.frame();
    assertEquals([seen, page.timers.size], [["hidden"], 0]);
  } finally {
    page.restore();
  }
});
