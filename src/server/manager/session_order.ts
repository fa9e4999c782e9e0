// Does: keeps the sessions sorted in each order that a list may have, by their last records.
// Used by: the session manager, for the pages of `list_sessions`.
// Invariant: it keeps an order from the first use on. The cost of a page does not depend on the number of sessions.
import { SortedIds, type SortKey } from "../../base/listing/sorted_ids.ts";
import type { ListSort } from "../../protocol/schema/list_fields.ts";
import type { SessionInfo } from "../../protocol/schema/responses.ts";
import type { SessionRegistry } from "./session_registry.ts";

/** Names come before sessions without a name. */
const LAST = "\uffff";

const KEYS: Readonly<Record<ListSort, (info: SessionInfo) => SortKey>> = {
  activity: ({ lastActivityAt }) => -(Date.parse(lastActivityAt) || 0),
  created: ({ createdAt }) => -(Date.parse(createdAt) || 0),
  name: ({ sessionName }) => sessionName?.toLowerCase() ?? LAST,
  cost: ({ usage }) => -(usage?.usd ?? 0),
};

/** The orders of one server's sessions. */
export class SessionOrder {
  readonly #registry: SessionRegistry;
  readonly #orders = new Map<ListSort, SortedIds>();

  constructor(registry: SessionRegistry) {
    this.#registry = registry;
    registry.onChanged = ({ sessionId }) => this.#touch(sessionId);
  }

  /** Ids of all sessions that were announced, in that order. The list never changes. */
  list(sort: ListSort): readonly string[] {
    let order = this.#orders.get(sort);
    if (order === undefined) {
      const { entries } = this.#registry;
      const keyOf = KEYS[sort];
      order = new SortedIds((id) => {
        const info = entries.get(id)?.record?.info;
        return info === undefined ? undefined : keyOf(info);
      }, entries.keys());
      this.#orders.set(sort, order);
    }
    return order.list();
  }

  #touch(sessionId: string): void {
    for (const order of this.#orders.values()) order.touch(sessionId);
  }
}
