// What a client needs of a transport: whole text messages both ways, and word of its end. websocket.ts and child_process.ts
// make such links; connection.ts keeps one alive.

/** One connection to a server, open. */
export interface Link {
  /** Sends one JSON object. */
  send(text: string): void;
  /** Ends it; resolves when it is gone. */
  close(): Promise<void>;
}

/** Whom a link tells. */
export interface LinkListener {
  /** A message came. */
  message(text: string): void;
  /** It is over; called once, also after `close`. */
  closed(reason: string): void;
}

/** Opens a link; rejects when there is none to be had, or the signal aborts. */
export type Dial = (listener: LinkListener, signal: AbortSignal) => Promise<Link>;
