// Parks sessions that nobody needs and brings them back (PROTOCOL §8): after some idle time, or the idlest one
// when another needs its place. Decides who goes and who waits; hosts and messages are its manager's business.
import { type Governor, isPermit, type Permit } from "../../governor/governor.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { Entry } from "./session_entry.ts";

/** What parking is made of. */
export interface ParkingParts {
  readonly clock: Clock;
  readonly governor: Governor;
  readonly entries: ReadonlyMap<string, Entry>;
  /** Asks its host to let go of a session; `answered` follows. */
  park(entry: Entry): void;
  /** A session is parked now: what its host held for it is free. */
  parked(entry: Entry): void;
  /** Has a session built again; `resumed` follows. */
  build(entry: Entry): void;
}

/** Called with a place among the live sessions, or why there is none. */
export type Placed = (got: Permit | Failure) => void;

/** Sessions that have been idle are looked for ten times in their idle time, within these bounds. */
const LOOK_LEAST_MS = 20;
const LOOK_MOST_MS = 10_000;

/** The parking of one server's sessions. */
export class Parking {
  readonly #parts: ParkingParts;
  /** Who waits for a place, first come first served. */
  readonly #queue: Placed[] = [];
  #timer: Timer | undefined;
  #closed: Failure | undefined;
  #pumping = false;

  constructor(parts: ParkingParts) {
    this.#parts = parts;
  }

  /** Begins to look for idle sessions. */
  start(): void {
    const { clock, governor } = this.#parts;
    const ms = Math.min(LOOK_MOST_MS, Math.max(LOOK_LEAST_MS, governor.limits.idleSessionMs / 10));
    this.#timer = clock.after(ms, () => {
      this.#look();
      this.start();
    });
  }

  /** Parks nothing any more, and refuses whoever waits for a place. */
  stop(why: Failure): void {
    this.#timer?.clear();
    this.#closed = why;
    for (const placed of this.#queue.splice(0)) placed(why);
  }

  /** Gets a place among the live sessions: at once, or as soon as another one is parked for it. */
  take(placed: Placed): void {
    if (this.#closed !== undefined) return placed(this.#closed);
    this.#queue.push(placed);
    this.changed();
  }

  /** Something ended, began or went away: there may be room now, or somebody to park. */
  changed(): void {
    // What follows from one change may be the next: one loop sees to all of them, in order.
    if (this.#pumping || this.#queue.length === 0) return;
    this.#pumping = true;
    while (this.#step());
    this.#pumping = false;
  }

  /** Brings a parked session back; what waits for it is let go then. */
  resume(entry: Entry): void {
    entry.state = "resuming";
    this.take((got) => {
      if (entry.state !== "resuming") return isPermit(got) ? got.release() : undefined;
      if (!isPermit(got)) return this.#back(entry, got);
      entry.place = got;
      this.#parts.build(entry);
    });
  }

  /** A session that was to be built again lives, or could not be. */
  resumed(entry: Entry, failed: Failure | undefined): void {
    if (failed !== undefined) return this.#back(entry, failed);
    entry.state = "live";
    entry.parkedPlace?.release();
    entry.parkedPlace = undefined;
    this.#touch(entry);
    entry.release(undefined);
    this.changed();
  }

  /** A host has let go of a session, or has not. */
  answered(entry: Entry, record: SessionRecord | undefined): void {
    if (record === undefined) {
      entry.parkedPlace?.release();
      entry.parkedPlace = undefined;
      entry.state = "live";
      entry.keptAt = entry.usedAt;
      entry.release(undefined);
    } else {
      entry.record = record;
      this.#settle(entry);
      if (entry.hasWaiting && this.#closed === undefined) this.resume(entry);
    }
    this.changed();
  }

  /** The host of a session is gone, and the session parked by that. */
  lost(entry: Entry): void {
    if (entry.parkedPlace === undefined) {
      // Over the limit rather than lost.
      const place = this.#parts.governor.parked();
      if (isPermit(place)) entry.parkedPlace = place;
    }
    this.#settle(entry);
    if (entry.hasWaiting && this.#closed === undefined) this.resume(entry);
  }

  #settle(entry: Entry): void {
    entry.state = "parked";
    entry.place?.release();
    entry.place = undefined;
    this.#parts.parked(entry);
  }

  #back(entry: Entry, failed: Failure): void {
    entry.state = "parked";
    entry.place?.release();
    entry.place = undefined;
    entry.release(failed);
    this.changed();
  }

  #touch(entry: Entry): void {
    entry.usedAt = this.#parts.clock.monotonic();
  }

  #park(entry: Entry): boolean {
    const place = this.#parts.governor.parked();
    if (!isPermit(place)) return false;
    entry.parkedPlace = place;
    entry.state = "parking";
    this.#parts.park(entry);
    return true;
  }

  #look(): void {
    const { clock, governor, entries } = this.#parts;
    const before = clock.monotonic() - governor.limits.idleSessionMs;
    for (const entry of [...entries.values()]) {
      if (entry.usedAt <= before && entry.parkable && !this.#park(entry)) return;
    }
  }

  /** Serves the first who waits, or sees to it that somebody makes room; false when there is nothing to do. */
  #step(): boolean {
    const [first] = this.#queue;
    if (first === undefined) return false;
    const { governor, entries } = this.#parts;
    const got = governor.session();
    if (isPermit(got)) {
      this.#queue.shift();
      first(got);
      return true;
    }
    const all = [...entries.values()];
    const leaving = all.filter(({ state }) => state === "parking").length;
    if (leaving >= this.#queue.length) return false;
    const idlest = all.filter((entry) => entry.parkable).reduce<Entry | undefined>(
      (best, entry) => best === undefined || entry.usedAt < best.usedAt ? entry : best,
      undefined,
    );
    if (idlest !== undefined && this.#park(idlest)) return true;
    if (all.some((entry) => entry.hopeful)) return false;
    // Nobody will ever go: inMemory, busy and watched sessions stay.
    this.#queue.shift();
    first(got);
    return true;
  }
}
