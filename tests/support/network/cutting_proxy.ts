// A TCP proxy on loopback that cuts whatever passes through it, again and again: every connection that is open at a
// beat ends there and then, in both directions and without a goodbye.

/** The proxy; `await using` closes it. */
export class CuttingProxy implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #pipes = new Set<Promise<unknown>>();
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #everyMs: number;
  #cuts = 0;

  /**
   * @param target port on loopback that it leads to
   * @param everyMs milliseconds between cuts; the first comes so long after the first connection
   */
  constructor(target: number, everyMs: number) {
    this.#target = target;
    this.#everyMs = everyMs;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    void this.#accept();
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#listener.addr.port}/`;
  }

  /** How often it has cut a connection. */
  get cuts(): number {
    return this.#cuts;
  }

  /** Cuts everything that is open. */
  cut(): void {
    if (this.#open.size > 0) this.#cuts++;
    for (const connection of [...this.#open]) close(connection);
    this.#open.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#listener.close();
    this.cut();
    await Promise.all(this.#pipes);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#timer ??= setInterval(() => this.cut(), this.#everyMs);
      const pipes = this.#join(client);
      this.#pipes.add(pipes);
      void pipes.finally(() => this.#pipes.delete(pipes));
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target }).catch(() => undefined);
    if (server === undefined) return close(client);
    for (const connection of [client, server]) this.#open.add(connection);
    const way = async (from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> => {
      await from.readable.pipeTo(to.writable).catch(() => {});
      for (const connection of [from, to]) {
        close(connection);
        this.#open.delete(connection);
      }
    };
    await Promise.all([way(client, server), way(server, client)]);
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // The other direction closed it.
  }
}
