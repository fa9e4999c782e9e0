// Does: hears the server events of other nodes, and relays them to this node's clients.
// Used by: cluster.ts. Invariant: no node is heard about a session of another one.
import { isRecord, tryParseRecord } from "../../../base/json.ts";
import type { Log } from "../../../base/log.ts";
import type { Connection } from "../../router/connection.ts";
import type { Claims } from "../claims.ts";
import type { Gateway } from "./gateway.ts";

export interface NodeNewsParts {
  readonly log: Log;
  readonly instance: string;
  readonly claims: Claims;
  readonly gateway: Gateway;
  /** The node of a session, as far as this node knows. */
  ownerOf(sessionId: string): string | undefined;
  /** Sends a server event to all clients, except those that `skips` names. */
  relay(type: string, data: Record<string, unknown>, skips: (connection: Connection) => boolean): void;
}

/** The news of the other nodes. */
export class NodeNews {
  readonly #parts: NodeNewsParts;

  constructor(parts: NodeNewsParts) {
    this.#parts = parts;
  }

  /** A message with a server event of another node. */
  take(text: string): void {
    const { log, instance: own, claims, ownerOf } = this.#parts;
    const { node, instance, type, data } = tryParseRecord(text) ?? {};
    if (instance === own || typeof node !== "string" || typeof type !== "string") return;
    if (!isRecord(data)) return;
    const { sessionId } = data;
    const owner = typeof sessionId === "string" ? ownerOf(sessionId) : undefined;
    if (typeof sessionId !== "string" || owner === undefined || owner === node) {
      return this.#hear(node, type, data);
    }
    // It may have just moved.
    void claims.confirm(sessionId).then(() => {
      const now = ownerOf(sessionId);
      if (now === undefined || now === node) return this.#hear(node, type, data);
      log.warn("a node has spoken of a session that is not its own; it was not heard", {
        ...{ node, sessionId, type },
      });
    });
  }

  #hear(node: string, type: string, data: Record<string, unknown>): void {
    const { claims, gateway, relay } = this.#parts;
    const { sessionId } = data;
    if (typeof sessionId === "string") {
      if (type === "session_created") claims.note(sessionId, node);
      if (type === "session_deleted") claims.forget(sessionId, node);
    }
    relay(
      type,
      data,
      (connection) => gateway.hears(connection, node) || gateway.holdsBack(connection, node, type, data),
    );
  }
}
