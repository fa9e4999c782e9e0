// Does: describes a transport for the client: whole text messages both ways, and a report of the end. Types only.
// Used by: connection.ts. websocket.ts and child_process.ts implement it.

/** One connection to a server, open. */
export interface Link {
  /** Sends one JSON object. */
  send(text: string): void;
  /** Ends the link. Resolves when it is gone. */
  close(): Promise<void>;
}

/** The receiver of a link's reports. */
export interface LinkListener {
  /** A message has arrived; as bytes in UTF-8, valid until it returns, where the program passes messages on. */
  message(text: string | Uint8Array): void;
  /** The link is gone. Called once, also after `close`. */
  closed(reason: string): void;
}

/** Opens a link. Rejects when that fails, or the signal aborts. */
export type Dial = (listener: LinkListener, signal: AbortSignal) => Promise<Link>;
