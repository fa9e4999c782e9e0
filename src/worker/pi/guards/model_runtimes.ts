// Does: makes the model runtimes of pi 1.6 share their stores, refresh only once, and finish a login.
// Used by: sdk/sdk_1_6.ts. pi makes a runtime for each session, which checks each file once for each provider.
// Invariant: a later check sees a changed file.
import { isRecord } from "../../../base/json.ts";
import { type Logins, untilAborted } from "./login_refresh.ts";

/** pi's own objects. */
export interface Stores {
  readonly credentials: object;
  readonly modelsStore: object;
}

interface Abortable {
  readonly signal?: AbortSignal;
}

/** Has readers at the same moment share one look. Each of them ends with its own signal. */
function sharing(look: () => unknown): (options?: Abortable) => Promise<unknown> {
  let open: Promise<unknown> | undefined;
  return async ({ signal } = {}) => {
    signal?.throwIfAborted();
    open ??= Promise.resolve(look()).finally(() => open = undefined);
    return await untilAborted(open, signal);
  };
}

function methodOf(store: object, name: string): (...given: readonly unknown[]) => unknown {
  const method: unknown = Reflect.get(store, name);
  if (typeof method !== "function") throw new Error("This pi reads its files in another way");
  return (...given) => Reflect.apply(method, store, given);
}

/**
 * The stores of a runtime. A broken auth.json leaves the logins as they were; pi does so for readers without a signal
 * alone, so each look is one of those.
 */
export function storesOf(runtime: object, logins: Logins, wholeText: WholeText): Stores {
  const held: unknown = Reflect.get(runtime, "credentials");
  const credentials: unknown = isRecord(held) ? held["store"] : undefined;
  const models: unknown = Reflect.get(runtime, "models");
  const modelsStore: unknown = isRecord(models) ? Reflect.get(models, "modelsStore") : undefined;
  if (!isRecord(credentials) || !isRecord(modelsStore)) {
    throw new Error("This pi keeps logins in another way");
  }
  logins.guard(credentials);
  readWithoutLock(credentials, wholeText);
  const readLogins = methodOf(credentials, "readLatestData");
  Reflect.set(credentials, "readLatestData", sharing(() => readLogins()));
  const readCatalogs = methodOf(modelsStore, "readLatest");
  const looks = new WeakMap<object, ReturnType<typeof sharing>>();
  Reflect.set(modelsStore, "readLatest", (state: object, options?: Abortable) => {
    const look = looks.get(state) ?? sharing(() => readCatalogs(state));
    looks.set(state, look);
    return look(options);
  });
  return { credentials, modelsStore };
}

/** The text of auth.json. Undefined when it is not complete. */
type WholeText = (path: string) => string | undefined;

/** What the work under pi's lock gives back. */
interface Read {
  readonly result: unknown;
}

/** Has pi read auth.json without its lock, which a refresh of a login may hold for long. */
function readWithoutLock(credentials: object, wholeText: WholeText): void {
  const reload: unknown = Reflect.get(credentials, "reloadFromStorageAsync");
  const path: unknown = Reflect.get(credentials, "authPath");
  if (typeof reload !== "function" || typeof path !== "string") {
    throw new Error("This pi reads its files in another way");
  }
  Reflect.set(credentials, "reloadFromStorageAsync", (options?: Abortable): unknown => {
    const text = wholeText(path);
    if (text === undefined) return Reflect.apply(reload, credentials, [options]);
    const storage = {
      withLockAsync: async (work: (text: string) => Promise<Read>) => (await work(text)).result,
    };
    return Reflect.apply(reload, Object.create(credentials, { storage: { value: storage } }), [options]);
  });
}

/** Has a refresh of a login go on when the request that began it is aborted; the request ends at once all the same. */
export function finishRefreshes(runtime: object): void {
  const models: unknown = Reflect.get(runtime, "models");
  const getAuth: unknown = isRecord(models) ? Reflect.get(models, "getAuth") : undefined;
  if (!isRecord(models) || typeof getAuth !== "function") {
    throw new Error("This pi finds credentials in another way");
  }
  Reflect.set(models, "getAuth", (of: unknown, overrides?: Abortable) => {
    const { signal, ...others } = overrides ?? {};
    signal?.throwIfAborted();
    return untilAborted(Promise.resolve(Reflect.apply(getAuth, models, [of, others])), signal);
  });
}

/** What a refresh may reach. Other options make it one of its own. */
interface RefreshOptions {
  readonly allowNetwork?: boolean;
}

/**
 * Has refreshes without the network that are asked for in one step be one: pi asks for one with each provider of an
 * extension, and for one more behind them. Each reads the files, and asks every provider for its credentials.
 */
export function shareRefreshes<O extends RefreshOptions, R>(
  runtime: { refresh(options?: O): Promise<R> },
): void {
  const refresh = runtime.refresh.bind(runtime);
  let next: Promise<R> | undefined;
  runtime.refresh = (options) => {
    if (options?.allowNetwork !== false || Object.keys(options).length > 1) return refresh(options);
    next ??= Promise.resolve().then(() => {
      next = undefined;
      return refresh(options);
    });
    return next;
  };
}
