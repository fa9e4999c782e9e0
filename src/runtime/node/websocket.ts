// Does: one WebSocket peer on Node. The package `ws` reads and does the handshake, and this file writes text frames.
// Used by: node.ts.
import { Buffer } from "node:buffer";
import process from "node:process";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import { WebSocket } from "ws";
import { clock } from "../running_clock.ts";
import type { SocketHandle, Timer } from "../runtime.ts";
import {
  type Holder,
  type Unfinished,
  type Unwanted,
  WHY_UNWANTED,
} from "../websocket/unfinished_messages.ts";
import { headOf } from "../websocket/server_frames.ts";

/** Milliseconds between two checks of a socket whose peer reads slowly. */
const DRAIN_POLL_MS = 5;

/**
 * Pings in the time after which a silent peer is dropped. They are frequent enough that a peer which only stops reading
 * is closed for that (STALL_MS) long before it counts as dead.
 */
const PINGS = 4;

/** Bytes of a client's control frame before its payload (RFC 6455, 5.2). */
const CONTROL_HEAD = 6;

/** Frames and bytes that a closing socket drops before it cuts the connection, because its peer does not stop. */
const [MOST_DROPPED, MOST_DROPPED_BYTES] = [1_000, 16 * 1024 * 1024];

/** The code of a message that is too large. */
const TOO_LARGE = 1009;

/**
 * Bytes of a full read, behind which more waits. libuv reads 32 of them from each connection before anything else runs,
 * so 64 peers could leave 128 MiB before the first of them is cut.
 */
const FULL_READ_BYTES = 64 * 1024;

/** Connections that read on in one turn of the event loop. All others wait, first come first served. */
const READERS = 2;

/** The connections behind a full read. */
class Readers {
  #waiting: (() => void)[] = [];

  /** Calls `read` in a later turn. */
  wait(read: () => void): void {
    this.#waiting.push(read);
    if (this.#waiting.length === 1) setImmediate(() => this.#turn());
  }

  #turn(): void {
    const now = this.#waiting.slice(0, READERS);
    this.#waiting = this.#waiting.slice(READERS);
    if (this.#waiting.length > 0) setImmediate(() => this.#turn());
    for (const read of now) read();
  }
}

const readers = new Readers();

/** A socket that reports its close before `ws` closes it. */
export class ClosingSocket extends WebSocket {
  /** Called with the code before the close frame is sent. */
  beforeClose: (code?: number) => void = () => {};

  override close(code?: number, reason?: string | Buffer): void {
    if (this.readyState === this.OPEN) this.beforeClose(code);
    super.close(code, reason);
  }
}

/** One peer. */
export class NodeSocket implements SocketHandle, Holder {
  onText: (text: string) => void = () => {};
  onBinary: () => void = () => {};
  onTooLarge: () => void = () => {};
  onClose: () => void = () => {};
  onDrain: () => void = () => {};
  readonly #socket: ClosingSocket;
  readonly #stream: Duplex;
  #dropped = 0;
  #droppedBytes = 0;
  /** Texts of this turn of the event loop, and the bytes of their frames. */
  #texts: Outgoing[] = [];
  #bytes = 0;
  /** Pings since the last message of the peer. */
  #unanswered = 0;
  #watching = false;
  #resting = false;
  #recheck: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: ClosingSocket, stream: Duplex, peerSilentMs: number, unfinished: Unfinished) {
    this.#socket = socket;
    this.#stream = stream;
    const next = (): Timer =>
      clock.after(peerSilentMs / PINGS, () => {
        ping = next();
        // While the socket is paused, the peer's pongs cannot be seen.
        if (socket.isPaused) return;
        if (this.#unanswered >= PINGS - 1) return socket.terminate();
        this.#unanswered++;
        socket.ping();
      });
    let ping = next();
    // Runs before ws takes the bytes, so that the end of a message is seen after its growth.
    stream.prependListener("data", ({ length }: Uint8Array) => {
      if (socket.readyState === socket.OPEN) unfinished.grew(this, length);
      else this.#drop(0, length);
      if (length >= FULL_READ_BYTES) this.#rest();
    });
    socket.on("ping", ({ length }) => {
      unfinished.grew(this, -CONTROL_HEAD - length);
      if (socket.readyState !== socket.OPEN) this.#drop(1, 0);
    });
    socket.on("pong", ({ length }) => {
      unfinished.grew(this, -CONTROL_HEAD - length);
      this.#unanswered = 0;
    });
    socket.beforeClose = (code) => {
      if (code === TOO_LARGE) this.onTooLarge();
      this.#flush();
    };
    socket.on("message", (data, isBinary) => {
      unfinished.done(this);
      if (socket.readyState !== socket.OPEN) return this.#drop(1, 0);
      this.#unanswered = 0;
      if (isBinary) this.onBinary();
      else this.onText(data.toString());
    });
    // A close always follows an error.
    socket.on("error", () => {});
    socket.on("close", () => {
      ping.clear();
      unfinished.done(this);
      clearTimeout(this.#recheck);
      this.onClose();
    });
  }

  /** Reads no more of the connection until its turn comes again. */
  #rest(): void {
    if (this.#resting) return;
    this.#resting = true;
    this.#stream.pause();
    readers.wait(() => {
      this.#resting = false;
      if (!this.#socket.isPaused) this.#stream.resume();
    });
  }

  get buffered(): number {
    return this.#socket.bufferedAmount + this.#bytes;
  }

  send(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#texts.length === 0) process.nextTick(() => this.#flush());
    const length = Buffer.byteLength(text);
    this.#texts.push({ text, length });
    this.#bytes += headOf(length) + length;
  }

  /**
   * Writes all texts of one turn as one piece. ws alone makes two writes and three objects for each message.
   */
  #flush(): void {
    if (this.#texts.length === 0) return;
    const [texts, bytes] = [this.#texts, this.#bytes];
    this.#texts = [];
    this.#bytes = 0;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const frames = textFrames(texts, bytes);
    // One callback for everything until it comes, because a callback costs more than a send.
    if (this.#watching) return void this.#stream.write(frames);
    this.#watching = true;
    this.#stream.write(frames, () => this.#taken());
  }

  #taken(): void {
    this.#watching = false;
    this.onDrain();
    if (this.#watching || this.#socket.bufferedAmount === 0) return;
    this.#watching = true;
    this.#recheck = setTimeout(() => this.#taken(), DRAIN_POLL_MS);
  }

  pause(): boolean {
    this.#socket.pause();
    return true;
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    // The peer's answer must be read.
    this.#socket.resume();
    this.#socket.close(code, reason);
  }

  /** Something has come after the close frame. */
  #drop(frames: number, bytes: number): void {
    this.#dropped += frames;
    this.#droppedBytes += bytes;
    if (this.#dropped >= MOST_DROPPED || this.#droppedBytes > MOST_DROPPED_BYTES) this.#socket.terminate();
  }

  giveUp(why: Unwanted): void {
    this.#socket.close(...WHY_UNWANTED[why]);
    // Its memory is needed now.
    setImmediate(() => this.#socket.terminate());
  }
}

/** A text that waits, with its length in UTF-8. */
interface Outgoing {
  readonly text: string;
  readonly length: number;
}

/** Whole text frames in a row. */
function textFrames(texts: readonly Outgoing[], bytes: number): Uint8Array {
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { text, length } of texts) {
    const head = headOf(length);
    frames[at] = 0x81;
    frames[at + 1] = head === 2 ? length : head === 4 ? 126 : 127;
    if (head === 4) frames.writeUInt16BE(length, at + 2);
    if (head === 10) frames.writeBigUInt64BE(BigInt(length), at + 2);
    frames.write(text, at + head);
    at += head + length;
  }
  return frames;
}
