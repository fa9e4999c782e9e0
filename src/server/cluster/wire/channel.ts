// Does: one virtual connection between two nodes: whole texts in order, numbered and acknowledged in each direction.
// Used by: channels.ts. Pure: it knows neither NATS nor the protocol of the clients.
// Invariant: a frame that is lost ends the virtual connection. No text is ever skipped or delivered twice.
import type { Clock, Timer } from "../../../runtime/runtime.ts";

export interface ChannelParts {
  readonly clock: Clock;
  /** Calls a function in the next turn of the event loop. */
  readonly soon: (fn: () => void) => void;
  /** The most bytes of one frame. A longer text crosses in parts. */
  readonly frameBytes: number;
  /** Sends a frame. Frames arrive in order, or not at all. */
  readonly transmit: (frame: Uint8Array) => void;
}

/** The ends of a virtual connection that its owner sets. */
export interface ChannelEvents {
  /** A text has arrived. `taken` must be called once for each, in order. */
  onText(text: string): void;
  /** `buffered` has fallen. */
  onDrain(): void;
  /** It is over. A code comes from the other end; without one a frame or the other end was lost. Called once. */
  onEnd(reason: string, code?: number): void;
}

/** Bytes that are taken before an acknowledgement goes at once, and milliseconds that a smaller one may wait. */
const [ACK_BYTES, ACK_MS] = [16 * 1024, 25];

/** Milliseconds between two questions whether what was sent has arrived, and how many may stay unanswered. */
const [PROBE_MS, PROBES] = [1_000, 5];

/** Milliseconds of silence after which the other end of a virtual connection counts as lost. */
export const LOST_MS: number = (PROBES + 1) * PROBE_MS;

/** Characters of short texts that one frame takes: those of one moment cross together. */
const BATCH_CHARS = 16 * 1024;

/** Characters of a frame before its text, at most. */
const HEAD_CHARS = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const NEWLINE = 10;

/** One frame, read. `kind`: m texts in lines, d whole text or its last part, p part, a acknowledgement, q question, x end. */
interface Frame {
  readonly kind: string;
  readonly first: number;
  readonly second: number;
  readonly body: Uint8Array;
}

function parse(bytes: Uint8Array): Frame | undefined {
  const end = bytes.indexOf(NEWLINE);
  if (end < 1 || end > HEAD_CHARS) return undefined;
  const [kind = "", first = "", second = ""] = decoder.decode(bytes.subarray(0, end)).split(" ");
  return { kind, first: Number(first), second: Number(second), body: bytes.subarray(end + 1) };
}

/** The frame that ends a virtual connection. */
export function endFrame(code: number, reason: string): Uint8Array {
  return encoder.encode(`x ${code} 0\n${reason}`);
}

/** Whether a frame ends a virtual connection. */
export function isEndFrame(bytes: Uint8Array): boolean {
  return bytes[0] === "x".charCodeAt(0);
}

/** One end of a virtual connection. */
export class Channel {
  readonly #parts: ChannelParts;
  #events: ChannelEvents;
  #open = true;
  /** The number of the last frame that was sent, and of the last one that the other end has taken. */
  #sent = 0;
  /** Frames that the other end has not taken: their numbers and bytes. */
  #unacked: { readonly seq: number; readonly bytes: number }[] = [];
  #buffered = 0;
  /** The number of the last frame that has arrived. */
  #received = 0;
  /** The last frame of each text that was delivered and not taken. */
  #untaken: { readonly seq: number; readonly bytes: number }[] = [];
  #taken = 0;
  #takenBytes = 0;
  #pieces: Uint8Array[] = [];
  #ack: Timer | undefined;
  #ackSoon = false;
  #probe: Timer | undefined;
  #unanswered = 0;
  /** Texts of this moment. */
  #batch: string[] = [];
  #batchChars = 0;
  readonly #batchLimit: number;

  constructor(parts: ChannelParts, events: ChannelEvents) {
    this.#parts = parts;
    // A unit of UTF-16 has three bytes at most, and the last text may double a batch.
    this.#batchLimit = Math.min(BATCH_CHARS, Math.floor((parts.frameBytes - HEAD_CHARS) / 6));
    this.#events = events;
  }

  /** Sets the owner of an end that was made before it had one. */
  set events(events: ChannelEvents) {
    this.#events = events;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Bytes that were sent and not taken by the other end. */
  get buffered(): number {
    return this.#buffered + this.#batchChars;
  }

  /** Sends a text. */
  send(text: string): void {
    if (!this.#open) return;
    // Only a client may write line ends between its fields.
    if (text.length < this.#batchLimit && !text.includes("\n")) {
      if (this.#batch.length === 0) queueMicrotask(() => this.#flush());
      this.#batch.push(text);
      this.#batchChars += text.length;
      if (this.#batchChars >= this.#batchLimit) this.#flush();
      return;
    }
    this.#flush();
    this.#sendAlone(text);
  }

  /** Sends the texts of this moment in one frame. */
  #flush(): void {
    const texts = this.#batch;
    if (texts.length === 0) return;
    this.#batch = [];
    this.#batchChars = 0;
    if (!this.#open) return;
    const [only = ""] = texts;
    if (texts.length === 1) return this.#sendAlone(only);
    const { head, seq } = this.#head("m");
    this.#transmit(encoder.encode(head + texts.join("\n")), seq);
    this.#watch();
  }

  #sendAlone(text: string): void {
    const { frameBytes } = this.#parts;
    // A unit of UTF-16 has three bytes at most.
    if (text.length * 3 + HEAD_CHARS <= frameBytes) {
      const { head, seq } = this.#head("d");
      const frame = encoder.encode(head + text);
      this.#transmit(frame, seq);
    } else {
      const bytes = encoder.encode(text);
      const most = frameBytes - HEAD_CHARS;
      for (let at = 0; at < bytes.length; at += most) {
        const last = at + most >= bytes.length;
        const { head, seq } = this.#head(last ? "d" : "p");
        const start = encoder.encode(head);
        const piece = bytes.subarray(at, at + most);
        const frame = new Uint8Array(start.length + piece.length);
        frame.set(start);
        frame.set(piece, start.length);
        this.#transmit(frame, seq);
      }
    }
    this.#watch();
  }

  /** The oldest delivered text was taken. */
  taken(): void {
    const oldest = this.#untaken.shift();
    if (oldest === undefined || !this.#open) return;
    this.#taken = oldest.seq;
    this.#takenBytes += oldest.bytes;
    if (this.#takenBytes >= ACK_BYTES) {
      if (this.#ackSoon) return;
      this.#ackSoon = true;
      this.#parts.soon(() => this.#sendAck());
    } else this.#ack ??= this.#parts.clock.after(ACK_MS, () => this.#sendAck());
  }

  /** Takes a frame from the other end. */
  receive(bytes: Uint8Array): void {
    if (!this.#open) return;
    const frame = parse(bytes);
    if (frame === undefined) return this.#lost("a frame was not readable");
    this.#unanswered = 0;
    const { kind, first, second, body } = frame;
    if (kind === "d" || kind === "p" || kind === "m") {
      if (first !== this.#received + 1) return this.#lost("a frame was lost");
      this.#received = first;
      this.#acknowledged(second);
      this.#deliver(kind, first, body);
    } else if (kind === "a") this.#acknowledged(first);
    else if (kind === "q") {
      this.#acknowledged(second);
      if (first !== this.#received) return this.#lost("a frame was lost");
      this.#sendAck();
    } else if (kind === "x") this.#end(decoder.decode(body), first);
  }

  /** Asks the other end whether all that was sent has arrived. */
  ask(): void {
    this.#flush();
    if (this.#open) this.#parts.transmit(encoder.encode(`q ${this.#sent} ${this.#taken}\n`));
  }

  /** Ends it, and tells the other end. */
  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#flush();
    this.#parts.transmit(endFrame(code, reason));
    this.#shut();
  }

  /** The other end is gone, or has said that it does not know this one. */
  lose(reason: string): void {
    this.#lost(reason);
  }

  #head(kind: "d" | "p" | "m"): { head: string; seq: number } {
    const seq = ++this.#sent;
    return { head: `${kind} ${seq} ${this.#taken}\n`, seq };
  }

  #transmit(frame: Uint8Array, seq: number): void {
    this.#takenBytes = 0;
    this.#unacked.push({ seq, bytes: frame.length });
    this.#buffered += frame.length;
    this.#parts.transmit(frame);
  }

  #deliver(kind: string, seq: number, body: Uint8Array): void {
    if (kind === "m") {
      const texts = decoder.decode(body).split("\n");
      // The frame is taken with its last text.
      for (const [index] of texts.entries()) {
        const last = index === texts.length - 1;
        this.#untaken.push({ seq: last ? seq : seq - 1, bytes: last ? body.length : 0 });
      }
      for (const text of texts) this.#events.onText(text);
      return;
    }
    this.#pieces.push(body);
    if (kind === "p") return;
    const [only = body] = this.#pieces;
    const whole = this.#pieces.length === 1 ? only : joined(this.#pieces);
    this.#pieces = [];
    this.#untaken.push({ seq, bytes: whole.length });
    this.#events.onText(decoder.decode(whole));
  }

  #acknowledged(seq: number): void {
    let fell = false;
    while ((this.#unacked[0]?.seq ?? Infinity) <= seq) {
      this.#buffered -= this.#unacked.shift()?.bytes ?? 0;
      fell = true;
    }
    if (fell) this.#events.onDrain();
  }

  #sendAck(): void {
    this.#ack?.clear();
    this.#ack = undefined;
    this.#ackSoon = false;
    this.#takenBytes = 0;
    if (!this.#open) return;
    this.#parts.transmit(encoder.encode(`a ${this.#taken}\n`));
  }

  /** While something is not acknowledged, the other end is asked: a slow one answers, a lost one does not. */
  #watch(): void {
    this.#probe ??= this.#parts.clock.after(PROBE_MS, () => {
      this.#probe = undefined;
      if (!this.#open || this.#unacked.length === 0) return;
      if (this.#unanswered >= PROBES) return this.#lost("the other node does not answer");
      this.#unanswered++;
      this.ask();
      this.#watch();
    });
  }

  #lost(reason: string): void {
    if (!this.#open) return;
    this.#parts.transmit(endFrame(0, reason));
    this.#shut();
    this.#events.onEnd(reason);
  }

  #end(reason: string, code: number): void {
    this.#shut();
    if (code === 0) this.#events.onEnd(reason);
    else this.#events.onEnd(reason, code);
  }

  #shut(): void {
    this.#open = false;
    this.#ack?.clear();
    this.#probe?.clear();
    this.#unacked = [];
    this.#untaken = [];
    this.#pieces = [];
    this.#buffered = 0;
    this.#batch = [];
    this.#batchChars = 0;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
