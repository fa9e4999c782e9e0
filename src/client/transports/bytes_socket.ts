// Does: a WebSocket to this machine that hands texts over as bytes, for programs that pass them on.
// Used by: mod.ts, on Deno and on Node, whose own classes make a string or a buffer of each message.
// Invariant: the bytes of a message are valid until `onmessage` returns, because the next read overwrites them.
import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const [CONTINUATION, TEXT, CLOSE, PING, PONG] = [0x0, 0x1, 0x8, 0x9, 0xa];
/** The bit of the last frame of a message, and the bit of a mask, which every frame of a client has. */
const [LAST, MASKED] = [0x80, 0x80];
const MASK_BYTES = 4;

/** The usual bytes of the buffer. Only a longer message makes it larger. */
const BUFFER_BYTES = 256 * 1024;
/** The free bytes that each read finds at least. */
const READ_BYTES = 64 * 1024;
/** The most bytes of one frame or message, far above what the server sends. */
const MESSAGE_BYTES = 512 * 1024 * 1024;

/** Milliseconds that the server gets to answer a close frame. */
const CLOSE_MS = 2000;

/** The code of a connection that ended without a close frame. */
const NO_CLOSE = 1006;

/** What RFC 6455 appends to the key of a handshake. */
const HANDSHAKE_ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** One connection, with the parts of the platforms' class that the client uses. */
export class BytesSocket {
  onopen: (() => void) | undefined;
  onclose: ((event: { code: number; reason: string }) => void) | undefined;
  onerror: ((event: { message: string }) => void) | undefined;
  onmessage: ((event: { data: Uint8Array }) => void) | undefined;
  readonly #tcp: Socket;
  readonly #key: string = randomBytes(16).toString("base64");
  #phase: "opening" | "open" | "closing" = "opening";
  #farewell = { code: NO_CLOSE, reason: "" };
  #buffer = new Uint8Array(BUFFER_BYTES);
  /** Where the unread bytes begin and end. */
  #from = 0;
  #to = 0;
  /** The bytes of the frame that is not whole yet, as far as its head is there. */
  #awaited = 0;
  /** The beginning of a message in several frames. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;

  constructor(url: string, protocols: string[]) {
    const { hostname, port, host, pathname, search } = new URL(url);
    this.#tcp = connect({
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port || 80),
      noDelay: true,
      // One buffer for all reads: memory for each of them would cost more than the read.
      onread: {
        buffer: () => this.#buffer.subarray(this.#to),
        callback: (bytes) => {
          this.#read(bytes);
          return true;
        },
      },
    });
    this.#tcp.on("error", ({ message }) => this.onerror?.({ message }));
    this.#tcp.on("close", () => this.onclose?.(this.#farewell));
    this.#tcp.write([
      `GET ${pathname}${search} HTTP/1.1`,
      `Host: ${host}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${this.#key}`,
      `Sec-WebSocket-Protocol: ${protocols.join(", ")}`,
      "\r\n",
    ].join("\r\n"));
  }

  send(text: string): void {
    if (this.#phase === "open") this.#send(TEXT, encoder.encode(text));
  }

  close(code = 1000, reason = ""): void {
    if (this.#phase === "closing") return;
    if (this.#phase === "open") this.#send(CLOSE, [code >> 8, code & 0xff, ...encoder.encode(reason)]);
    else this.#tcp.destroy();
    this.#phase = "closing";
    const timer = setTimeout(() => this.#tcp.destroy(), CLOSE_MS);
    this.#tcp.on("close", () => clearTimeout(timer));
  }

  #read(bytes: number): void {
    this.#to += bytes;
    if (this.#phase === "opening") this.#handshake();
    if (this.#phase !== "opening") { while (this.#frame()); }
    // The rest moves to the front, or to a buffer that has room for the whole frame.
    const wanted = Math.max(BUFFER_BYTES, this.#awaited + READ_BYTES);
    const rest = this.#buffer.subarray(this.#from, this.#to);
    if (this.#buffer.length !== wanted) this.#buffer = new Uint8Array(wanted);
    this.#buffer.set(rest);
    this.#to = rest.length;
    this.#from = 0;
  }

  #handshake(): void {
    const text = utf8.decode(this.#buffer.subarray(0, this.#to));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0 && text.length < READ_BYTES) return;
    const [status = "", ...headers] = text.slice(0, Math.max(end, 0)).split("\r\n");
    const accepted = createHash("sha1").update(this.#key + HANDSHAKE_ID).digest("base64");
    const answer = headers.find((header) => /^sec-websocket-accept:/i.test(header));
    if (!/^HTTP\/1\.1 101\b/.test(status) || answer?.split(":")[1]?.trim() !== accepted) {
      return this.#fail(`the server answered ${status || "no HTTP"}`);
    }
    this.#phase = "open";
    // A head is ASCII.
    this.#from = end + 4;
    this.onopen?.();
  }

  /** Takes one frame. False when it is not whole. */
  #frame(): boolean {
    const [buffer, start] = [this.#buffer, this.#from];
    const there = this.#to - start;
    this.#awaited = 0;
    const [first = 0, second = 0] = [buffer[start], buffer[start + 1]];
    const head = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (there < head || this.#tcp.destroyed) return false;
    const view = new DataView(buffer.buffer, start, head);
    const length = head === 2 ? second : head === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
    if (second >= MASKED || length + this.#partBytes > MESSAGE_BYTES) {
      this.#fail("the server sent a frame that is masked or too long");
      return false;
    }
    if (there < head + length) {
      this.#awaited = head + length;
      return false;
    }
    this.#from = start + head + length;
    this.#take(first & 0xf, (first & LAST) !== 0, buffer.subarray(start + head, this.#from));
    return true;
  }

  #take(opcode: number, last: boolean, payload: Uint8Array): void {
    if (opcode === PING) this.#send(PONG, payload);
    else if (opcode === CLOSE) this.#parted(payload);
    else if (opcode === TEXT && last) this.onmessage?.({ data: payload });
    else if (opcode === TEXT || opcode === CONTINUATION) this.#part(last, payload);
  }

  #part(last: boolean, payload: Uint8Array): void {
    this.#parts.push(payload.slice());
    this.#partBytes += payload.length;
    if (!last) return;
    const data = new Uint8Array(this.#partBytes);
    let at = 0;
    for (const part of this.#parts) {
      data.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#partBytes = 0;
    this.onmessage?.({ data });
  }

  #parted(payload: Uint8Array): void {
    const [high = NO_CLOSE >> 8, low = NO_CLOSE & 0xff] = payload;
    this.#farewell = { code: high << 8 | low, reason: utf8.decode(payload.subarray(2)) };
    if (this.#phase === "open") this.close(this.#farewell.code === NO_CLOSE ? 1000 : this.#farewell.code);
    this.#tcp.end();
  }

  #fail(message: string): void {
    this.onerror?.({ message });
    this.#tcp.destroy();
  }

  #send(opcode: number, payload: ArrayLike<number>): void {
    const { length } = payload;
    const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const frame = new Uint8Array(head + MASK_BYTES + length);
    const view = new DataView(frame.buffer);
    view.setUint8(0, LAST | opcode);
    view.setUint8(1, MASKED | (head === 2 ? length : head === 4 ? 126 : 127));
    if (head === 4) view.setUint16(2, length);
    if (head === 10) view.setBigUint64(2, BigInt(length));
    const mask = randomBytes(MASK_BYTES);
    frame.set(mask, head);
    for (let index = 0; index < length; index++) {
      frame[head + MASK_BYTES + index] = (payload[index] ?? 0) ^ (mask[index % MASK_BYTES] ?? 0);
    }
    this.#tcp.write(frame);
  }
}
