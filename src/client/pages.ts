// Does: reads a long list page by page (docs/PROTOCOL.md#long-lists).
// Used by: mod.ts, browser.ts, and the clients of this repository. Uses: client.ts.
import type { DataMap } from "../protocol/generated/mod.ts";
import type { Client, FieldsOf } from "./client.ts";

/** The lists of sessions that come page by page. */
export type ListCommand = "list_sessions" | "list_stored_sessions";

/**
 * Reads the pages of a list, one after the other, as the caller asks for them. A server that knows no pages sends one.
 *
 * @param client the client
 * @param type the list
 * @param fields what is wanted; `limit` is the length of a page
 * @returns the sessions of each page; each session that stays in the list comes once
 * @throws {RequestError} when the server refuses, or has dropped the list because the client waited for too long
 *
 * @example
 * ```ts
 * import { connect, pages } from "@pi/server/client";
 *
 * await using client = await connect();
 * for await (const sessions of pages(client, "list_sessions", { sort: "name" })) console.log(sessions.length);
 * ```
 */
export async function* pages<N extends ListCommand>(
  client: Client,
  type: N,
  fields?: FieldsOf<N>,
): AsyncGenerator<DataMap[N]["sessions"], void> {
  const { sort = "activity", ...rest }: FieldsOf<ListCommand> = fields ?? {};
  const { limit, cwd } = rest;
  if (!client.greeting.data.capabilities.includes("catalogue")) {
    const stored = { ...limit === undefined ? {} : { limit }, ...cwd === undefined ? {} : { cwd } };
    yield (await client.request(type, (type === "list_sessions" ? {} : stored) as FieldsOf<N>)).sessions;
    return;
  }
  let next: FieldsOf<ListCommand> = { sort, ...rest };
  while (true) {
    const page: DataMap[ListCommand] = await client.request(type, next as FieldsOf<N>);
    yield page.sessions as DataMap[N]["sessions"];
    if (page.nextCursor === undefined) return;
    next = { cursor: page.nextCursor, ...limit === undefined ? {} : { limit } };
  }
}
