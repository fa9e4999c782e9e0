// Does: reads from a session of another node for one HTTP request, over a virtual connection of its own.
// Used by: content_pages.ts, through remote.ts. To the owner it is a client with the rights of the request's token.
// Invariant: it ends with the request, and the owner counts all that it reads as one command.
import { type Failure, failure } from "../../../protocol/errors.ts";
import type { Command } from "../../../protocol/schema/commands.ts";
import type { Clock } from "../../../runtime/runtime.ts";
import type { Access } from "../../auth/access.ts";
import { Connection } from "../../router/connection.ts";
import type { OutboxLimits } from "../../router/outbox.ts";
import type { Peer } from "../../router/peer.ts";
import type { RemoteReader } from "../remote.ts";
import { answerOf, type NodeAnswer } from "./answers.ts";
import type { Gateway } from "./gateway.ts";

export interface SessionReaderParts {
  readonly gateway: Gateway;
  /** The owner of the session. */
  readonly node: string;
  readonly access: Access;
  /** The number of a connection. */
  readonly id: number;
  readonly clock: Clock;
  readonly limits: OutboxLimits;
}

const CLOSED: Failure = failure("cancelled", "The request is over");

/** What one request reads. */
export class SessionReader implements RemoteReader {
  readonly #parts: SessionReaderParts;
  readonly #connection: Connection;

  constructor(parts: SessionReaderParts) {
    this.#parts = parts;
    // The request gets answers to its own commands, and no server events.
    const peer: Peer = {
      transport: "memory",
      blocksWhenFull: false,
      isOneRequest: true,
      buffered: 0,
      onDrain: () => {},
      send: () => {},
      close: () => this.close(),
    };
    const { id, clock, limits, access } = parts;
    this.#connection = new Connection({ id, peer, clock, limits, access, giveUp: () => this.close() });
  }

  read(command: Command): Promise<NodeAnswer> {
    const { gateway, node } = this.#parts;
    if (!this.#connection.open) return Promise.resolve({ ok: false, failure: CLOSED });
    return new Promise((resolve) => {
      gateway.link(this.#connection, node).ask({ ...command }, (answer) => resolve(answerOf(answer)));
    });
  }

  close(): void {
    if (!this.#connection.open) return;
    this.#connection.closed();
    this.#parts.gateway.closed(this.#connection);
  }
}
