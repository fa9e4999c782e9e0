// A refresh of a login gives pi's lock back when its provider does not answer, and a login that comes later is saved.

import { assertEquals, assertRejects } from "@std/assert";
import { Logins } from "../../../../src/worker/pi/guards/login_refresh.ts";

interface Done {
  readonly result: unknown;
  readonly next?: string;
}

/** pi's storage of logins, in memory. */
class Storage {
  text = "old";
  isLocked = false;
  #written: () => void = () => {};

  async withLockAsync(work: (current: unknown) => Promise<Done>): Promise<unknown> {
    if (this.isLocked) throw new Error("locked");
    this.isLocked = true;
    try {
      const { result, next } = await work(this.text);
      if (next !== undefined) {
        this.text = next;
        this.#written();
      }
      return result;
    } finally {
      this.isLocked = false;
    }
  }

  written(): Promise<void> {
    return new Promise((resolve) => this.#written = resolve);
  }
}

function guarded(): Storage {
  const storage = new Storage();
  new Logins(() => "lock", 1).guard({ storage });
  return storage;
}

Deno.test("a refresh that is not answered gives the lock back, and a late login is saved", async () => {
  const storage = guarded();
  const { promise, resolve } = Promise.withResolvers<Done>();
  await assertRejects(() => storage.withLockAsync(() => promise), Error, "did not answer the refresh");
  assertEquals(storage.isLocked, false);
  assertEquals(await storage.withLockAsync(() => Promise.resolve({ result: "another" })), "another");
  const written = storage.written();
  resolve({ result: "late", next: "new" });
  await written;
  assertEquals(storage.text, "new");
});

Deno.test("a late login does not replace one that was made meanwhile", async () => {
  const storage = guarded();
  const { promise, resolve } = Promise.withResolvers<Done>();
  await assertRejects(() => storage.withLockAsync(() => promise), Error, "did not answer the refresh");
  storage.text = "made meanwhile";
  resolve({ result: "late", next: "new" });
  // The lock is taken for the late login before this one asks for it, or has been given back.
  while (await storage.withLockAsync(() => Promise.resolve({ result: true })).catch(() => false) !== true);
  assertEquals(storage.text, "made meanwhile");
});

Deno.test("a refresh that its provider is slow with is reported, until it has ended", async () => {
  const told: boolean[] = [];
  const storage = new Storage();
  const logins = new Logins(() => "lock", 60_000, 1);
  logins.guard({ storage });
  const { promise: isSlow, resolve: slow } = Promise.withResolvers<void>();
  logins.onSlow = (is) => {
    told.push(is);
    slow();
  };
  const { promise, resolve } = Promise.withResolvers<Done>();
  const refreshed = storage.withLockAsync(() => promise);
  await isSlow;
  assertEquals(told, [true]);
  resolve({ result: "new" });
  assertEquals([await refreshed, told], ["new", [true, false]]);
  await storage.withLockAsync(() => Promise.resolve({ result: "at once" }));
  assertEquals(told.length, 2);
});
