// Does: tells this node's own clients which of their sessions come and go with a node.
// Used by: cluster.ts. Invariant: clients of other nodes hear it from their own node.
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { Connection } from "../router/connection.ts";

/** Session ids that one server event names, at most. */
const IDS_AN_EVENT = 1_000;

/** Milliseconds in which the moves of sessions go to clients together. */
const MOVED_MS = 100;

export interface SessionNewsParts {
  readonly clock: Clock;
  connections(): readonly Connection[];
  /** The sessions of a node that a client may see. */
  visible(connection: Connection, node: string): readonly string[];
}

/** The news of one node. */
export class SessionNews {
  readonly #parts: SessionNewsParts;
  /** Sessions that have moved to a node. */
  readonly #moved = new Map<string, Set<string>>();
  #timer: Timer | undefined;

  constructor(parts: SessionNewsParts) {
    this.#parts = parts;
  }

  /** @param only leaves out all other sessions of the node */
  tell(
    type: "sessions_available" | "sessions_unavailable",
    node: string,
    only?: ReadonlySet<string>,
  ): void {
    const { connections, visible } = this.#parts;
    for (const connection of connections()) {
      if (connection.peer.transport === "node") continue;
      const sessionIds = visible(connection, node).filter((id) => only?.has(id) ?? true);
      for (let at = 0; at < sessionIds.length; at += IDS_AN_EVENT) {
        const data = { node, sessionIds: sessionIds.slice(at, at + IDS_AN_EVENT) };
        connection.send(JSON.stringify({ type, data }));
      }
    }
  }

  /** A session lives on that node from now on. */
  moved(sessionId: string, to: string): void {
    this.#moved.set(to, (this.#moved.get(to) ?? new Set<string>()).add(sessionId));
    // The sessions of one node move one after the other.
    this.#timer ??= this.#parts.clock.after(MOVED_MS, () => {
      this.#timer = undefined;
      const moved = [...this.#moved];
      this.#moved.clear();
      for (const [node, sessionIds] of moved) this.tell("sessions_available", node, sessionIds);
    });
  }

  close(): void {
    this.#timer?.clear();
  }
}
