// Samples of the server's counters over time, for the plots: one every few seconds while the page is connected and its
// token may read them. Bounded: old samples are thinned out.
import type { DataMap } from "../../client/browser.ts";
import { Cell } from "../app/cell.ts";
import type { ServerLink } from "../app/link.ts";
import type { SessionBook } from "./session_book.ts";
import { spendByModel, spendBySession } from "./spend.ts";

/** The server's counters. */
export type Metrics = DataMap["get_metrics"];

/** One look at the server. */
export interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly metrics: Metrics;
  /** US dollars by model, and by session of those that have spent the most. */
  readonly byModel: Readonly<Record<string, number>>;
  readonly bySession: Readonly<Record<string, number>>;
}

const EVERY_MS = 5000;
const MOST_SAMPLES = 720;
const MOST_SESSIONS = 6;

/** What the server counted. */
export class MetricsLog {
  readonly samples = new Cell<readonly Sample[]>([]);
  readonly health = new Cell<DataMap["health_check"] | undefined>(undefined);
  readonly #link: ServerLink;
  readonly #sessions: SessionBook;
  #timer: ReturnType<typeof setInterval> | undefined;
  #asking = false;

  constructor(link: ServerLink, sessions: SessionBook) {
    this.#link = link;
    this.#sessions = sessions;
  }

  /** Begins to look, at once and then again and again. */
  start(): void {
    this.stop();
    void this.look();
    this.#timer = setInterval(() => void this.look(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Looks once. A hidden page looks as well, so that its plots have no holes. */
  async look(): Promise<void> {
    const whole = this.#link.access.value.whole && this.#link.state.value === "connected";
    if (!whole || this.#asking) return;
    this.#asking = true;
    try {
      const [metrics, health] = await Promise.all([
        this.#link.request("get_metrics", {}),
        this.#link.request("health_check", {}),
      ]);
      const entries = [...this.#sessions.entries.value.values()];
      const byModel = spendByModel(entries);
      const bySession = spendBySession(entries, MOST_SESSIONS);
      this.samples.set(kept(this.samples.value, { at: Date.now(), metrics, byModel, bySession }));
      this.health.set(health);
    } catch {
      // The connection went down, and the page says so.
    } finally {
      this.#asking = false;
    }
  }
}

/** The samples with one more; a server that was started anew begins anew, and every second old one goes when they are many. */
export function kept(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && sample.metrics.uptimeMs < last.metrics.uptimeMs) return [sample];
  const all = [...samples, sample];
  if (all.length <= MOST_SAMPLES) return all;
  const half = all.length >> 1;
  return [...all.slice(0, half).filter((_, index) => index % 2 === 0), ...all.slice(half)];
}

/** How much a counter grew in each second between samples. */
export function rates(
  samples: readonly Sample[],
  of: (metrics: Metrics) => number,
): readonly (number | undefined)[] {
  return samples.map((sample, index) => {
    const before = samples[index - 1];
    if (before === undefined || sample.at <= before.at) return undefined;
    return Math.max(0, (of(sample.metrics) - of(before.metrics)) * 1000 / (sample.at - before.at));
  });
}
