// Parks sessions that nobody needs and brings them back (docs/PROTOCOL.md#sessions): after some idle time, or the idlest one
// when another needs its place. Decides who goes and who waits; hosts and messages are its manager's business.
import { type Governor, isPermit, type Permit } from "../../governor/governor.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { SessionEntry } from "./session_entry.ts";

/** What parking is made of. */
export interface ParkingPolicyParts {
  readonly clock: Clock;
  readonly governor: Governor;
  readonly entries: ReadonlyMap<string, SessionEntry>;
  /** Asks its host to let go of a session; `answered` follows. */
  park(entry: SessionEntry): void;
  /** A session is parked now: what its host held for it is free. */
  parked(entry: SessionEntry): void;
  /** Has a session built again; `resumed` follows. */
  build(entry: SessionEntry): void;
}

/** Called with a place among the live sessions, or why there is none. */
export type SlotCallback = (got: Permit | Failure) => void;

/** Sessions that have been idle are looked for ten times in their idle time, within these bounds. */
const LOOK_LEAST_MS = 20;
const LOOK_MOST_MS = 10_000;

/** The parking of one server's sessions. */
export class ParkingPolicy {
  readonly #parts: ParkingPolicyParts;
  /** Who waits for a place, first come first served. */
  readonly #queue: SlotCallback[] = [];
  #timer: Timer | undefined;
  #closed: Failure | undefined;
  #pumping = false;

  constructor(parts: ParkingPolicyParts) {
    this.#parts = parts;
  }

  /** Begins to look for idle sessions. */
  start(): void {
    const { clock, governor } = this.#parts;
    const ms = Math.min(LOOK_MOST_MS, Math.max(LOOK_LEAST_MS, governor.limits.idleSessionMs / 10));
    this.#timer = clock.after(ms, () => {
      this.#parkIdle();
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
  acquireSlot(placed: SlotCallback): void {
    if (this.#closed !== undefined) return placed(this.#closed);
    this.#queue.push(placed);
    this.reevaluate();
  }

  /** Something ended, began or went away: there may be room now, or somebody to park. */
  reevaluate(): void {
    // What follows from one change may be the next: one loop sees to all of them, in order.
    if (this.#pumping || this.#queue.length === 0) return;
    this.#pumping = true;
    while (this.#serveNext());
    this.#pumping = false;
  }

  /** Brings a parked session back; what waits for it is let go then. */
  resume(entry: SessionEntry): void {
    entry.state = "resuming";
    this.acquireSlot((got) => {
      if (entry.state !== "resuming") return isPermit(got) ? got.release() : undefined;
      if (!isPermit(got)) return this.#returnToParked(entry, got);
      entry.liveSlot = got;
      this.#parts.build(entry);
    });
  }

  /** A session that was to be built again lives, or could not be. */
  onResumed(entry: SessionEntry, failed: Failure | undefined): void {
    if (failed !== undefined) return this.#returnToParked(entry, failed);
    entry.state = "live";
    entry.parkedSlot?.release();
    entry.parkedSlot = undefined;
    this.#touch(entry);
    entry.releaseWaiters(undefined);
    this.reevaluate();
  }

  /** A host has let go of a session, or has not. */
  onParkResult(entry: SessionEntry, record: SessionRecord | undefined): void {
    if (record === undefined) {
      entry.parkedSlot?.release();
      entry.parkedSlot = undefined;
      entry.state = "live";
      entry.parkRefusedAt = entry.usedAt;
      entry.releaseWaiters(undefined);
    } else {
      entry.record = record;
      this.#settle(entry);
      if (entry.hasWaiting && this.#closed === undefined) this.resume(entry);
    }
    this.reevaluate();
  }

  /** The host of a session is gone, and the session parked by that. */
  onWorkerLost(entry: SessionEntry): void {
    if (entry.parkedSlot === undefined) {
      // Over the limit rather than lost.
      const place = this.#parts.governor.parked();
      if (isPermit(place)) entry.parkedSlot = place;
    }
    this.#settle(entry);
    if (entry.hasWaiting && this.#closed === undefined) this.resume(entry);
  }

  #settle(entry: SessionEntry): void {
    entry.state = "parked";
    entry.liveSlot?.release();
    entry.liveSlot = undefined;
    this.#parts.parked(entry);
  }

  #returnToParked(entry: SessionEntry, failed: Failure): void {
    entry.state = "parked";
    entry.liveSlot?.release();
    entry.liveSlot = undefined;
    entry.releaseWaiters(failed);
    this.reevaluate();
  }

  #touch(entry: SessionEntry): void {
    entry.usedAt = this.#parts.clock.monotonic();
  }

  #park(entry: SessionEntry): boolean {
    const place = this.#parts.governor.parked();
    if (!isPermit(place)) return false;
    entry.parkedSlot = place;
    entry.state = "parking";
    this.#parts.park(entry);
    return true;
  }

  #parkIdle(): void {
    const { clock, governor, entries } = this.#parts;
    const before = clock.monotonic() - governor.limits.idleSessionMs;
    for (const entry of [...entries.values()]) {
      if (entry.usedAt <= before && entry.parkable && !this.#park(entry)) return;
    }
  }

  /** Serves the first who waits, or sees to it that somebody makes room; false when there is nothing to do. */
  #serveNext(): boolean {
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
    const idlest = all.filter((entry) => entry.parkable).reduce<SessionEntry | undefined>(
      (best, entry) => best === undefined || entry.usedAt < best.usedAt ? entry : best,
      undefined,
    );
    if (idlest !== undefined && this.#park(idlest)) return true;
    if (all.some((entry) => entry.willBecomeParkable)) return false;
    // Nobody will ever go: inMemory, busy and watched sessions stay.
    this.#queue.shift();
    first(got);
    return true;
  }
}
