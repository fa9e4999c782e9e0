// Does: a WebSocket to this machine that hands texts over as bytes, for programs that pass them on.
// Used by: mod.ts, on Deno and on Node, whose own classes make a string or a buffer of each message.
// Invariant: the bytes of a message are valid until `onmessage` returns, because the next read overwrites them.
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";

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

/** What the socket needs of a connection. */
interface Tcp {
  write(bytes: Uint8Array): void;
  /** Closes once everything is written. */
  end(): void;
  destroy(): void;
}

/** The receiver of its reports. */
interface TcpListener {
  /** Where the next read puts its bytes. */
  room(): Uint8Array<ArrayBuffer>;
  read(bytes: number): void;
  /** Called once. */
  closed(error?: Error): void;
}

function nodeTcp(host: string, port: number, { room, read, closed }: TcpListener): Tcp {
  let error: Error | undefined;
  const callback = (bytes: number): boolean => {
    read(bytes);
    return true;
  };
  // One buffer for all reads: memory for each of them would cost more than the read.
  const socket = connect({ host, port, noDelay: true, onread: { buffer: room, callback } });
  socket.on("error", (reason) => error = reason);
  socket.on("close", () => closed(error));
  return socket;
}

/** The same on Deno. Its version of `node:net` cannot always read into a given buffer. */
function denoTcp(hostname: string, port: number, { room, read, closed }: TcpListener): Tcp {
  let conn: Deno.TcpConn | undefined;
  let gone = false;
  const destroy = (): void => {
    gone = true;
    try {
      conn?.close();
    } catch {
      // It was closed already.
    }
  };
  const connecting = Deno.connect({ hostname, port }).then((opened) => conn = opened);
  const run = async (): Promise<void> => {
    const opened = await connecting;
    if (gone) return;
    opened.setNoDelay(true);
    for (let bytes; (bytes = await opened.read(room())) !== null;) read(bytes);
  };
  const running = run().then(() => undefined, (reason) => gone ? undefined : reason);
  void running.finally(destroy).then(closed);
  const writeAll = async (bytes: Uint8Array): Promise<void> => {
    const opened = await connecting;
    for (let at = 0; at < bytes.length;) at += await opened.write(bytes.subarray(at));
  };
  let last: Promise<void> = Promise.resolve();
  return {
    // A failed write is a broken connection, which the read reports.
    write: (bytes) => void (last = last.then(() => writeAll(bytes)).catch(() => {})),
    end: () => void last.then(destroy),
    destroy,
  };
}

/** One connection, with the parts of the platforms' class that the client uses. */
export class BytesSocket {
  onopen: (() => void) | undefined;
  onclose: ((event: { code: number; reason: string }) => void) | undefined;
  onerror: ((event: { message: string }) => void) | undefined;
  onmessage: ((event: { data: Uint8Array }) => void) | undefined;
  readonly #tcp: Tcp;
  readonly #key: string = randomBytes(16).toString("base64");
  #phase: "opening" | "open" | "closing" | "failed" = "opening";
  #timer: ReturnType<typeof setTimeout> | undefined;
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
    const open = "Deno" in globalThis ? denoTcp : nodeTcp;
    this.#tcp = open(hostname.replace(/^\[(.*)\]$/, "$1"), Number(port || 80), {
      room: () => this.#buffer.subarray(this.#to),
      read: (bytes) => this.#read(bytes),
      closed: (error) => {
        clearTimeout(this.#timer);
        if (error !== undefined) this.onerror?.({ message: error.message });
        this.onclose?.(this.#farewell);
      },
    });
    const request = [
      `GET ${pathname}${search} HTTP/1.1`,
      `Host: ${host}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${this.#key}`,
      `Sec-WebSocket-Protocol: ${protocols.join(", ")}`,
      "\r\n",
    ].join("\r\n");
    this.#tcp.write(encoder.encode(request));
  }

  send(text: string): void {
    if (this.#phase === "open") this.#send(TEXT, encoder.encode(text));
  }

  close(code = 1000, reason = ""): void {
    if (this.#phase === "closing" || this.#phase === "failed") return;
    if (this.#phase === "open") this.#send(CLOSE, [code >> 8, code & 0xff, ...encoder.encode(reason)]);
    else this.#tcp.destroy();
    this.#phase = "closing";
    this.#timer = setTimeout(() => this.#tcp.destroy(), CLOSE_MS);
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
    if (there < head || this.#phase === "failed") return false;
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
    this.#phase = "failed";
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
