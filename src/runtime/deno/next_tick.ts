// Does: calls a function in the next turn of Deno's event loop, after a look at the network.
// Used by: deno.ts. A byte through a socket to itself causes that; Node has setImmediate. See docs/DECISIONS.md.
// Invariant: with setImmediate or messages, Deno would look at its sockets only in every 61st turn.

/** Both ends of one connection within this process. */
async function pair(): Promise<readonly [Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const writing = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  for (;;) {
    const reading = await listener.accept();
    if (reading.remoteAddr.port === writing.localAddr.port) return [writing, reading];
    // Another program has found the port.
    reading.close();
  }
}

const BYTE: Uint8Array = new Uint8Array(1);

/** The turns of one thread's event loop. */
export class NextTick {
  #waiting: (() => void)[] = [];
  /** True after the request for a connection, even when it failed and timers serve. */
  #asked = false;
  #ends: readonly [Deno.TcpConn, Deno.TcpConn] | undefined;

  /** Calls `fn` in the next turn. */
  nextTick(fn: () => void): void {
    if (this.#waiting.push(fn) > 1) return;
    if (!this.#asked) {
      this.#asked = true;
      void this.#open();
    }
    const ends = this.#ends;
    if (ends === undefined) setTimeout(() => this.#turn(), 0);
    else {
      const [writing, reading] = ends;
      reading.ref();
      writing.write(BYTE).catch(() => this.#lost(ends));
    }
  }

  /** Closes the connection. The next call opens a new one. */
  dispose(): void {
    const ends = this.#ends;
    this.#asked = false;
    if (ends === undefined) return;
    for (const end of ends) end.close();
    this.#lost(ends);
  }

  async #open(): Promise<void> {
    const ends = await pair().catch(() => undefined);
    if (ends === undefined) return;
    // It is no longer needed, or there is another one.
    if (!this.#asked || this.#ends !== undefined) return ends.forEach((end) => end.close());
    this.#ends = ends;
    const [writing, reading] = ends;
    writing.setNoDelay(true);
    const buffer = new Uint8Array(64);
    for (;;) {
      const read = reading.read(buffer).catch(() => null);
      // Without a waiting function, the connection must not keep the process alive.
      if (this.#waiting.length === 0 && this.#ends === ends) reading.unref();
      if (await read === null) return this.#lost(ends);
      this.#turn();
    }
  }

  /** Uses timers instead, so that no function waits for ever. */
  #lost(ends: readonly [Deno.TcpConn, Deno.TcpConn]): void {
    if (this.#ends !== ends) return;
    this.#ends = undefined;
    this.#turn();
  }

  #turn(): void {
    const now = this.#waiting;
    this.#waiting = [];
    // A function that throws must not stop the others.
    for (const fn of now) queueMicrotask(fn);
  }
}
