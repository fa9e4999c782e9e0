// Does: logs and counts requests that the gate has refused.
// Used by: the WebSocket transport. Uses: the counters of the governor.
// Invariant: strangers cannot fill the log: after some lines, one line counts the rest. No line has a token.
import type { Log } from "../../base/log.ts";
import type { Counters, RefusedFor } from "../../governor/counters.ts";
import type { Clock, HttpRequest } from "../../runtime/runtime.ts";

/** Lines within {@linkcode SPAN_MS}; what is more is counted only. */
const MOST_LINES = 10;
const SPAN_MS = 10_000;
/** Characters of a header that a line shows. */
const HEADER_CHARS = 200;

/** The refusals of one transport. */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counters: Counters;
  #since = -Infinity;
  #lines = 0;
  #hidden = 0;

  constructor(clock: Clock, log: Log, counters: Counters) {
    this.#clock = clock;
    this.#log = log;
    this.#counters = counters;
  }

  /** A request was refused for that reason. */
  refused(request: HttpRequest, why: RefusedFor, status: number): void {
    this.#counters.refusedRequest(why);
    const now = this.#clock.monotonic();
    if (now - this.#since > SPAN_MS) {
      if (this.#hidden > 0) this.#log.warn("more requests were refused", { requests: this.#hidden });
      this.#since = now;
      this.#lines = this.#hidden = 0;
    }
    if (++this.#lines > MOST_LINES) {
      this.#hidden++;
      return;
    }
    // A path may hold what a user has pasted into an address, so only these headers are shown.
    const header = (name: string): Record<string, string> => {
      const value = request.headers.get(name);
      return value === undefined ? {} : { [name]: value.slice(0, HEADER_CHARS) };
    };
    const about = { for: why, status, peer: request.peer, ...header("host"), ...header("origin") };
    if (why === "request") this.#log.debug("a request is refused", about);
    else this.#log.warn("a request is refused", about);
  }
}
