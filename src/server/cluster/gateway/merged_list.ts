// Does: joins the pages of all nodes into one list, in the order that the client asked for.
// Used by: fan_out.ts. Each cursor stands for how far the list had come at every node (docs/PROTOCOL.md#long-lists).
// Invariant: bounded in number and in time. A list that is gone is never continued from another order.
import { isRecord } from "../../../base/json.ts";
import { utf8Bytes } from "../../../base/text.ts";
import type { Reply } from "../../../ipc/messages.ts";
import type { Failure } from "../../../protocol/errors.ts";
import type { Command } from "../../../protocol/schema/commands.ts";
import { PAGE_BYTES, PAGE_ITEMS } from "../../../protocol/schema/list_fields.ts";
import { cursorExpired, type PageCursors } from "../../lists/page_cursors.ts";
import type { NodeAnswer } from "./answers.ts";

/** Asks one node for its page. The name is empty for this node. */
export type AskPage = (node: string, command: Record<string, unknown>) => Promise<NodeAnswer>;

/** How far one node's list has come. */
interface Source {
  readonly node: string;
  /** Items that were fetched and not sent. */
  readonly items: readonly unknown[];
  readonly cursor: string | undefined;
  readonly done: boolean;
}

/** Where the next page begins. */
interface Place {
  readonly fields: Record<string, unknown>;
  readonly sources: readonly Source[];
  readonly usedAt: number;
}

export interface MergedListParts {
  readonly cursors: PageCursors;
  /** Milliseconds on a clock that never goes back. */
  readonly monotonic: () => number;
  /** The name of this node. */
  readonly node: string;
}

/** The most places that are kept, and milliseconds since their last use. */
const [MOST_PLACES, KEPT_MS] = [64, 15 * 60_000];

/** Pages that one answer fetches from one node, at most. Filters may leave most of them empty. */
const MOST_FETCHES = 20;

/** The field of an answer that holds its items. */
const ITEMS: Readonly<Record<string, string>> = {
  list_sessions: "sessions",
  list_stored_sessions: "sessions",
  search: "hits",
};

type Key = number | string;

const text = (item: Record<string, unknown>, ...names: readonly string[]): string | undefined => {
  const found = names.map((name) => item[name]).find((value) => typeof value === "string");
  return typeof found === "string" ? found : undefined;
};

function cost(item: Record<string, unknown>): number {
  const { usage, costUsd } = item;
  const usd = isRecord(usage) ? usage["usd"] : costUsd;
  return typeof usd === "number" ? usd : 0;
}

/** The place of an item in that order. Lower comes first. */
function keyOf(sort: unknown, item: unknown): Key {
  if (!isRecord(item)) return 0;
  if (sort === "name") return text(item, "sessionName")?.toLowerCase() ?? "\uffff";
  if (sort === "cost") return -cost(item);
  const at = sort === "created" ? text(item, "createdAt") : text(item, "lastActivityAt", "modifiedAt");
  return -(Date.parse(at ?? "") || 0);
}

/** The lists of all clients over all nodes. */
export class MergedList {
  readonly #parts: MergedListParts;
  readonly #places = new Map<number, Place>();
  #keys = 0;

  constructor(parts: MergedListParts) {
    this.#parts = parts;
  }

  /** One page. @param nodes where a new list comes from, @param maxBytes of its items; one item may come alone */
  async page(
    command: Command,
    nodes: readonly string[],
    ask: AskPage,
    { maxBytes = PAGE_BYTES, limit, extra = {}, plain = false }: {
      readonly maxBytes?: number;
      readonly limit?: number;
      readonly extra?: Record<string, unknown>;
      /** The client knows no pages. */
      readonly plain?: boolean;
    } = {},
  ): Promise<Reply> {
    const { cursor, id: _id, limit: asked, ...fields } = command as Record<string, unknown> & Command;
    const begun = this.#begin(command.type, cursor, fields, nodes, plain);
    if ("code" in begun) return { ok: false, failure: begun };
    const most = limit ?? (typeof asked === "number" ? asked : PAGE_ITEMS);
    const name = ITEMS[command.type] ?? "sessions";
    const sums: Record<string, unknown> = {};
    const taken: string[] = [];
    const failed: Failure[] = [];
    let bytes = 0;
    const sources = begun.sources.map((source) => ({ ...source, fetches: 0 }));
    const fetch = async (source: (typeof sources)[number]): Promise<void> => {
      source.fetches++;
      const answer = await ask(source.node, {
        ...begun.fields,
        type: command.type,
        ...(plain && asked === undefined ? {} : { limit: plain ? asked : Math.min(most, 1_000) }),
        ...(source.cursor === undefined ? {} : { cursor: source.cursor }),
      });
      if (!answer.ok) failed.push(answer.failure);
      // A node that is lost in the middle has no further items. Its sessions come back with it.
      const data: Record<string, unknown> = answer.ok ? answer.data : {};
      add(sums, data, name);
      const { nextCursor, [name]: items } = data;
      const node = source.node === "" ? this.#parts.node : source.node;
      source.items = (Array.isArray(items) ? items : []).map((item) => ({ ...item, node }));
      source.cursor = typeof nextCursor === "string" ? nextCursor : undefined;
      source.done = source.cursor === undefined;
    };
    for (;;) {
      const dry = sources.filter(({ items, done }) => items.length === 0 && !done);
      if (dry.some(({ fetches }) => fetches >= MOST_FETCHES)) break;
      if (dry.length > 0) {
        await Promise.all(dry.map(fetch));
        continue;
      }
      const next = nextOf(sources, fields["sort"], command.type === "search");
      if (next === undefined || taken.length >= most) break;
      const item = JSON.stringify(next.items[0]);
      bytes += utf8Bytes(item);
      if (taken.length > 0 && bytes > maxBytes) break;
      taken.push(item);
      next.items = next.items.slice(1);
    }
    const [first] = failed;
    // A command that every node refuses is refused.
    if (first !== undefined && failed.length >= sources.length && taken.length === 0) {
      return { ok: false, failure: first };
    }
    const more = sources.some(({ items, done }) => items.length > 0 || !done);
    const rest = {
      ...sums,
      ...extra,
      ...(more ? { nextCursor: this.#keep(command.type, begun.fields, sources) } : {}),
    };
    const tail = JSON.stringify(rest).slice(1);
    return { ok: true, dataText: `{"${name}":[${taken.join(",")}]${tail === "}" ? "" : ","}${tail}` };
  }

  #begin(
    type: string,
    cursor: unknown,
    fields: Record<string, unknown>,
    nodes: readonly string[],
    plain: boolean,
  ): Place | Failure {
    if (typeof cursor !== "string") {
      const sources = nodes.map((node) => ({ node, items: [], cursor: undefined, done: false }));
      // A page is asked for in any case, so that each node keeps the order.
      const sort = type === "search" || plain ? {} : { sort: fields["sort"] ?? "activity" };
      return { fields: { ...fields, ...sort }, sources, usedAt: 0 };
    }
    const place = this.#parts.cursors.decode(type, cursor);
    if (!place.ok) return place.failure;
    const kept = this.#places.get(place.value.key);
    if (kept === undefined || kept.usedAt < this.#parts.monotonic() - KEPT_MS) return cursorExpired();
    return kept;
  }

  #keep(type: string, fields: Record<string, unknown>, sources: readonly Source[]): string {
    const key = ++this.#keys;
    const usedAt = this.#parts.monotonic();
    const copies = sources.map(({ node, items, cursor, done }) => ({ node, items, cursor, done }));
    this.#places.set(key, { fields, sources: copies, usedAt });
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= MOST_PLACES) break;
      this.#places.delete(oldest);
    }
    return this.#parts.cursors.encode(type, { key, at: 0 });
  }
}

/** The source whose next item comes first. */
function nextOf<S extends { items: readonly unknown[] }>(
  sources: readonly S[],
  sort: unknown,
  inTurn: boolean,
): S | undefined {
  const filled = sources.filter(({ items }) => items.length > 0);
  if (inTurn) return filled[0];
  let best: S | undefined;
  for (const source of filled) {
    if (best === undefined || keyOf(sort, source.items[0]) < keyOf(sort, best.items[0])) best = source;
  }
  return best;
}

/** Adds up the counts of the nodes. */
function add(sums: Record<string, unknown>, data: Record<string, unknown>, items: string): void {
  for (const [name, value] of Object.entries(data)) {
    if (name === items || name === "nextCursor" || name === "truncated") continue;
    const before = sums[name];
    if (typeof value === "number") sums[name] = value + (typeof before === "number" ? before : 0);
    else if (isRecord(value)) {
      const inner = isRecord(before) ? before : {};
      add(inner, value, "");
      sums[name] = inner;
    }
  }
}
