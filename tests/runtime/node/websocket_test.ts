// A peer on Node whose connection brings a full read rests until its turn, and one that goes on after its close is cut.
import { assertEquals } from "@std/assert";
import { EventEmitter } from "node:events";
import { setImmediate } from "node:timers";
import { type ClosingSocket, NodeSocket } from "../../../src/runtime/node/websocket.ts";
import { Unfinished } from "../../../src/runtime/websocket/unfinished_messages.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** What `ws` makes of a connection, and the connection. */
class Peer {
  readonly events = new EventEmitter();
  readonly stream = new EventEmitter();
  /** What was asked of the connection. */
  readonly asked: string[] = [];
  terminated = 0;
  readonly fake = {
    OPEN: 1,
    readyState: 1,
    isPaused: false,
    on: (name: string, fn: () => void) => this.events.on(name, fn),
    terminate: () => this.terminated++,
  };
  readonly socket: NodeSocket;

  constructor() {
    Object.assign(this.stream, {
      pause: () => void this.asked.push("pause"),
      resume: () => void this.asked.push("resume"),
    });
    // A NodeSocket uses only these parts.
    const socket = this.fake as unknown as ClosingSocket;
    const stream = this.stream as unknown as ConstructorParameters<typeof NodeSocket>[1];
    this.socket = new NodeSocket(socket, stream, 60_000, new Unfinished(10 * MIB));
  }

  /** Bytes have arrived. */
  brings(bytes: number): void {
    this.stream.emit("data", new Uint8Array(bytes));
  }

  [Symbol.dispose](): void {
    this.events.emit("close");
  }
}

/** One turn of the event loop. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

Deno.test("node socket: a connection rests after a full read, and reads on in its turn", async () => {
  using peer = new Peer();
  peer.brings(64 * KIB - 1);
  assertEquals(peer.asked, []);
  peer.brings(64 * KIB);
  peer.brings(64 * KIB);
  assertEquals(peer.asked, ["pause"], "it rests once");
  await turn();
  assertEquals(peer.asked, ["pause", "resume"]);
  peer.brings(64 * KIB);
  await turn();
  assertEquals(peer.asked, ["pause", "resume", "pause", "resume"]);
});

Deno.test("node socket: of many connections that rest two read on in a turn, first come first served", async () => {
  const peers = Array.from({ length: 5 }, () => new Peer());
  const [last] = peers;
  const reading = (): number[] => peers.flatMap(({ asked }, n) => asked.at(-1) === "resume" ? [n] : []);
  for (const peer of peers.toReversed()) peer.brings(64 * KIB);
  await turn();
  assertEquals(reading(), [3, 4]);
  await turn();
  assertEquals(reading(), [1, 2, 3, 4]);
  peers[4]?.brings(64 * KIB);
  await turn();
  assertEquals([last?.asked.at(-1), reading()], ["resume", [0, 1, 2, 3, 4]]);
  for (const peer of peers) peer[Symbol.dispose]();
});

Deno.test("node socket: one that the server has paused does not read on in its turn", async () => {
  using peer = new Peer();
  peer.brings(64 * KIB);
  peer.fake.isPaused = true;
  await turn();
  assertEquals(peer.asked, ["pause"]);
});

Deno.test("node socket: after its close 16 MiB or a thousand frames more end a connection at once", async () => {
  using large = new Peer();
  large.brings(17 * MIB);
  large.fake.readyState = 2;
  for (let n = 0; n < 16; n++) large.brings(MIB);
  assertEquals(large.terminated, 0);
  large.brings(1);
  assertEquals(large.terminated, 1);
  // It has rested, which ends in a later turn.
  await turn();
  using small = new Peer();
  small.fake.readyState = 2;
  for (let n = 0; n < 999; n++) small.events.emit("message", new Uint8Array(1), false);
  assertEquals(small.terminated, 0);
  small.events.emit("ping", new Uint8Array(0));
  assertEquals(small.terminated, 1);
});
