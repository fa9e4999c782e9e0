// One session in the router thread's book: where it runs or that it is parked, its place among the live ones, and
// what waits until it runs again. A state machine; who moves it is in session_manager.ts and parking_policy.ts.
import type { Permit } from "../../governor/governor.ts";
import type { SessionRecord } from "../../ipc/session_record.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { SessionInfo } from "../../protocol/schema/responses.ts";

/**
 * `waiting` for a place among the live ones; `building` on its host; `live`; `parking`, its host was asked to let
 * go; `parked`; `resuming`, it waits for a place or is being built again.
 */
export type SessionEntryState = "waiting" | "building" | "live" | "parking" | "parked" | "resuming";

/** Something that waits for a session to run; told why when it will not. */
export type Waiting = (failed: Failure | undefined) => void;

/** One session. */
export class SessionEntry {
  readonly sessionId: string;
  state: SessionEntryState = "waiting";
  /** Where it runs, or ran last. */
  host = 0;
  /** Known once the session is built. */
  epoch = "";
  /** What is kept of it; known once the session is built. */
  record: SessionRecord | undefined;
  /** Canonical path of its file. */
  file: string | undefined;
  inMemory: boolean;
  /** Its place among the live sessions. */
  liveSlot: Permit | undefined;
  /** Its place among the parked ones. */
  parkedSlot: Permit | undefined;
  /** Commands under way. */
  inFlight = 0;
  /** On the monotonic clock: when it was last used. */
  usedAt: number;
  /** `usedAt` when its host refused to let go of it: before it is used again there is no use in asking. */
  parkRefusedAt: number | undefined;
  /** Somebody subscribes to this very session. */
  watched = false;
  /** Once it is forgotten: resolves when it is forgotten on disk too, or with why it is not. */
  removed: Promise<string | undefined> | undefined;
  #waiting: Waiting[] = [];

  constructor(sessionId: string, now: number, inMemory: boolean) {
    this.sessionId = sessionId;
    this.usedAt = now;
    this.inMemory = inMemory;
  }

  /** Whether messages to it reach its host. */
  get isRunning(): boolean {
    return this.state === "building" || this.state === "live";
  }

  /** Whether there is reason to hope that it can be parked before long. */
  get willBecomeParkable(): boolean {
    if (this.inMemory || this.liveSlot === undefined) return false;
    return this.state === "building" || this.state === "resuming" || this.state === "parking";
  }

  /** Whether its host is worth asking to let go of it. */
  get parkable(): boolean {
    return this.state === "live" && !this.inMemory && !this.watched && this.inFlight === 0 &&
      this.record !== undefined && this.parkRefusedAt !== this.usedAt;
  }

  /** Calls `fn` once the session runs, or cannot. */
  onRunning(fn: Waiting): void {
    this.#waiting.push(fn);
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Lets go what waited. */
  releaseWaiters(failed: Failure | undefined): void {
    for (const fn of this.#waiting.splice(0)) fn(failed);
  }

  /** The state that clients see while it is parked. */
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
