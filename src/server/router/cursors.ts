// Does: sends `cursor` messages to subscribers with a filter, at a fixed interval (docs/PROTOCOL.md#coming-back).
// Used by: the router. It costs nothing between two ticks.
import { CURSOR_MS } from "../../governor/limits.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";

/** The timer, and the last cursor of each connection. */
export class Cursors {
  readonly #clock: Clock;
  readonly #tick: () => void;
  #sentTexts = new WeakMap<object, Map<string, string>>();
  #timer: Timer | undefined;

  /** @param tick called every CURSOR_MS until `stop` */
  constructor(clock: Clock, tick: () => void) {
    this.#clock = clock;
    this.#tick = tick;
  }

  /** Starts to tick. */
  start(): void {
    this.#timer ??= this.#clock.after(CURSOR_MS, () => {
      this.#timer = undefined;
      this.start();
      this.#tick();
    });
  }

  stop(): void {
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** The message for a connection, if the session has advanced since the last one. */
  next(connection: object, sessionId: string, epoch: string, seq: number): string | undefined {
    const texts = this.#sentTexts.get(connection) ?? new Map<string, string>();
    this.#sentTexts.set(connection, texts);
    const text = JSON.stringify({ type: "cursor", sessionId, epoch, seq });
    if (seq === 0 || texts.get(sessionId) === text) return undefined;
    texts.set(sessionId, text);
    return text;
  }
}
