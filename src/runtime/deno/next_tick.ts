// The next turn of Deno's event loop, with the network looked at before it. A byte through a socket to oneself
// brings that about: as long as anything else is ready, Deno looks at its sockets in every 61st turn only, so
// that a row of setImmediate or of messages to oneself keeps all peers waiting; and a timer of nothing takes
// one to two milliseconds. Measured in docs/DECISIONS.md; on Node setImmediate does all of this.

/** Both ends of one connection within this process. */
async function pair(): Promise<readonly [Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const writing = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  for (;;) {
    const reading = await listener.accept();
    if (reading.remoteAddr.port === writing.localAddr.port) return [writing, reading];
    // Somebody else has found the port.
    reading.close();
  }
}

const BYTE: Uint8Array = new Uint8Array(1);

/** The turns of one thread's event loop. */
export class NextTick {
  #waiting: (() => void)[] = [];
  /** Set once the connection was asked for, also where it cannot be had: timers do instead. */
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

  /** Closes the connection; whoever asks for a turn again has a new one opened. */
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
    // Nobody needs it any more, or there is one by now.
    if (!this.#asked || this.#ends !== undefined) return ends.forEach((end) => end.close());
    this.#ends = ends;
    const [writing, reading] = ends;
    writing.setNoDelay(true);
    const buffer = new Uint8Array(64);
    for (;;) {
      const read = reading.read(buffer).catch(() => null);
      // Nothing waits, so nothing keeps the process alive.
      if (this.#waiting.length === 0 && this.#ends === ends) reading.unref();
      if (await read === null) return this.#lost(ends);
      this.#turn();
    }
  }

  /** Timers do instead: whoever waits must not wait for ever. */
  #lost(ends: readonly [Deno.TcpConn, Deno.TcpConn]): void {
    if (this.#ends !== ends) return;
    this.#ends = undefined;
    this.#turn();
  }

  #turn(): void {
    const now = this.#waiting;
    this.#waiting = [];
    // One that throws keeps no other from its turn.
    for (const fn of now) queueMicrotask(fn);
  }
}
