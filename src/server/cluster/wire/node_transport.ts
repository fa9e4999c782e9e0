// Does: brings the clients of other nodes to this node's router, each over its virtual connection.
// Used by: cluster.ts. To the router such a client is a connection like any other.
// Invariant: what the other node has not taken counts as `buffered`, so a slow client is coalesced, lagged and evicted.
import { deadline } from "../../../base/async/deadline.ts";
import type { Clock } from "../../../runtime/runtime.ts";
import type { Connection } from "../../router/connection.ts";
import type { Peer } from "../../router/peer.ts";
import type { Router } from "../../router/router.ts";
import { Backlog, FairInbox } from "../../transports/fair_inbox.ts";
import type { Endpoint, Transport } from "../../transports/transport.ts";
import type { Channel } from "./channel.ts";
import type { Opening } from "./channels.ts";

export interface NodeTransportParts {
  readonly clock: Clock;
  readonly soon: (fn: () => void) => void;
  readonly router: Router;
}

class ChannelPeer implements Peer {
  readonly transport = "node";
  readonly blocksWhenFull: boolean;
  readonly isOneRequest: boolean;
  onDrain: () => void = () => {};
  readonly #channel: Channel;

  constructor(channel: Channel, { waits, isOneRequest }: Opening) {
    this.#channel = channel;
    this.blocksWhenFull = waits;
    this.isOneRequest = isOneRequest;
  }

  get buffered(): number {
    return this.#channel.buffered;
  }

  send(text: string): void {
    this.#channel.send(text);
  }

  close(code: number, reason: string): void {
    this.#channel.close(code, reason);
  }
}

/** The transport of the clients of other nodes. */
export class NodeTransport implements Transport {
  readonly endpoints: readonly Endpoint[] = [];
  readonly #parts: NodeTransportParts;
  readonly #open = new Set<Connection>();
  readonly #backlog = new Backlog();
  #refusing = false;

  constructor(parts: NodeTransportParts) {
    this.#parts = parts;
  }

  /** How many clients of other nodes are connected. */
  get size(): number {
    return this.#open.size;
  }

  refuse(): void {
    this.#refusing = true;
  }

  async close(withinMs: number): Promise<void> {
    const flushed = [...this.#open].map(({ outbox }) => outbox.flushed());
    await deadline(this.#parts.clock, withinMs, Promise.all(flushed), undefined);
    for (const connection of [...this.#open]) {
      connection.peer.close(1001, "The node is shutting down");
      this.#gone(connection);
    }
  }

  /** Accepts the client of another node, or says why not. */
  accept(opening: Opening, channel: Channel): string | undefined {
    const { router, soon } = this.#parts;
    if (this.#refusing) return "The node is shutting down";
    const peer = new ChannelPeer(channel, opening);
    const connection = router.accept(peer, opening.access);
    this.#open.add(connection);
    const end = (code: number, reason: string): void => {
      inbox.close();
      peer.close(code, reason);
      this.#gone(connection);
    };
    const inbox = new FairInbox({
      soon,
      take: (text) => {
        const closing = connection.open ? router.receive(connection, text) : undefined;
        channel.taken();
        if (closing !== undefined) end(closing.code, closing.reason);
      },
      room: () => connection.outbox.room() ?? (connection.writable ? undefined : connection.whenWritable()),
      // What is not taken is not acknowledged, so the other node stops by itself.
      pause: () => true,
      resume: () => {},
      full: () => end(1013, "Too many messages wait; connect again, and read answers as you send"),
      backlog: this.#backlog,
    });
    channel.events = {
      onText: (text) => inbox.push(text),
      onDrain: () => peer.onDrain(),
      onEnd: () => {
        inbox.close();
        this.#gone(connection);
      },
    };
    return undefined;
  }

  #gone(connection: Connection): void {
    if (this.#open.delete(connection)) this.#parts.router.closed(connection);
  }
}
