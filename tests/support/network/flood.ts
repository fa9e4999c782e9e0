// Unauthenticated peers: silent ones, half requests, slow headers, wrong tokens, other protocols.

/** Most strangers that are waited for at once. */
export const STRANGERS = 512;

/** A request as bytes. */
export const encode = (request: string): Uint8Array => new TextEncoder().encode(request);

/** What the peers say once they are connected; each kind in turn. */
const SAYINGS: readonly Uint8Array[] = [
  "",
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
  "G",
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: Bearer wrong\r\n\r\n",
  "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n{",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
].map(encode);

/** Many peers, who stay until the end and send a byte of a header now and then. */
export class Flood implements Disposable {
  readonly #sayings: readonly Uint8Array[];
  readonly #peers: Deno.Conn[] = [];
  #came = 0;

  constructor(sayings = SAYINGS) {
    this.#sayings = sayings;
  }

  /** How many are connected, as far as they know. */
  get size(): number {
    return this.#peers.length;
  }

  /** More of them; those that are refused are not counted. */
  async grow(port: number, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, async () => {
      const saying = this.#sayings[this.#came++ % this.#sayings.length] ?? encode("");
      try {
        const peer = await Deno.connect({ hostname: "127.0.0.1", port });
        this.#peers.push(peer);
        await peer.write(saying);
      } catch {
        // The server has had enough of them.
      }
    }));
  }

  /** Every slow one sends one byte more. */
  async drip(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.write(encode("a")).catch(() => {})));
  }

  [Symbol.dispose](): void {
    for (const peer of this.#peers.splice(0)) {
      try {
        peer.close();
      } catch {
        // It was gone already.
      }
    }
  }
}
