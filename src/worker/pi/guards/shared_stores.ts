// Does: takes the credentials and the model catalogs of one runtime of pi 1.6, for all sessions of this thread.
// Used by: sdk/sdk_1_6.ts. pi looks at each of the two files once for each provider, about 300 times for each session.
// Invariant: each look that begins in a later moment sees the file as it is then.
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

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/**
 * The stores of a runtime. A broken auth.json leaves the logins as they were; pi does so for readers without a signal
 * alone, so each look is one of those.
 */
export function storesOf(runtime: object, logins: Logins): Stores {
  const held: unknown = Reflect.get(runtime, "credentials");
  const credentials: unknown = isRecord(held) ? held["store"] : undefined;
  const models: unknown = Reflect.get(runtime, "models");
  const modelsStore: unknown = isObject(models) ? Reflect.get(models, "modelsStore") : undefined;
  if (!isObject(credentials) || !isObject(modelsStore)) {
    throw new Error("This pi keeps logins in another way");
  }
  logins.guard(credentials);
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
