// What a transport gives the router: one peer's pipe for whole messages. Types only.

/** How a socket is closed: the code and what it is told. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** One peer. */
export interface Peer {
  readonly transport: "websocket" | "stdio" | "memory";
  /**
   * Whether a full queue makes the peer wait instead of being refused (stdio): the transport then stops
   * reading until `Connection.room` resolves.
   */
  readonly blocksWhenFull: boolean;
  send(text: string): void;
  /** Bytes handed over that the peer has not taken yet. */
  readonly buffered: number;
  /** Set by the router: called when `buffered` has fallen. */
  onDrain: () => void;
  close(code: number, reason: string): void;
}
