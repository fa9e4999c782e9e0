// Does: describes a transport, which brings peers to the router until it is closed. Types only.
// Used by: server.ts and the transports.

/** Where clients can reach a transport. */
export interface Endpoint {
  readonly transport: "websocket" | "stdio";
  readonly url: string;
}

/** A source of peers. */
export interface Transport {
  readonly endpoints: readonly Endpoint[];
  /** Admits no further peer. */
  refuse(): void;
  /** Closes every peer when its output is out, within `withinMs`, and releases everything. */
  close(withinMs: number): Promise<void>;
}
