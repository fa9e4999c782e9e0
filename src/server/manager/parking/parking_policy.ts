// Does: decides which session is parked, which waiting command gets the next live slot, and who is refused.
// Used by: parked_sessions.ts, which sends the messages.
// Invariant: slots go to those that wait in their order, and no slot is lost.
import { isPermit, type Permit } from "../../../governor/governor.ts";
import type { SessionRecord } from "../../../ipc/session_record.ts";
import type { Failure } from "../../../protocol/errors.ts";
import type { Timer } from "../../../runtime/runtime.ts";
import type { SessionContext } from "../session_context.ts";
import type { SessionEntry } from "../session_entry.ts";

/** The shared objects that the policy uses. */
export type ParkingContext = Pick<SessionContext, "clock" | "governor" | "registry" | "lifecycle">;

/** Carries the decisions out. */
export interface SessionMover {
  /** Asks the worker to release a session; `onParkResult` follows. */
  park(entry: SessionEntry): void;
  /** Has a session built again; `onResumed` follows. */
  build(entry: SessionEntry): void;
}

/** Called with a live slot, or the reason why there is none. */
export type SlotCallback = (got: Permit | Failure) => void;

/** The idle sessions are looked for ten times in the idle time, within these bounds. */
const LOOK_LEAST_MS = 20;
const LOOK_MOST_MS = 10_000;

/** The parking of one server's sessions. */
export class ParkingPolicy {
  readonly #context: ParkingContext;
  readonly #mover: SessionMover;
  /** Those that wait for a live slot, first come first served. */
  readonly #queue: SlotCallback[] = [];
  #timer: Timer | undefined;
  #closed: Failure | undefined;
  #pumping = false;

  constructor(context: ParkingContext, mover: SessionMover) {
    this.#context = context;
    this.#mover = mover;
  }

  /** Starts to look for idle sessions. */
  start(): void {
    const { clock, governor } = this.#context;
    const ms = Math.min(LOOK_MOST_MS, Math.max(LOOK_LEAST_MS, governor.limits.idleSessionMs / 10));
    this.#timer = clock.after(ms, () => {
      this.#parkIdle();
      this.start();
    });
  }

  /** Parks no session from now on, and refuses those that wait for a slot. */
  stop(why: Failure): void {
    this.#timer?.clear();
    this.#closed = why;
    for (const onSlot of this.#queue.splice(0)) onSlot(why);
  }

  /** Gets a live slot: at once, or as soon as another session is parked for it. */
  acquireSlot(onSlot: SlotCallback): void {
    if (this.#closed !== undefined) return onSlot(this.#closed);
    this.#queue.push(onSlot);
    this.reevaluate();
  }

  /** Call after every change: there may be a free slot now, or a session to park. */
  reevaluate(): void {
    // One change may cause the next: one loop handles all of them, in order.
    if (this.#pumping || this.#queue.length === 0) return;
    this.#pumping = true;
    while (this.#serveNext());
    this.#pumping = false;
  }

  /** Brings a parked session back, and calls what waits for it. */
  resume(entry: SessionEntry): void {
    this.#context.lifecycle.to(entry, "resuming");
    this.acquireSlot((got) => {
      if (entry.state !== "resuming") return isPermit(got) ? got.release() : undefined;
      if (!isPermit(got)) return this.#returnToParked(entry, got);
      entry.liveSlot = got;
      this.#mover.build(entry);
    });
  }

  /** A session that was to be built again is live, or could not be built. */
  onResumed(entry: SessionEntry, failed: Failure | undefined): void {
    if (failed !== undefined) return this.#returnToParked(entry, failed);
    this.#context.lifecycle.to(entry, "live");
    entry.usedAt = this.#context.clock.monotonic();
    entry.releaseWaiters(undefined);
    this.reevaluate();
  }

  /** A worker has released a session, or has refused: then there is no record. */
  onParkResult(entry: SessionEntry, record: SessionRecord | undefined): void {
    if (record === undefined) {
      this.#context.lifecycle.to(entry, "live");
      entry.parkRefusedAt = entry.usedAt;
      entry.releaseWaiters(undefined);
    } else {
      entry.record = record;
      this.#finishPark(entry);
    }
    this.reevaluate();
  }

  /** The worker of a session is gone, which parks the session. */
  onWorkerLost(entry: SessionEntry): void {
    if (entry.parkedSlot === undefined) {
      // Without a slot it is parked over the limit, rather than lost.
      const slot = this.#context.governor.parked();
      if (isPermit(slot)) entry.parkedSlot = slot;
    }
    this.#finishPark(entry);
  }

  #finishPark(entry: SessionEntry): void {
    const { lifecycle } = this.#context;
    lifecycle.to(entry, "parked");
    lifecycle.detach(entry);
    if (entry.hasWaiting && this.#closed === undefined) this.resume(entry);
  }

  #returnToParked(entry: SessionEntry, failed: Failure): void {
    this.#context.lifecycle.to(entry, "parked");
    entry.releaseWaiters(failed);
    this.reevaluate();
  }

  #park(entry: SessionEntry): boolean {
    const slot = this.#context.governor.parked();
    if (!isPermit(slot)) return false;
    entry.parkedSlot = slot;
    this.#context.lifecycle.to(entry, "parking");
    this.#mover.park(entry);
    return true;
  }

  #parkIdle(): void {
    const { clock, governor, registry } = this.#context;
    const before = clock.monotonic() - governor.limits.idleSessionMs;
    for (const entry of [...registry.entries.values()]) {
      if (entry.usedAt <= before && entry.parkable && !this.#park(entry)) return;
    }
  }

  /** Serves the first that waits, or parks a session for it. False when there is nothing to do. */
  #serveNext(): boolean {
    const [first] = this.#queue;
    if (first === undefined) return false;
    const { governor, registry } = this.#context;
    const got = governor.session();
    if (isPermit(got)) {
      this.#queue.shift();
      first(got);
      return true;
    }
    const all = [...registry.entries.values()];
    const leaving = all.filter(({ state }) => state === "parking").length;
    if (leaving >= this.#queue.length) return false;
    const leastRecent = all.filter((entry) => entry.parkable).reduce<SessionEntry | undefined>(
      (best, entry) => best === undefined || entry.usedAt < best.usedAt ? entry : best,
      undefined,
    );
    if (leastRecent !== undefined && this.#park(leastRecent)) return true;
    if (all.some((entry) => entry.willBecomeParkable)) return false;
    // No session can be parked: inMemory, busy and watched sessions stay.
    this.#queue.shift();
    first(got);
    return true;
  }
}
