// A network line between a browser and the server, on loopback, that can be stopped: what is open is hung up on, and
// no client gets through until it goes on.

/** A network line between the browser and the server that can be stopped. */
export class StoppableLine implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: number;
  readonly #open = new Set<Deno.TcpConn>();
  #stopped = false;

  constructor(target: number) {
    this.#target = target;
    void this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  stop(): void {
    this.#stopped = true;
    for (const connection of this.#open) hangUp(connection);
    this.#open.clear();
  }

  go(): void {
    this.#stopped = false;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.#stopped) hangUp(client);
      else void this.#join(client);
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    for (const connection of [client, server]) this.#open.add(connection);
    const ends = [client.readable.pipeTo(server.writable), server.readable.pipeTo(client.writable)];
    await Promise.allSettled(ends);
    for (const connection of [client, server]) this.#open.delete(connection);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.stop();
    return Promise.resolve();
  }
}

function hangUp(connection: { close(): void }): void {
  try {
    connection.close();
  } catch {
    // It has ended already.
  }
}
