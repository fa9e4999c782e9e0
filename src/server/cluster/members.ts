// Does: tells the other nodes once a second that this one lives and how much room it has, and knows who else lives.
// Used by: cluster.ts. Invariant: a node is gone after SILENT_MS without a word, by this node's own clock.
import { isRecord, tryParseRecord } from "../../base/json.ts";
import type { NodeInfo } from "../../protocol/schema/monitoring_commands.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { Bus } from "./bus.ts";

/** Milliseconds between two words of a node. */
const BEAT_MS = 1_000;

/** Milliseconds of silence after which a node counts as gone. */
export const SILENT_MS = 3_500;

/** Milliseconds by which this node may be late with its own word before it counts as having stood still. */
const LATE_MS = 500;

/** A node, as its last word describes it. */
export interface Member {
  readonly info: NodeInfo;
  /** Id of this start of the node. */
  readonly instance: string;
  /** The node's clock at that word, and this node's monotonic one. */
  readonly saidAt: number;
  heardAt: number;
}

export interface MembersParts {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly prefix: string;
  readonly instance: string;
  /** What this node says of itself now. */
  self(): NodeInfo;
}

/** What members report. */
export interface MemberEvents {
  /** A node lives: it is new, it is back, or it was started again. */
  onAlive(member: Member): void;
  /** A node has left, or is silent. */
  onGone(member: Member, left: boolean): void;
  /** A word of a node that lives, or of this one. */
  onHeard(info: NodeInfo): void;
}

/** The nodes of the cluster. */
export class Members {
  readonly #parts: MembersParts;
  readonly #events: MemberEvents;
  readonly #alive = new Map<string, Member>();
  /** Nodes that were known once, by name. */
  readonly #gone = new Map<string, Member>();
  readonly #waiting = new Map<string, () => void>();
  #timer: Timer | undefined;
  #speaking = false;
  /** When this node heard itself, which tells whether NATS carries messages. */
  #selfAt: number;
  #tickedAt: number;
  /** Since when this node has had no connection to NATS. */
  #lostAt: number | undefined;

  constructor(parts: MembersParts, events: MemberEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#selfAt = this.#tickedAt = parts.clock.monotonic();
  }

  /** Listens to the others, and asks them for a word at once. */
  listen(): void {
    const { bus, prefix } = this.#parts;
    bus.subscribe(`${prefix}.beat`, (data) => this.#heard(new TextDecoder().decode(data)));
    bus.subscribe(`${prefix}.who`, () => {
      if (this.#speaking) this.#say();
    });
    bus.publish(`${prefix}.who`, "");
  }

  /** Speaks from now on. */
  start(): void {
    this.#speaking = true;
    this.#selfAt = this.#tickedAt = this.#parts.clock.monotonic();
    this.#tick();
  }

  /** Says that this node has changed. */
  announce(): void {
    if (this.#speaking) this.#say();
  }

  /** NATS is lost, or it is back. No other node can be heard meanwhile, so what is left of the silence begins after it. */
  connection(connected: boolean): void {
    const now = this.#parts.clock.monotonic();
    if (!connected) this.#lostAt ??= now;
    else if (this.#lostAt !== undefined) {
      this.#leaveOut(now - this.#lostAt, now);
      this.#lostAt = undefined;
      this.announce();
    }
  }

  /** Leaves: the others need not wait for the silence. */
  stop(): void {
    this.#timer?.clear();
    if (this.#speaking) this.#say(true);
    this.#speaking = false;
  }

  /** The nodes that live, without this one. */
  get alive(): readonly Member[] {
    return [...this.#alive.values()];
  }

  /** The nodes that lived once, and do not now. */
  get gone(): readonly Member[] {
    return [...this.#gone.values()];
  }

  /** A living node by its name. */
  get(node: string): Member | undefined {
    return this.#alive.get(node);
  }

  /** Resolves when that start of a node was heard. */
  whenHeard(instance: string): Promise<void> {
    if (this.alive.some((member) => member.instance === instance)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(instance, resolve));
  }

  /** Whether this node's own words come back to it: false when NATS carries nothing. */
  get heardItself(): boolean {
    return this.#parts.clock.monotonic() - this.#selfAt < SILENT_MS;
  }

  #tick(): void {
    this.#timer = this.#parts.clock.after(BEAT_MS, () => this.#tick());
    this.#say();
    const now = this.#parts.clock.monotonic();
    const lateMs = now - this.#tickedAt - BEAT_MS;
    // What the others said while this node stood still waits to be read.
    if (lateMs >= LATE_MS) this.#leaveOut(lateMs, now);
    this.#tickedAt = now;
    for (const member of [...this.#alive.values()]) {
      if (member.heardAt < now - SILENT_MS) this.#drop(member, false);
    }
  }

  /** Some of the last time does not count as silence. */
  #leaveOut(ms: number, now: number): void {
    for (const member of this.#alive.values()) member.heardAt = Math.min(now, member.heardAt + ms);
    this.#selfAt = Math.min(now, this.#selfAt + ms);
  }

  #say(left = false): void {
    const { bus, prefix, instance, clock, self } = this.#parts;
    bus.publish(`${prefix}.beat`, JSON.stringify({ instance, at: clock.now(), left, ...self() }));
  }

  #heard(text: string): void {
    const word = tryParseRecord(text);
    if (word === undefined) return;
    const { instance, at, left, ...info } = word;
    if (typeof instance !== "string" || typeof at !== "number" || !isNodeInfo(info)) return;
    const now = this.#parts.clock.monotonic();
    if (instance === this.#parts.instance) {
      this.#selfAt = now;
      return this.#events.onHeard(info);
    }
    const member: Member = { info, instance, saidAt: at, heardAt: now };
    const known = this.#alive.get(info.node);
    if (left === true) {
      if (known?.instance === instance) this.#drop(member, true);
      return;
    }
    if (known !== undefined && known.instance !== instance) this.#drop(known, true);
    this.#waiting.get(instance)?.();
    this.#waiting.delete(instance);
    this.#gone.delete(info.node);
    this.#alive.set(info.node, member);
    this.#events.onHeard(info);
    if (known?.instance !== instance) this.#events.onAlive(member);
  }

  #drop(member: Member, left: boolean): void {
    this.#alive.delete(member.info.node);
    this.#gone.set(member.info.node, member);
    this.#events.onGone(member, left);
  }
}

function isNodeInfo(value: unknown): value is NodeInfo {
  if (!isRecord(value)) return false;
  const { node, state, sessions, version } = value;
  return typeof node === "string" && typeof state === "string" && typeof version === "string" &&
    isRecord(sessions) && typeof sessions["live"] === "number" && typeof sessions["limit"] === "number";
}
