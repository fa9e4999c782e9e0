// What a transport is: something that brings peers to the router until it is closed. Types only.

/** Where clients can reach a transport. */
export interface Endpoint {
  readonly transport: "websocket" | "stdio";
  readonly url: string;
}

/** A way for peers to come in. */
export interface Transport {
  readonly endpoints: readonly Endpoint[];
  /** From now on nobody new is let in. */
  refuse(): void;
  /** Says goodbye to every peer once its output is out, within `withinMs`, and lets go of everything. */
  close(withinMs: number): Promise<void>;
}
