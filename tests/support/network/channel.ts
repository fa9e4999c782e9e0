// Connections that a test can leave unread: a WebSocket over plain TCP with framing of its own, and the pipes of
// a child. While one is paused no byte leaves the kernel's buffers, as with a client that hangs or sleeps.
import { frame, writeAll } from "./client_frame.ts";
import { upgradeRequest } from "./raw_http.ts";
import { deadline } from "../base/wait.ts";

const READ_BYTES = 64 * 1024;
const CONNECT_MS = 10_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A connection that carries texts and can be left unread. */
export interface Channel {
  /** Takes each message. */
  onText: (text: string) => void;
  /** Resolves with the close code when the peer has ended it; 0 when it just went away. */
  readonly closed: Promise<number>;
  send(text: string): void;
  /** Stops reading, but for a read that is under way. */
  pause(): void;
  resume(): void;
  /** Drops the connection. */
  drop(): void;
}

/** Bytes in, whole frames or lines out. */
type Cut = (bytes: Uint8Array) => { used: number; take: () => void } | undefined;

/** Reads when it may, and cuts what it has read. */
class Intake {
  readonly closed: Promise<number>;
  readonly #closed = Promise.withResolvers<number>();
  /** What is read and not cut yet is at its beginning. */
  #buffer = new Uint8Array(READ_BYTES);
  #filled = 0;
  #paused: PromiseWithResolvers<void> | undefined;
  #open = true;

  constructor() {
    this.closed = this.#closed.promise;
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  end(code: number): void {
    this.#open = false;
    this.resume();
    this.#closed.resolve(code);
  }

  /** @param read the next bytes, undefined at the end */
  async run(first: Uint8Array, cut: Cut, read: () => Promise<Uint8Array | undefined>): Promise<void> {
    let more: Uint8Array | undefined = first;
    while (more !== undefined && this.#open) {
      this.#feed(more, cut);
      await this.#paused?.promise;
      more = this.#open ? await read().catch(() => undefined) : undefined;
    }
    this.end(0);
  }

  #feed(more: Uint8Array, cut: Cut): void {
    const needed = this.#filled + more.length;
    if (needed > this.#buffer.length) {
      // Twice as long each time: with a copy for each read, a frame would take time in the square of its length.
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = grown;
    }
    this.#buffer.set(more, this.#filled);
    const whole = this.#buffer.subarray(0, needed);
    let at = 0;
    for (let part = cut(whole); part !== undefined && this.#open; part = cut(whole.subarray(at))) {
      at += part.used;
      part.take();
    }
    this.#buffer.copyWithin(0, at, needed);
    this.#filled = needed - at;
  }
}

/** Where a frame's payload begins and ends; undefined while its head is not there. */
function frameAt(bytes: Uint8Array): { start: number; end: number } | undefined {
  const [, second = 0] = bytes;
  const short = second & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < start) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short;
  const fewest = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  if (start !== fewest) {
    throw new Error(`${length} bytes have a head of ${start} bytes, not ${fewest}`);
  }
  return { start, end: start + length };
}

/** Shakes hands; the bytes that came behind the answer's head. */
async function shakeHands(conn: Deno.TcpConn, port: number, token: string): Promise<Uint8Array> {
  await writeAll(conn, upgradeRequest(port, token));
  const buffer = new Uint8Array(READ_BYTES);
  for (let filled = 0;;) {
    const count = await conn.read(buffer.subarray(filled));
    if (count === null) throw new Error("the server hung up during the handshake");
    filled += count;
    const text = decoder.decode(buffer.subarray(0, filled));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    if (!text.startsWith("HTTP/1.1 101")) throw new Error(`the handshake was refused: ${text.slice(0, 300)}`);
    // The head is ASCII, so characters are bytes.
    return buffer.slice(end + 4, filled);
  }
}

/** A WebSocket over plain TCP. */
export class RawSocket implements Channel {
  onText: (text: string) => void = () => {};
  readonly closed: Promise<number>;
  readonly #conn: Deno.TcpConn;
  readonly #intake = new Intake();
  #writing: Promise<void> = Promise.resolve();

  private constructor(conn: Deno.TcpConn, rest: Uint8Array) {
    this.#conn = conn;
    this.closed = this.#intake.closed;
    const buffer = new Uint8Array(READ_BYTES);
    const read = async (): Promise<Uint8Array | undefined> => {
      const count = await conn.read(buffer);
      return count === null ? undefined : buffer.subarray(0, count);
    };
    // In a turn of its own, because the caller sets `onText` first.
    setTimeout(() => void this.#intake.run(rest, (bytes) => this.#cut(bytes), read), 0);
  }

  static async connect(url: string, token: string): Promise<RawSocket> {
    const { hostname, port } = new URL(url);
    const conn = await Deno.connect({ hostname, port: Number(port) });
    const rest = await deadline(
      shakeHands(conn, Number(port), token),
      CONNECT_MS,
      () => `a handshake with ${url}`,
    );
    return new RawSocket(conn, rest);
  }

  send(text: string): void {
    this.#write(0x1, encoder.encode(text));
  }

  pause(): void {
    this.#intake.pause();
  }

  resume(): void {
    this.#intake.resume();
  }

  drop(): void {
    this.#intake.end(0);
    try {
      this.#conn.close();
    } catch {
      // Closed already.
    }
  }

  #write(opcode: number, payload: Uint8Array): void {
    // A lost connection is what the reading side reports.
    this.#writing = this.#writing.then(() => writeAll(this.#conn, frame(opcode, payload))).catch(() => {});
  }

  #cut(bytes: Uint8Array): ReturnType<Cut> {
    const found = frameAt(bytes);
    if (found === undefined || bytes.length < found.end) return undefined;
    const payload = bytes.slice(found.start, found.end);
    return { used: found.end, take: () => this.#take((bytes[0] ?? 0) & 0xf, payload) };
  }

  #take(opcode: number, payload: Uint8Array): void {
    if (opcode === 0x1) this.onText(decoder.decode(payload));
    else if (opcode === 0x9) this.#write(0xa, payload);
    else if (opcode === 0x8) this.#intake.end(((payload[0] ?? 0) << 8) | (payload[1] ?? 0));
  }
}

/** The pipes of a child. */
export class RawPipe implements Channel {
  onText: (text: string) => void = () => {};
  readonly closed: Promise<number>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #intake = new Intake();

  constructor(child: Deno.ChildProcess) {
    this.closed = this.#intake.closed;
    this.#writer = child.stdin.getWriter();
    this.#writer.closed.catch(() => {});
    const reader = child.stdout.getReader();
    const read = async () => (await reader.read()).value;
    setTimeout(() => void this.#intake.run(new Uint8Array(0), (bytes) => this.#cut(bytes), read), 0);
  }

  send(text: string): void {
    this.#writer.write(encoder.encode(`${text}\n`)).catch(() => {});
  }

  pause(): void {
    this.#intake.pause();
  }

  resume(): void {
    this.#intake.resume();
  }

  /** Ends the input; the server then ends. */
  drop(): void {
    this.#writer.close().catch(() => {});
  }

  #cut(bytes: Uint8Array): ReturnType<Cut> {
    const end = bytes.indexOf(10);
    if (end < 0) return undefined;
    const line = bytes.slice(0, end);
    return { used: end + 1, take: () => this.onText(decoder.decode(line)) };
  }
}
