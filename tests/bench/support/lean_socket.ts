// A WebSocket client that costs little, so that a benchmark measures the server: frames are cut out of the read
// buffer and handed over as bytes, decoded only on request. Can stop reading, as a stalled peer does.

import { frame, writeAll } from "../../support/network/client_frame.ts";

const READ_BYTES = 256 * 1024;
const HANDSHAKE_BYTES = 16 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One connection. */
export class LeanSocket {
  readonly #conn: Deno.TcpConn;
  /** Takes the payload of each text message; the bytes are only valid during the call. */
  onText: (payload: Uint8Array) => void = () => {};
  /** Called after the messages of one read have been handed over. */
  onBatch: () => void = () => {};
  /** Payload bytes of text messages so far. */
  bytes = 0;
  /** Text messages so far. */
  messages = 0;
  /** The close code, once the peer has closed; 0 when it just went away. */
  closeCode: number | undefined;
  /** Resolves when the connection is over. */
  readonly closed: Promise<number>;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(READ_BYTES);
  #filled = 0;
  #resume: (() => void) | undefined;
  #paused: Promise<void> | undefined;
  #unsent: Uint8Array[] = [];
  #writing = false;

  private constructor(conn: Deno.TcpConn, rest: Uint8Array) {
    this.#conn = conn;
    this.#buffer.set(rest);
    this.#filled = rest.length;
    const ended = Promise.withResolvers<number>();
    this.closed = ended.promise;
    // In a turn of its own, because the caller sets `onText` first.
    setTimeout(() => {
      this.#read().catch(() => {}).finally(() => {
        this.closeCode ??= 0;
        ended.resolve(this.closeCode);
        this.close();
      });
    }, 0);
  }

  /** Connects and shakes hands. */
  static async connect(url: string, token?: string): Promise<LeanSocket> {
    const { hostname, port, host } = new URL(url);
    const conn = await Deno.connect({ hostname, port: Number(port) });
    conn.setNoDelay(true);
    const head = [
      "GET / HTTP/1.1",
      `Host: ${host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
      "",
      "",
    ].join("\r\n");
    await writeAll(conn, encoder.encode(head));
    const buffer = new Uint8Array(HANDSHAKE_BYTES);
    for (let filled = 0;;) {
      const count = await conn.read(buffer.subarray(filled));
      if (count === null) throw new Error(`${url} hung up during the handshake`);
      filled += count;
      const text = decoder.decode(buffer.subarray(0, filled));
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      if (!text.startsWith("HTTP/1.1 101")) throw new Error(`${url} answered ${text.slice(0, 300)}`);
      // The head is ASCII, so characters are bytes.
      return new LeanSocket(conn, buffer.slice(end + 4, filled));
    }
  }

  /** Sends text messages, in one write where possible. */
  send(...texts: string[]): void {
    for (const text of texts) this.#unsent.push(frame(0x1, encoder.encode(text)));
    if (!this.#writing) void this.#write();
  }

  /** Stops reading, but for a read that is under way. */
  pause(): void {
    this.#paused ??= new Promise((resolve) => this.#resume = resolve);
  }

  /** Reads on. */
  resume(): void {
    this.#resume?.();
    this.#resume = undefined;
    this.#paused = undefined;
  }

  /** Drops the connection. */
  close(): void {
    this.resume();
    try {
      this.#conn.close();
    } catch {
      // Closed already.
    }
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#unsent.length > 0) await writeAll(this.#conn, joined(this.#unsent.splice(0)));
    } catch {
      // The reader reports a lost connection.
    } finally {
      this.#writing = false;
    }
  }

  async #read(): Promise<void> {
    this.#take();
    while (this.closeCode === undefined) {
      if (this.#paused !== undefined) await this.#paused;
      if (this.#filled === this.#buffer.length) this.#grow();
      const count = await this.#conn.read(this.#buffer.subarray(this.#filled));
      if (count === null) return;
      this.#filled += count;
      this.#take();
    }
  }

  #grow(): void {
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }

  /** Hands over every whole frame and moves the rest to the front. */
  #take(): void {
    const buffer = this.#buffer;
    let at = 0;
    while (this.#filled - at >= 2) {
      const first = buffer[at] ?? 0;
      let length = (buffer[at + 1] ?? 0) & 0x7f;
      let head = 2;
      if (length === 126) {
        if (this.#filled - at < 4) break;
        length = ((buffer[at + 2] ?? 0) << 8) | (buffer[at + 3] ?? 0);
        head = 4;
      } else if (length === 127) {
        if (this.#filled - at < 10) break;
        length = Number(new DataView(buffer.buffer).getBigUint64(at + 2));
        head = 10;
      }
      if (this.#filled - at < head + length) break;
      this.#frame(first, buffer.subarray(at + head, at + head + length));
      at += head + length;
    }
    if (at > 0) buffer.copyWithin(0, at, this.#filled);
    this.#filled -= at;
    this.onBatch();
  }

  #frame(first: number, payload: Uint8Array): void {
    switch (first) {
      case 0x81:
        this.messages++;
        this.bytes += payload.length;
        return this.onText(payload);
      case 0x88:
        this.closeCode = payload.length >= 2 ? ((payload[0] ?? 0) << 8) | (payload[1] ?? 0) : 1005;
        return;
      case 0x89:
        this.#unsent.push(frame(0xa, payload));
        if (!this.#writing) void this.#write();
        return;
      case 0x8a:
        return;
      default:
        throw new Error(`a frame that starts with 0x${first.toString(16)} is not expected here`);
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
