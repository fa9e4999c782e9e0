// Does: connects a client inside the process, for tests and for embedding. Its end is a pair of functions.
// Used by: mod.ts and tests.
import { type Access, ADMIN } from "../auth/access.ts";
import type { Connection } from "../router/connection.ts";
import type { Router } from "../router/router.ts";
import type { Peer } from "../router/peer.ts";

/** The client's end. */
export interface MemoryClient {
  readonly connection: Connection;
  send(message: unknown): void;
  sendText(text: string): void;
  /** All received messages, parsed, oldest first. */
  readonly received: readonly unknown[];
  close(): void;
}

/** Connects a trusted client to the router. `onMessage` gets each later message. */
export function connectMemory(
  router: Router,
  onMessage: (message: unknown) => void = () => {},
  access: Access = ADMIN,
): MemoryClient {
  const received: unknown[] = [];
  const peer: Peer = {
    transport: "memory",
    blocksWhenFull: false,
    buffered: 0,
    onDrain: () => {},
    send(text) {
      const message: unknown = JSON.parse(text);
      received.push(message);
      onMessage(message);
    },
    close: () => router.closed(connection),
  };
  const connection = router.accept(peer, access);
  return {
    connection,
    received,
    send: (message) => void router.receive(connection, JSON.stringify(message)),
    sendText: (text) => void router.receive(connection, text),
    close: () => router.closed(connection),
  };
}
