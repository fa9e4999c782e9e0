// The model runtimes of pi 1.6: how often the shared stores look at their files, and how often a runtime refreshes.
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { shareRefreshes, storesOf } from "../../../../src/worker/pi/guards/model_runtimes.ts";
import { Logins } from "../../../../src/worker/pi/guards/login_refresh.ts";

interface Signalled {
  readonly signal?: AbortSignal;
}

/** What storesOf reads of a runtime, with looks that the test ends. */
function bench() {
  const looks: PromiseWithResolvers<string>[] = [];
  const given: unknown[][] = [];
  const look = (...args: unknown[]): Promise<string> => {
    given.push(args);
    const one = Promise.withResolvers<string>();
    looks.push(one);
    return one.promise;
  };
  const store = {
    readLatestData: look,
    reloadFromStorageAsync: look,
    authPath: "/nowhere/auth.json",
    storage: { withLockAsync: () => Promise.resolve() },
  };
  const catalogs = { readLatest: look };
  const runtime = { credentials: { store }, models: { modelsStore: catalogs } };
  const stores = storesOf(runtime, new Logins(() => "/nowhere"), () => undefined);
  const logins = (options?: Signalled): Promise<unknown> =>
    Reflect.apply(store.readLatestData, store, [options]);
  const models = (state: object, options?: Signalled): Promise<unknown> =>
    Reflect.apply(catalogs.readLatest, catalogs, [state, options]);
  return { stores, store, catalogs, looks, given, logins, models };
}

Deno.test("stores: they are pi's own objects, for the next runtimes", () => {
  const { stores, store, catalogs } = bench();
  assertEquals([Object.is(stores.credentials, store), Object.is(stores.modelsStore, catalogs)], [true, true]);
});

Deno.test("stores: readers at one moment share a look, and a later reader looks again", async () => {
  const { looks, logins } = bench();
  const all = [logins(), logins(), logins()];
  looks[0]?.resolve("first");
  assertEquals([await Promise.all(all), looks.length], [["first", "first", "first"], 1]);
  const later = logins();
  looks[1]?.resolve("second");
  assertEquals([await later, looks.length], ["second", 2], "a key that has changed meanwhile counts");
});

Deno.test("stores: a reader ends with its own signal, the others have their answer", async () => {
  const { looks, given, logins } = bench();
  const ended = new AbortController();
  const all = [logins({ signal: ended.signal }), logins({ signal: new AbortController().signal })];
  ended.abort(new Error("gone"));
  await assertRejects(() => all[0] ?? Promise.resolve(), Error, "gone");
  looks[0]?.resolve("read");
  assertEquals(
    [await all[1], given],
    ["read", [[]]],
    "pi keeps the last logins for a look without a signal alone",
  );
  await assertRejects(() => logins({ signal: ended.signal }), Error, "gone");
  assertEquals(looks.length, 1);
});

Deno.test("stores: a look that fails fails its readers, and no later one", async () => {
  const { looks, models } = bench();
  const state = {};
  const all = [models(state), models(state)];
  looks[0]?.reject(new Error("no disk"));
  for (const one of all) await assertRejects(() => one, Error, "no disk");
  const later = models(state);
  looks[1]?.resolve("read");
  assertEquals(await later, "read");
});

Deno.test("stores: looks at catalogs of another state are another's", () => {
  const { looks, models } = bench();
  for (const state of [{}, {}]) void models(state);
  assertEquals(looks.length, 2);
  for (const one of looks) one.resolve("");
});

Deno.test("stores: a pi that keeps them in another way is refused", () => {
  const of = (runtime: object): void => void storesOf(runtime, new Logins(() => "/nowhere"), () => undefined);
  const refusal = (runtime: object): string => String(assertThrows(() => of(runtime)));
  assertEquals(refusal({}), "Error: This pi keeps logins in another way");
  const store = { storage: { withLockAsync: () => {} } };
  assertEquals(
    refusal({ credentials: { store }, models: { modelsStore: {} } }),
    "Error: This pi reads its files in another way",
  );
});

Deno.test("refreshes: those of one step are one, a later one and one over the network are others", async () => {
  const made: unknown[] = [];
  const runtime = {
    refresh(options: { readonly allowNetwork?: boolean; readonly force?: boolean } = {}): Promise<number> {
      return Promise.resolve(made.push(options));
    },
  };
  shareRefreshes(runtime);
  const [offline, online, forced] = [{ allowNetwork: false }, { allowNetwork: true }, {
    allowNetwork: false,
    force: true,
  }];
  const all = [runtime.refresh(offline), runtime.refresh(offline), runtime.refresh({ ...offline })];
  assertEquals([await Promise.all(all), made], [[1, 1, 1], [offline]]);
  assertEquals(await Promise.all([online, forced, undefined].map((one) => runtime.refresh(one))), [2, 3, 4]);
  assertEquals(await runtime.refresh(offline), 5, "what was registered meanwhile counts");
});
