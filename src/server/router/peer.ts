// Does: describes one peer of a transport, a pipe for whole messages. Types only.
// Used by: the router and the transports.

/** How a socket is closed: the code and the reason. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** One peer. */
export interface Peer {
  readonly transport: "websocket" | "stdio" | "memory" | "node";
  /**
   * Whether a full queue makes the peer wait instead of a refusal (stdio). The transport then stops reading until
   * `Connection.whenWritable` resolves.
   */
  readonly blocksWhenFull: boolean;
  /** Whether it is one HTTP request at another node, whose commands count as one. */
  readonly isOneRequest?: boolean;
  send(text: string): void;
  /** Sent bytes that the peer has not taken yet. */
  readonly buffered: number;
  /** Set by the router. Called when `buffered` has fallen. */
  onDrain: () => void;
  close(code: number, reason: string): void;
}
