// A forward proxy on loopback, as companies run them: it takes tunnels (CONNECT) and whole addresses, notes what it
// was asked for, and leads every host to one port.

/** The proxy; `await using` closes it. */
export class ForwardProxy implements AsyncDisposable {
  /** First lines of the requests. */
  readonly lines: string[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving = new Set<Promise<void>>();

  /** @param target port on loopback */
  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#serving.add(this.#accept());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#serving.add(this.#serve(connection).catch(() => {}));
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    this.#open.add(client);
    let head = "";
    const bytes = new Uint8Array(65_536);
    while (!head.includes("\r\n\r\n")) {
      const count = await client.read(bytes);
      if (count === null) return;
      head += String.fromCharCode(...bytes.subarray(0, count));
    }
    const line = head.slice(0, head.indexOf("\r\n"));
    this.lines.push(line);
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    this.#open.add(server);
    const encode = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
    if (line.startsWith("CONNECT ")) await client.write(encode("HTTP/1.1 200 OK\r\n\r\n"));
    else await server.write(encode(head.replace(/^(\w+) https?:\/\/[^/ ]+/, "$1 ")));
    const pipe = (from: Deno.TcpConn, to: Deno.TcpConn) => from.readable.pipeTo(to.writable).catch(() => {});
    await Promise.all([pipe(client, server), pipe(server, client)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) {
      try {
        connection.close();
      } catch {
        // It has been closed already.
      }
    }
    await Promise.all(this.#serving);
  }
}
