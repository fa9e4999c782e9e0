// Does: keeps one link to the server alive: dials, waits for the greeting, pings, and dials again with growing pauses.
// Used by: client.ts. Invariant: it dials again until it is closed or has tried for too long.
import { tryParseRecord } from "../base/json.ts";
import type { Greeting } from "../protocol/generated/mod.ts";
import { deferred } from "../base/async/deferred.ts";
import { ConnectionLostError, TokenRefusedError } from "./errors.ts";
import type { Dial, Link } from "./transports/link.ts";

const utf8 = new TextDecoder();

/** A message from the server, parsed. */
export type Message = Readonly<Record<string, unknown>>;

/** Timeouts of a connection, in milliseconds. */
export interface ConnectionTimeouts {
  /** For the connection to open and greet. */
  readonly connectMs: number;
  /** For a lost server to return. 0 means no wait, `Infinity` no limit. */
  readonly reconnectMs: number;
  /** Silence before a ping. 0 means never. */
  readonly heartbeatMs: number;
}

/** The receiver of a connection's reports. */
export interface ConnectionListener {
  /** A link is open and has greeted. */
  opened(greeting: Greeting): void;
  /** The text of a message, or its bytes. When it returns true, nothing else is done with the message. */
  text(text: string | Uint8Array): boolean;
  /** A message, with the length of its text. */
  message(message: Message, bytes: number): void;
  /** The link is gone, and is dialled again. */
  lost(reason: string): void;
  /** The connection is over for good. */
  ended(error: Error): void;
}

const FIRST_PAUSE_MS = 25;
/** Milliseconds in which the server must answer the ping of `hurry`. */
const HURRY_MS = 3000;
const LONGEST_PAUSE_MS = 5000;

/** A link that is dialled again after a loss. */
export class Connection {
  readonly #dial: Dial;
  readonly #timeouts: ConnectionTimeouts;
  readonly #listener: ConnectionListener;
  readonly #stop = new AbortController();
  #state: "dialling" | "open" | "ended" = "dialling";
  #link: Link | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #heard = true;
  /** Ends the pause before the next dial. */
  #wake: (() => void) | undefined;

  constructor(dial: Dial, timeouts: ConnectionTimeouts, listener: ConnectionListener) {
    this.#dial = dial;
    this.#timeouts = timeouts;
    this.#listener = listener;
  }

  /** Whether messages can be sent now. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** Dials for the first time. Rejects when that fails. */
  async start(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  send(text: string): void {
    if (this.#state === "open") this.#link?.send(text);
  }

  /** Dials now instead of after the pause. Pings a link that looks open. */
  hurry(): void {
    this.#wake?.();
    const link = this.#link;
    if (this.#state !== "open" || link === undefined) return;
    this.#heard = false;
    link.send('{"type":"ping"}');
    setTimeout(() => {
      if (this.#heard || this.#link !== link) return;
      void link.close();
      this.#drop(link, "the server has not answered a ping");
    }, HURRY_MS);
  }

  /** Closes the connection. Resolves when the link is gone. */
  async close(): Promise<void> {
    const link = this.#link;
    this.#end(new ConnectionLostError("the client was closed"));
    await link?.close();
  }

  /** Gives up a dead link. */
  #drop(link: Link, reason: string): void {
    if (this.#link !== link || this.#state !== "open") return;
    this.#link = undefined;
    this.#state = "dialling";
    clearInterval(this.#heartbeat);
    // The listener may have sent something on it, so it learns of the loss before the next dial.
    this.#listener.lost(reason);
    void this.#again(reason);
  }

  #end(error: Error): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#link = undefined;
    clearInterval(this.#heartbeat);
    this.#stop.abort(error);
    this.#listener.ended(error);
  }

  /** Opens one link, up to its greeting. */
  async #connect(): Promise<void> {
    const greeted = deferred<Greeting>();
    // No caller may be waiting when it fails.
    greeted.promise.catch(() => {});
    let link: Link | undefined;
    const timeout = new AbortController();
    const late = new Error(`the server did not greet within ${this.#timeouts.connectMs} ms`);
    const timer = setTimeout(() => timeout.abort(late), this.#timeouts.connectMs);
    const signal = AbortSignal.any([this.#stop.signal, timeout.signal]);
    const abort = (): void => greeted.reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      link = await this.#dial({
        message: (text) => {
          if (link !== undefined && this.#link === link && this.#listener.text(text)) {
            this.#heard = true;
            return;
          }
          const message = tryParseRecord(typeof text === "string" ? text : utf8.decode(text));
          if (message === undefined) return;
          if (link !== undefined && this.#link === link) return this.#receive(message, text.length);
          // The greeting is the first message, and may arrive before the dial has resolved.
          if (message["type"] === "server_ready") greeted.resolve(message as unknown as Greeting);
        },
        closed: (reason) => {
          greeted.reject(new ConnectionLostError(reason));
          if (link !== undefined) this.#drop(link, reason);
        },
      }, signal);
      const greeting = await greeted.promise;
      signal.throwIfAborted();
      this.#opened(link, greeting);
    } catch (error) {
      void link?.close();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  #opened(link: Link, greeting: Greeting): void {
    this.#link = link;
    this.#state = "open";
    this.#heard = true;
    if (this.#timeouts.heartbeatMs > 0) {
      this.#heartbeat = setInterval(() => this.#beat(link), this.#timeouts.heartbeatMs);
    }
    this.#listener.opened(greeting);
  }

  #receive(message: Message, bytes: number): void {
    this.#heard = true;
    this.#listener.message(message, bytes);
  }

  #beat(link: Link): void {
    if (this.#heard) {
      this.#heard = false;
      link.send('{"type":"ping"}');
      return;
    }
    void link.close();
    this.#drop(link, "the server has not answered a ping");
  }

  async #again(reason: string): Promise<void> {
    const until = performance.now() + this.#timeouts.reconnectMs;
    for (
      let pause = FIRST_PAUSE_MS;
      this.#state === "dialling";
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    ) {
      if (performance.now() >= until) return this.#end(new ConnectionLostError(reason));
      // A random pause, so that many clients do not return at the same moment.
      await this.#rest(pause * (0.5 + Math.random() / 2));
      try {
        return await this.#connect();
      } catch (error) {
        // A retry with the same token would fail too.
        if (error instanceof TokenRefusedError) return this.#end(error);
        // Another round, or the end. The reason of the first loss counts.
      }
    }
  }

  #rest(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = done;
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
    });
  }
}
