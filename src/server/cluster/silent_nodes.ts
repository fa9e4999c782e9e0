// Does: decides when the virtual connections to a silent node end. A busy node is silent too, and goes on later.
// Used by: cluster.ts, when a node does not speak any more.
// Invariant: a node that has lost NATS is given up at once, any other one after LOST_MS of silence.
import type { Clock, Timer } from "../../runtime/runtime.ts";
import type { Bus } from "./bus.ts";
import { SILENT_MS } from "./members.ts";
import { LOST_MS } from "./wire/channel.ts";

export interface SilentNodesParts {
  readonly clock: Clock;
  readonly bus: Pick<Bus, "connected" | "ask">;
  /** The subject on which only that start of a node answers. */
  aliveSubject(instance: string): string;
  /** Ends the virtual connections to that start of a node. */
  giveUp(instance: string): void;
}

interface Silent {
  readonly instance: string;
  readonly timer: Timer;
}

/** Nodes that are silent and not given up. */
export class SilentNodes {
  readonly #parts: SilentNodesParts;
  readonly #silent = new Map<string, Silent>();

  constructor(parts: SilentNodesParts) {
    this.#parts = parts;
  }

  /** A node has been silent for SILENT_MS. */
  async silent(node: string, instance: string): Promise<void> {
    const { clock, bus, giveUp, aliveSubject } = this.#parts;
    if (!bus.connected) return giveUp(instance);
    const end = (): void => {
      if (this.#forget(node, instance)) giveUp(instance);
    };
    this.#silent.set(node, { instance, timer: clock.after(LOST_MS - SILENT_MS, end) });
    // NATS knows whether the node has a connection. Whether it answers does not matter.
    if (!await bus.ask(aliveSubject(instance)).catch(() => false)) end();
  }

  /** A node speaks again, or it was started again. */
  heard(node: string, instance: string): void {
    const silent = this.#silent.get(node);
    if (silent === undefined) return;
    this.#forget(node, silent.instance);
    if (silent.instance !== instance) this.#parts.giveUp(silent.instance);
  }

  /** Gives up no node any more. */
  close(): void {
    for (const { timer } of this.#silent.values()) timer.clear();
    this.#silent.clear();
  }

  #forget(node: string, instance: string): boolean {
    const silent = this.#silent.get(node);
    if (silent?.instance !== instance) return false;
    silent.timer.clear();
    return this.#silent.delete(node);
  }
}
