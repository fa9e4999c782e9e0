// Does: holds what the server thread knows of one session, and which states may follow each other.
// Used by: every service of this folder. `SessionLifecycle` alone changes the state.
// Invariant: a session holds a live slot from `building` to `parked`, and a parked slot from `parking` to `live`.
import type { Permit } from "../../governor/governor.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { SessionInfo } from "../../protocol/schema/responses.ts";

/**
 * `waiting` for a live slot; `building` on its worker; `live`; `parking`, its worker was asked to release it; `parked`;
 * `resuming`, it waits for a live slot or is being built again.
 */
export type SessionEntryState = "waiting" | "building" | "live" | "parking" | "parked" | "resuming";

/** The states that may follow each state. */
export const NEXT_STATES: Readonly<Record<SessionEntryState, readonly SessionEntryState[]>> = {
  waiting: ["building"],
  building: ["live"],
  live: ["parking"],
  // Back to live when the worker refuses.
  parking: ["live", "parked"],
  parked: ["resuming"],
  resuming: ["live", "parked"],
};

/** A callback for the moment when a session runs, with the reason when it will not. */
export type OnRunning = (failed: Failure | undefined) => void;

let write: (entry: SessionEntry, state: SessionEntryState) => void;

/** Writes the state without a check: for `SessionLifecycle`. */
export function writeState(entry: SessionEntry, state: SessionEntryState): void {
  write(entry, state);
}

/** One session. */
export class SessionEntry {
  readonly sessionId: string;
  /** Where it runs, or ran last. */
  worker = 0;
  /** Known once the session is built. */
  epoch = "";
  /** Called when the record was replaced. */
  onRecord: () => void = () => {};
  /** Canonical path of its file. */
  file: string | undefined;
  inMemory: boolean;
  /** Its place among the live sessions. */
  liveSlot: Permit | undefined;
  /** Its place among the parked sessions. */
  parkedSlot: Permit | undefined;
  /** Commands without an answer. */
  inFlight = 0;
  /** On the monotonic clock: the last use. */
  usedAt: number;
  /** `usedAt` at the moment when its worker refused to park it: asking again is useless until the next use. */
  parkRefusedAt: number | undefined;
  /** A client subscribes to this very session. */
  watched = false;
  /** Once it is removed: resolves when it is removed from the disk too, or with the reason why it is not. */
  removed: Promise<string | undefined> | undefined;
  #state: SessionEntryState;
  #record: SessionRecord | undefined;
  #waiting: OnRunning[] = [];

  static {
    write = (entry, state) => entry.#state = state;
  }

  constructor(sessionId: string, now: number, inMemory: boolean, state: "waiting" | "parked" = "waiting") {
    this.sessionId = sessionId;
    this.usedAt = now;
    this.inMemory = inMemory;
    this.#state = state;
  }

  /** The last record of the session; known once the session is built. */
  get record(): SessionRecord | undefined {
    return this.#record;
  }

  set record(record: SessionRecord | undefined) {
    this.#record = record;
    this.onRecord();
  }

  get state(): SessionEntryState {
    return this.#state;
  }

  /** Whether messages to it reach its worker. */
  get isRunning(): boolean {
    return this.#state === "building" || this.#state === "live";
  }

  /** Whether it may become parkable soon. */
  get willBecomeParkable(): boolean {
    if (this.inMemory || this.liveSlot === undefined) return false;
    return this.#state === "building" || this.#state === "resuming" || this.#state === "parking";
  }

  /** Whether it is worth asking its worker to park it. */
  get parkable(): boolean {
    return this.#state === "live" && !this.inMemory && !this.watched && this.inFlight === 0 &&
      this.record !== undefined && this.parkRefusedAt !== this.usedAt;
  }

  /** Calls `fn` once the session runs, or cannot run. */
  onRunning(fn: OnRunning): void {
    this.#waiting.push(fn);
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Calls every callback that waits. */
  releaseWaiters(failed: Failure | undefined): void {
    for (const fn of this.#waiting.splice(0)) fn(failed);
  }

  /** The information that clients get while the session is parked. */
  info(subscribers: number): SessionInfo | undefined {
    if (this.record === undefined) return undefined;
    const { sessionId, ...info } = this.record.info;
    return {
      sessionId,
      ...info,
      isStreaming: false,
      isCompacting: false,
      pendingMessageCount: 0,
      status: "parked",
      subscribers,
      epoch: this.epoch,
      seq: info.epoch === this.epoch ? info.seq : 0,
    };
  }
}
