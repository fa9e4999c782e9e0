// Does: finds the descriptor of an accepted TCP connection on Linux, and asks the system what it has received.
// Used by: unfinished_watch.ts, in the server thread. Deno shows neither descriptors nor received bytes.
// Invariant: it ends a descriptor only while both ends are the expected ones, so a reused number does no harm.

const FUNCTIONS = {
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  send: { parameters: ["i32", "buffer", "u64", "i32"], result: "i64" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
} as const;

type Library = Deno.DynamicLibrary<typeof FUNCTIONS>;

/** Linux's numbers: address families, `getsockopt(IPPROTO_TCP, TCP_INFO)`, the field `tcpi_bytes_received`. */
const [AF_INET, AF_INET6] = [2, 10];
const [IPPROTO_TCP, TCP_INFO] = [6, 11];
const BYTES_RECEIVED_AT = 128;

/** FIONREAD, the request of `ioctl` for the bytes that no read has taken. */
const UNREAD = 0x541bn;

/** `setsockopt(SOL_SOCKET, SO_RCVBUF)`, `getsockopt(SOL_SOCKET, SO_ACCEPTCONN)`: whether it listens. */
const [SOL_SOCKET, SO_RCVBUF, SO_ACCEPTCONN] = [1, 8, 30];

/** The flags of `send` that forbid it to wait or to send a signal. */
const AT_ONCE = 0x40 | 0x4000;

/** Closes both directions. */
const SHUT_RDWR = 2;

/** Descriptors in a row that are no sockets, after which the search ends. New descriptors get the lowest number. */
const MOST_MISSES = 512;

/** One end of a connection. */
export interface End {
  readonly hostname: string;
  readonly port: number;
}

/** An address in one spelling. */
function spelled({ hostname, port }: End): string {
  const [name = ""] = hostname.split("%");
  const host = name.includes(":") ? new URL(`http://[${name}]`).hostname : name;
  return `${host} ${port}`;
}

/** A `struct sockaddr_in` or `sockaddr_in6` in the same spelling. Undefined for other families. */
function endIn(view: DataView): string | undefined {
  const [family, port] = [view.getUint16(0, true), view.getUint16(2)];
  if (family === AF_INET) {
    return `${[4, 5, 6, 7].map((at) => view.getUint8(at)).join(".")} ${port}`;
  }
  if (family !== AF_INET6) return undefined;
  const groups = Array.from({ length: 8 }, (_, n) => view.getUint16(8 + 2 * n).toString(16));
  return spelled({ hostname: groups.join(":"), port });
}

/** Asks the system about descriptors of connections. */
export class TcpDescriptors implements Disposable {
  readonly #library: Library;
  readonly #system: Library["symbols"];
  readonly #buffer = new Uint8Array(256);
  readonly #view = new DataView(this.#buffer.buffer);
  readonly #length = new Uint32Array(1);
  readonly #lengthBytes = new Uint8Array(this.#length.buffer);
  readonly #known = new Set<number>();

  private constructor(library: Library) {
    this.#library = library;
    this.#system = library.symbols;
  }

  /** Undefined where the system is another, or Deno has no permission to ask it. */
  static open(): TcpDescriptors | undefined {
    if (Deno.build.os !== "linux") return undefined;
    // Without the permission Deno might ask at the terminal.
    if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
    try {
      return new TcpDescriptors(Deno.dlopen("libc.so.6", FUNCTIONS));
    } catch {
      // A system without this library.
      return undefined;
    }
  }

  /** No descriptor may be used any more. */
  [Symbol.dispose](): void {
    this.#library.close();
  }

  /** The connection from that peer to that port. Undefined when there is none any more. */
  find(peer: End, localPort: number): TcpDescriptor | undefined {
    const ends = { peer: spelled(peer), localPort };
    for (const [number, port] of this.#unknown()) {
      if (port !== localPort || this.#peerOf(number) !== ends.peer) continue;
      this.#known.add(number);
      return {
        received: () => this.#received(number),
        unread: () => this.#unread(number),
        bound: (bytes) => this.#bound(number, bytes),
        end: (lastWords) => this.#is(number, ends) && this.#end(number, lastWords),
        release: () => void this.#known.delete(number),
      };
    }
    return undefined;
  }

  /**
   * Lets the system keep about so many bytes of each new connection that the program has not read. It does nothing when
   * no socket listens at that port.
   */
  boundNew(localPort: number, bytes: number): void {
    for (const [number, port] of this.#unknown()) {
      if (port === localPort && this.#listens(number)) return this.#bound(number, bytes);
    }
  }

  /** Ends the connections from these peers to that port that have sent more bytes, after the last words. */
  endLonger(
    peers: Iterable<End>,
    localPort: number,
    bytes: number,
    lastWords: Uint8Array<ArrayBuffer>,
  ): void {
    const names = new Set(Array.from(peers, spelled));
    for (const [number, port] of this.#unknown()) {
      if (port !== localPort) continue;
      const peer = this.#peerOf(number);
      if (peer === undefined || !names.has(peer)) continue;
      if ((this.#received(number) ?? 0) > bytes) this.#end(number, lastWords);
    }
  }

  /** The descriptors of sockets that no search has found yet, with their local ports. */
  *#unknown(): Generator<readonly [number: number, port: number]> {
    for (let number = 3, misses = 0; misses < MOST_MISSES; number++) {
      const port = this.#known.has(number) ? "known" : this.#portOf(number);
      misses = port === undefined ? misses + 1 : 0;
      if (typeof port === "number") yield [number, port];
    }
  }

  #is(number: number, { peer, localPort }: { peer: string; localPort: number }): boolean {
    return this.#portOf(number) === localPort && this.#peerOf(number) === peer;
  }

  #peerOf(number: number): string | undefined {
    this.#length[0] = this.#buffer.length;
    return this.#system.getpeername(number, this.#buffer, this.#lengthBytes) === 0
      ? endIn(this.#view)
      : undefined;
  }

  #portOf(number: number): number | undefined {
    this.#length[0] = this.#buffer.length;
    return this.#system.getsockname(number, this.#buffer, this.#lengthBytes) === 0
      ? this.#view.getUint16(2)
      : undefined;
  }

  /** Whether it waits for connections. */
  #listens(number: number): boolean {
    this.#length[0] = 4;
    return this.#system.getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, this.#buffer, this.#lengthBytes) ===
        0 &&
      this.#view.getInt32(0, true) !== 0;
  }

  #received(number: number): number | undefined {
    this.#length[0] = this.#buffer.length;
    const answer = this.#system.getsockopt(number, IPPROTO_TCP, TCP_INFO, this.#buffer, this.#lengthBytes);
    if (answer !== 0 || (this.#length[0] ?? 0) < BYTES_RECEIVED_AT + 8) return undefined;
    return Number(this.#view.getBigUint64(BYTES_RECEIVED_AT, true));
  }

  #bound(number: number, bytes: number): void {
    this.#view.setInt32(0, bytes, true);
    this.#system.setsockopt(number, SOL_SOCKET, SO_RCVBUF, this.#buffer, 4);
  }

  #end(number: number, lastWords: Uint8Array<ArrayBuffer>): void {
    if (lastWords.length > 0) this.#system.send(number, lastWords, BigInt(lastWords.length), AT_ONCE);
    this.#system.shutdown(number, SHUT_RDWR);
  }

  #unread(number: number): number {
    return this.#system.ioctl(number, UNREAD, this.#buffer) === 0 ? this.#view.getInt32(0, true) : 0;
  }
}

/** One connection, as the system sees it. */
export interface TcpDescriptor {
  /** The bytes that have arrived since it was opened. Undefined when it is gone. */
  received(): number | undefined;
  /** The bytes of these that the program has not read. */
  unread(): number;
  /** The system keeps about so many bytes that the program has not read, and lets the peer wait then. */
  bound(bytes: number): void;
  /** Sends these bytes as far as there is room for them, and ends the connection at once in both directions. */
  end(lastWords: Uint8Array<ArrayBuffer>): void;
  /** The connection is closed: its number may be another's from now on. */
  release(): void;
}
