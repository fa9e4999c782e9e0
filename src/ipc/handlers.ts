// Does: joins the handlers of several services into one table, and finds the handler of a message there.
// Used by: both threads.
// Invariant: no kind of message has two handlers.
import type { FromWorker, FromWorkerHandlers, ToWorker, ToWorkerHandlers } from "./messages.ts";

/** The fields of all parts together. */
type Joined<T extends readonly unknown[]> = T extends readonly [infer First, ...infer Rest]
  ? First & Joined<Rest>
  : unknown;

/** Joins tables. Throws when two of them handle the same kind. */
export function joinHandlers<T extends readonly object[]>(...tables: T): Joined<T> {
  const joined: Record<string, unknown> = {};
  for (const [kind, handler] of tables.flatMap((table) => Object.entries(table))) {
    if (Object.hasOwn(joined, kind)) throw new Error(`Two services handle the message ${kind}`);
    joined[kind] = handler;
  }
  return joined as Joined<T>;
}

/** The handler of a message that came from a worker. */
export function handlerOf(handlers: FromWorkerHandlers, kind: FromWorker["kind"]) {
  // The table is complete by type, and the kind is the message's own.
  return handlers[kind] as (message: FromWorker, worker: number) => void;
}

/** The handler of a message that came from the server thread. */
export function workerHandlerOf(handlers: ToWorkerHandlers, kind: ToWorker["kind"]) {
  return handlers[kind] as (message: ToWorker) => void;
}
