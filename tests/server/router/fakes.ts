// A peer's pipe that takes as much as the test lets it, for the tests of the router's rooms.
import { ADMIN } from "../../../src/server/auth/access.ts";
import { Connection } from "../../../src/server/router/connection.ts";
import type { OutboxLimits } from "../../../src/server/router/outbox.ts";
import type { Peer } from "../../../src/server/router/peer.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";

/** More than any test queues. */
export const ROOMY: OutboxLimits = {
  outboxSoftBytes: 1_000_000,
  outboxHardBytes: 1_000_000,
  outboxCloseBytes: 1_000_000,
};

/** A peer that keeps what it is sent. */
export class FakePeer implements Peer {
  readonly transport = "memory";
  readonly blocksWhenFull: boolean;
  readonly sent: string[] = [];
  readonly closes: number[] = [];
  buffered = 0;
  onDrain: () => void = () => {};
  onSend: () => void = () => {};
  onClose: () => void = () => {};
  /** Whether what is sent stays in the peer until `drain`. */
  stalled = false;

  constructor(waits = false) {
    this.blocksWhenFull = waits;
  }

  send(text: string): void {
    this.sent.push(text);
    if (this.stalled) this.buffered += text.length;
    this.onSend();
  }

  /** The peer takes everything. */
  drain(): void {
    this.buffered = 0;
    this.onDrain();
  }

  close(code: number): void {
    this.closes.push(code);
    this.onClose();
  }
}

/** A connection over that peer. */
export function connectionOver(
  peer: FakePeer,
  over: Partial<OutboxLimits> = {},
  giveUp: (connection: Connection, reason: "full" | "stalled") => void = () => {},
): Connection {
  const limits = { ...ROOMY, ...over };
  return new Connection({ id: 1, peer, clock: new FakeClock(), limits, access: ADMIN, giveUp });
}
