// Does: JSON Lines over standard input and output, with the parent process as one peer (docs/PROTOCOL.md#framing).
// Used by: server.ts. It waits instead of refusing at a limit, and reports the end of input and of the reader.
import { deadline } from "../../base/async/deadline.ts";
import { JsonlDecoder, type Line } from "../../protocol/jsonl.ts";
import type { Connection } from "../router/connection.ts";
import type { Router } from "../router/router.ts";
import type { Peer } from "../router/peer.ts";
import type { ByteSink, Clock, Timer } from "../../runtime/runtime.ts";
import type { Endpoint, Transport } from "./transport.ts";

export interface StdioParts {
  readonly clock: Clock;
  readonly router: Router;
  readonly frameBytes: number;
  readonly input: ReadableStream<Uint8Array>;
  readonly output: ByteSink;
  /** Whether a program still reads the output, without a write. */
  isRead(): Promise<boolean>;
  /** The input has ended. `spoken` tells whether it had a valid command. */
  ended(connection: Connection, spoken: boolean): void;
  /** No program reads the output any more. */
  broken(): void;
  /** The parent lives, but has not read for too long. */
  givenUp(): void;
}

/** Milliseconds between two checks for a reader of the output, after the end of input. */
const LOOK_MS = 2_000;

const encoder = new TextEncoder();

/** Writes queued messages in one piece, one write at a time. */
class LineWire implements Peer {
  readonly transport = "stdio";
  readonly blocksWhenFull = true;
  onDrain: () => void = () => {};
  readonly #output: ByteSink;
  readonly #broken: () => void;
  readonly #givenUp: () => void;
  #queue: string[] = [];
  #buffered = 0;
  #state: "idle" | "writing" | "broken" = "idle";

  constructor(output: ByteSink, broken: () => void, givenUp: () => void) {
    this.#output = output;
    this.#broken = broken;
    this.#givenUp = givenUp;
  }

  get buffered(): number {
    return this.#buffered;
  }

  send(text: string): void {
    if (this.#state === "broken") return;
    this.#queue.push(text);
    this.#buffered += text.length + 1;
    if (this.#state === "idle") void this.#write();
  }

  /** Called for a reader that stalls. Standard output has no close, so the owner of the transport decides. */
  close(): void {
    this.#state = "broken";
    this.#queue = [];
    this.#givenUp();
  }

  async #write(): Promise<void> {
    this.#state = "writing";
    while (this.#queue.length > 0) {
      const lines = `${this.#queue.join("\n")}\n`;
      this.#queue = [];
      try {
        await this.#output.write(encoder.encode(lines));
      } catch {
        // EPIPE: the parent is gone.
        this.#state = "broken";
        this.#queue = [];
        this.#buffered = 0;
        this.#broken();
        this.onDrain();
        return;
      }
      this.#buffered -= lines.length;
      this.onDrain();
    }
    this.#state = "idle";
  }
}

/** The reading side of stdio. */
export class StdioTransport implements Transport {
  readonly endpoints: readonly Endpoint[] = [];
  readonly #parts: StdioParts;
  readonly #connection: Connection;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #closed = false;
  #look: Timer | undefined;

  constructor(parts: StdioParts) {
    this.#parts = parts;
    const wire = new LineWire(parts.output, () => this.#broken(), () => this.#end(parts.givenUp));
    this.#connection = parts.router.accept(wire);
    this.#reader = parts.input.getReader();
    void this.#read();
  }

  /** The router refuses commands. The pipe itself stays. */
  refuse(): void {}

  async close(withinMs: number): Promise<void> {
    const { outbox } = this.#connection;
    await deadline(this.#parts.clock, withinMs, outbox.flushed(), undefined);
    this.#closed = true;
    this.#look?.clear();
    this.#parts.router.closed(this.#connection);
    // The running read ends with the process.
    void this.#reader.cancel().catch(() => {});
  }

  async #read(): Promise<void> {
    const decoder = new JsonlDecoder(this.#parts.frameBytes);
    while (true) {
      // A broken input counts as an ended input.
      const { done, value } = await this.#reader.read().catch(() => ({ done: true, value: undefined }));
      if (done || value === undefined) break;
      for (const line of decoder.push(value)) await this.#take(line);
    }
    for (const line of decoder.end()) await this.#take(line);
    if (this.#closed) return;
    const { hasSentCommand: spoken } = this.#connection;
    this.#parts.ended(this.#connection, spoken);
    if (spoken) await this.#watch();
  }

  /** A killed parent ends the input like one that has sent everything, but no program reads the output. */
  async #watch(): Promise<void> {
    while (!this.#closed) {
      if (!await this.#parts.isRead()) return this.#broken();
      if (this.#closed) return;
      await new Promise<void>((resolve) => this.#look = this.#parts.clock.after(LOOK_MS, resolve));
    }
  }

  async #take(line: Line): Promise<void> {
    const { router } = this.#parts;
    if (line.kind === "line") router.receive(this.#connection, line.text);
    else if (line.kind === "malformed") router.malformed(this.#connection);
    else router.tooLarge(this.#connection);
    await this.#connection.whenWritable();
  }

  #broken(): void {
    this.#end(() => this.#parts.broken());
  }

  #end(tell: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#look?.clear();
    this.#parts.router.closed(this.#connection);
    tell();
  }
}
