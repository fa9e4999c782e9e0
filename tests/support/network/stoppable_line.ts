// A network line between a browser and the server, on loopback, that can be stopped: what is open is hung up on, and
// no client gets through until it goes on. It can freeze as well: nothing passes, not even an end.

/** A network line between the browser and the server that can be stopped. */
export class StoppableLine implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: number;
  readonly #open = new Set<Deno.TcpConn>();
  #stopped = false;
  #frozen: PromiseWithResolvers<void> | undefined;

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

  /** From now on no byte and no end of a connection passes. */
  freeze(): void {
    this.#frozen ??= Promise.withResolvers();
  }

  go(): void {
    this.#stopped = false;
    this.#frozen?.resolve();
    this.#frozen = undefined;
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
    const pass = (from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> =>
      from.readable.pipeThrough(this.#gate()).pipeTo(to.writable);
    await Promise.allSettled([pass(client, server), pass(server, client)]);
    for (const connection of [client, server]) this.#open.delete(connection);
  }

  /** Holds what passes while the line is frozen. */
  #gate(): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({
      transform: async (chunk, to) => {
        await this.#frozen?.promise;
        to.enqueue(chunk);
      },
      flush: async () => await this.#frozen?.promise,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#frozen?.resolve();
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
