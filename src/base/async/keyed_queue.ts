// Does: keeps the messages to a session in order while one of them waits for the disk.
// Used by: the manager. Without a waiting message everything passes at once.

/** One queue for each session with a waiting message. */
export class KeyedQueue {
  readonly #queues = new Map<string, (() => Promise<void> | undefined)[]>();
  #untilClear: (() => void)[] = [];

  /** Calls `fn` now, or after the waiting messages of that session. */
  run(sessionId: string, fn: () => void): void {
    const queue = this.#queues.get(sessionId);
    if (queue === undefined) fn();
    else {
      queue.push(() => {
        fn();
        return undefined;
      });
    }
  }

  /** Calls `fn` with the value of `ready`. Later messages of that session wait until then. */
  runAfter<T>(sessionId: string, ready: Promise<T>, fn: (value: T) => void): void {
    const queue = this.#queues.get(sessionId);
    const turn = (): Promise<void> => ready.then(fn);
    if (queue !== undefined) return void queue.push(turn);
    this.#queues.set(sessionId, [turn]);
    void this.#run(sessionId);
  }

  /** Whether nothing waits in any session. */
  get isIdle(): boolean {
    return this.#queues.size === 0;
  }

  /** Resolves when nothing waits. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#untilClear.push(resolve));
  }

  async #run(sessionId: string): Promise<void> {
    const queue = this.#queues.get(sessionId) ?? [];
    try {
      for (let turn = queue.shift(); turn !== undefined; turn = queue.shift()) {
        const waiting = turn();
        if (waiting !== undefined) await waiting;
      }
    } finally {
      this.#queues.delete(sessionId);
      if (this.#queues.size === 0) { for (const fn of this.#untilClear.splice(0)) fn(); }
    }
  }
}
