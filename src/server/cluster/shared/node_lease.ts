// Does: holds this node's lease in the bucket, and knows at each moment whether this node may have sessions.
// Used by: cluster.ts with `--shared-sessions`, and takeover.ts for the leases of the others.
// Invariant: the holder stops HELD_MS after it began to renew. Others wait TAKEN_MS after they saw the last renewal.
import { errorMessage } from "../../../base/error_message.ts";
import { tryParseRecord } from "../../../base/json.ts";
import type { Log } from "../../../base/log.ts";
import type { Clock, Timer } from "../../../runtime/runtime.ts";
import type { Bus } from "../bus.ts";

/** Milliseconds that the holder trusts a renewal, from the moment at which it began it. */
export const HELD_MS = 10_000;

/**
 * Milliseconds that others wait after a renewal. Each side measures on its own steady clock. The difference is what a
 * thread needs to end, and what two clocks may differ by in that time.
 */
export const TAKEN_MS = 15_000;

/** Milliseconds between two renewals, and between two looks at the clock. */
const [RENEW_MS, LOOK_MS] = [2_000, 500];

/** The entry of a node in the bucket. */
export interface LeaseEntry {
  /** The start of the node that holds it. */
  readonly instance: string;
  /** Id and path of the state folder. */
  readonly state: string;
  readonly folder: string;
  /** The machine. */
  readonly host: string;
  /** Counts the renewals, so that no two entries are equal. */
  readonly count: number;
  /** The node that has found it to be over. The sessions may be taken over from then on. */
  readonly over?: string;
  /** The holder has ended, and no thread of it is left. */
  readonly free?: true;
}

export interface NodeLeaseParts {
  readonly bus: Bus;
  readonly clock: Clock;
  /** The clock that counts standstills. */
  steady(): number;
  readonly log: Log;
  readonly node: string;
  readonly self: Pick<LeaseEntry, "instance" | "state" | "folder" | "host">;
  /** It is over: nothing of this node's sessions may go on. */
  onLost(): void;
  /**
   * It is back. `over`: other nodes could take sessions meanwhile. Resolves when it is known which, and these are dropped
   * here.
   */
  onBack(over: boolean): Promise<void>;
}

const KEYS = "lease.";

/** The node in the key of a lease. */
export const leaseNode = (key: string): string | undefined =>
  key.startsWith(KEYS) ? key.slice(KEYS.length) : undefined;

/** The key of a node's lease. */
export const leaseKey = (node: string): string => `${KEYS}${node}`;

/** Reads an entry. */
export function parseLease(value: string | undefined): LeaseEntry | undefined {
  const { instance, state, folder, host, count, over, free } = tryParseRecord(value) ?? {};
  if (typeof instance !== "string" || typeof state !== "string" || typeof folder !== "string") {
    return undefined;
  }
  if (typeof host !== "string" || typeof count !== "number") return undefined;
  return {
    ...{ instance, state, folder, host, count },
    ...(typeof over === "string" ? { over } : {}),
    ...(free === true ? { free } : {}),
  };
}

/** `none` before the first; `held`; `lost`; `returning`, while it is confirmed what is left. */
type State = "none" | "held" | "lost" | "returning";

/** This node's lease. */
export class NodeLease {
  readonly #parts: NodeLeaseParts;
  #state: State = "none";
  #revision = 0;
  #count = 0;
  /** On the steady clock. */
  #until = 0;
  /**
   * On the wall clock, which also runs while a machine sleeps. It may be set, so it only has the lease renewed before
   * anything goes on.
   */
  #wallUntil = 0;
  /** Counts the losses. */
  #term = 0;
  #renewedAt = 0;
  #timer: Timer | undefined;
  #busy = false;
  #closed = false;

  constructor(parts: NodeLeaseParts) {
    this.#parts = parts;
  }

  /** Whether this node may have sessions now. */
  get valid(): boolean {
    return this.#state === "held" && this.steady() < this.#until && !this.#isDoubtful;
  }

  /** On the steady clock: when writes to session files must end. */
  get until(): number {
    return this.valid ? this.#until : 0;
  }

  /** Counts the losses. */
  get term(): number {
    return this.#term;
  }

  steady(): number {
    return this.#parts.steady();
  }

  /**
   * Takes the lease at the start of a node. Waits while an earlier start of it may live on another machine. True when
   * other nodes may have taken sessions over.
   */
  async acquire(): Promise<boolean> {
    const { bus, node, self, log } = this.#parts;
    let seen: { readonly value: string; readonly at: number } | undefined;
    for (;;) {
      const found = await bus.get(leaseKey(node));
      const entry = parseLease(found?.value);
      const ended = entry === undefined || entry.over !== undefined || entry.free === true ||
        // The state folder has one owner on this machine, so the earlier process is gone.
        entry.host === self.host && entry.state === self.state;
      if (found?.value !== seen?.value) {
        seen = found === undefined ? undefined : { value: found.value, at: this.steady() };
        if (!ended) log.info("waits for the lease of an earlier server of this name", { host: entry.host });
      }
      if (ended || seen !== undefined && this.steady() - seen.at >= TAKEN_MS) {
        if (await this.#put(found?.revision)) {
          this.#state = "held";
          this.#start();
          return entry?.over !== undefined;
        }
      } else await new Promise<void>((resolve) => this.#parts.clock.after(LOOK_MS, resolve));
    }
  }

  /** Gives it back. The threads with sessions have ended. */
  async close(): Promise<void> {
    const held = this.valid;
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.clear();
    if (!held) return;
    await this.#write(this.#revision, { free: true }).catch(() => {});
  }

  /** Removes it: sessions are not shared any more. */
  async remove(): Promise<void> {
    this.#closed = true;
    this.#timer?.clear();
    await this.#parts.bus.remove(leaseKey(this.#parts.node), this.#revision);
    this.#state = "none";
  }

  get #isDoubtful(): boolean {
    return this.#parts.clock.now() >= this.#wallUntil;
  }

  /** Renews it from now on. */
  #start(): void {
    this.#timer = this.#parts.clock.after(LOOK_MS, () => {
      if (this.#closed) return;
      this.#start();
      this.#look();
    });
  }

  /** Timers may wait for the rest of their time after a standstill, so the clock is looked at often. */
  #look(): void {
    if (this.#state === "held" && this.steady() >= this.#until) this.#lose("it was not renewed in time");
    const fresh = this.#state === "held" && !this.#isDoubtful && this.steady() - this.#renewedAt < RENEW_MS;
    if (this.#busy || fresh) return;
    this.#busy = true;
    const step = this.#state === "lost" ? this.#recover() : this.#renew();
    void step.catch((error) => {
      this.#parts.log.debug("the lease was not renewed", { reason: errorMessage(error) });
    }).finally(() => this.#busy = false);
  }

  async #renew(): Promise<void> {
    if (await this.#put(this.#revision)) return;
    const found = await this.#parts.bus.get(leaseKey(this.#parts.node));
    const entry = parseLease(found?.value);
    // The answer to an earlier renewal was lost.
    const own = entry?.instance === this.#parts.self.instance && entry.over === undefined;
    if (own && found !== undefined && await this.#put(found.revision)) return;
    this.#lose(own ? "it has changed" : "another node has found it to be over");
  }

  /** Takes the lease again. */
  async #recover(): Promise<void> {
    const { bus, node, self } = this.#parts;
    const found = await bus.get(leaseKey(node));
    const entry = parseLease(found?.value);
    // Another start of this node has it, and its sessions with it.
    if (entry !== undefined && entry.over === undefined && entry.instance !== self.instance) return;
    if (!await this.#put(found?.revision)) return;
    this.#state = "returning";
    // Meanwhile it is renewed. A further loss begins anew.
    void this.#return(entry?.over !== undefined);
  }

  async #return(over: boolean): Promise<void> {
    const { log, onBack } = this.#parts;
    const term = this.#term;
    try {
      await onBack(over);
    } catch (error) {
      log.warn("the sessions of this node are not confirmed yet", { reason: errorMessage(error) });
      if (this.#term === term) this.#lose("");
      return;
    }
    if (this.#term !== term) return;
    this.#state = "held";
    log.info("this node has its lease again");
  }

  #lose(why: string): void {
    const { log, onLost } = this.#parts;
    const before = this.#state;
    this.#state = "lost";
    this.#term++;
    if (before !== "held") return;
    log.error(
      `this node has lost its lease (${why}): its sessions are ended here, and others may take them over`,
    );
    onLost();
  }

  /** Writes this node's entry in place of that revision. False when the entry has another one. */
  async #put(revision: number | undefined): Promise<boolean> {
    const [at, wall] = [this.steady(), this.#parts.clock.now()];
    const written = await this.#write(revision, {});
    if (written === undefined) return false;
    [this.#revision, this.#renewedAt] = [written, at];
    [this.#until, this.#wallUntil] = [at + HELD_MS, wall + HELD_MS];
    return true;
  }

  #write(revision: number | undefined, more: Partial<LeaseEntry>): Promise<number | undefined> {
    const { bus, node, self } = this.#parts;
    const text = JSON.stringify({ ...self, count: ++this.#count, ...more } satisfies LeaseEntry);
    return revision === undefined
      ? bus.create(leaseKey(node), text)
      : bus.update(leaseKey(node), text, revision);
  }
}
