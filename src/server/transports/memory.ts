// A transport inside one process, for tests and for embedding: the client's end is a pair of functions.
import { type Access, ADMIN } from "../auth/access.ts";
import type { Connection } from "../router/connection.ts";
import type { Router } from "../router/router.ts";
import type { Peer } from "../router/peer.ts";

/** The client's end. */
export interface MemoryClient {
  readonly connection: Connection;
  send(message: unknown): void;
  sendText(text: string): void;
  /** Everything that has come, parsed, oldest first. */
  readonly received: readonly unknown[];
  close(): void;
}

/** Connects a client to the router; `onMessage` is called for each message from now on. A trusted peer. */
export function connectMemory(
  router: Router,
  onMessage: (message: unknown) => void = () => {},
  access: Access = ADMIN,
): MemoryClient {
  const received: unknown[] = [];
  const wire: Peer = {
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
  const connection = router.accept(wire, access);
  return {
    connection,
    received,
    send: (message) => void router.receive(connection, JSON.stringify(message)),
    sendText: (text) => void router.receive(connection, text),
    close: () => router.closed(connection),
  };
}
