// A simulated world for delivery: a real router, manager, worker and session in one thread, on a clock that the
// test moves, with an agent that streams at random and peers that read when the test lets them.
import { CURSORS } from "../support/server/greeting.ts";
import { Governor } from "../../src/governor/governor.ts";
import { type Limits, withDefaults } from "../../src/governor/limits.ts";
import type { AgentPort } from "../../src/worker/session/agent_port.ts";
import type { FromWorker, ToWorker } from "../../src/ipc/messages.ts";
import { SessionWorker } from "../../src/worker/session_worker.ts";
import { createLog } from "../../src/base/log.ts";
import { CommandJournal } from "../../src/server/journal/command_journal.ts";
import { SessionManager } from "../../src/server/manager/session_manager.ts";
import type { SessionEvent } from "../../src/protocol/events.ts";
import type { Connection } from "../../src/server/router/connection.ts";
import { Router } from "../../src/server/router/router.ts";
import type { Peer as RouterPeer } from "../../src/server/router/peer.ts";
import { common } from "../../src/runtime/common.ts";
import type { Runtime, Timer } from "../../src/runtime/runtime.ts";
import { PLAIN_FORMAT } from "../worker/support/fake_format.ts";
import { EVERYWHERE } from "../worker/support/fake_runtime.ts";
import { AS_FOUND } from "../../src/protocol/pi_package.ts";

/** Microtasks that anything here needs to come to rest; far more than the longest chain. */
const DEPTH = 40;

/** Lets promises run; no turn of the event loop, so that a thousand runs take seconds. */
export async function rest(): Promise<void> {
  for (let at = 0; at < DEPTH; at++) await Promise.resolve();
}

/** A clock that the test moves. */
export class SimClock {
  #now = 0;
  readonly #due = new Set<{ at: number; fn: () => void }>();

  readonly now = (): number => this.#now;
  readonly monotonic = (): number => this.#now;
  readonly after = (ms: number, fn: () => void): Timer => {
    const due = { at: this.#now + ms, fn };
    this.#due.add(due);
    return { clear: () => void this.#due.delete(due) };
  };

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await rest();
    while (true) {
      const [next] = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
      await rest();
    }
    this.#now = end;
  }
}

/** Numbers from a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A peer whose network takes nothing until the test reads. */
export class Peer implements RouterPeer {
  readonly transport = "memory";
  readonly blocksWhenFull = false;
  onDrain: () => void = () => {};
  closed: number | undefined;
  readonly #pipe: string[] = [];

  get buffered(): number {
    return this.#pipe.reduce((sum, text) => sum + text.length, 0);
  }

  send(text: string): void {
    this.#pipe.push(text);
  }

  close(code: number): void {
    this.closed = code;
  }

  /** Takes up to that many messages off the network. */
  read(most: number): unknown[] {
    const read: unknown[] = [];
    while (read.length < most) {
      const text = this.#pipe.shift();
      if (text === undefined) break;
      read.push(JSON.parse(text));
      this.onDrain();
    }
    return read;
  }
}

/** The world, with one session called `s`. */
export class World {
  readonly clock = new SimClock();
  readonly router: Router;
  #emit: (event: SessionEvent) => void = () => {};

  constructor(agent: AgentPort, limits: Partial<Limits>) {
    let uuids = 0;
    const { now, monotonic, after } = this.clock;
    const uuid = (): string => `u${++uuids}`;
    const governor = new Governor(
      withDefaults({ commandsPerMinute: 1e6, commandsPerMinutePerSession: 1e6, ...limits }),
    );
    const log = createLog({ level: "silent", format: "text", now, write: () => {} });
    const runtime = { ...common, files: EVERYWHERE, now, monotonic, after, uuid } as unknown as Runtime;
    const manager = new SessionManager({
      clock: this.clock,
      uuid,
      governor,
      log,
      journal: new CommandJournal({ clock: this.clock, log, limits: governor.limits, sha256: common.sha256 }),
      workers: 1,
      starts: 1,
      config: {
        cwd: "/",
        roots: ["/"],
        trustProjects: false,
        resources: AS_FOUND,
        demo: false,
        engine: "0.73",
        pendingUi: 8,
        outputDir: "/nowhere",
      },
      start: (config, events) => {
        const load = () =>
          Promise.resolve({
            format: PLAIN_FORMAT,
            sessionFolders: [],
            build: (_: unknown, hooks: { emit(event: SessionEvent): void }) => {
              this.#emit = (event) => hooks.emit(event);
              return Promise.resolve({ ok: true as const, value: agent });
            },
          });
        const worker = new SessionWorker(runtime, load, (batch: readonly FromWorker[]) => {
          for (const message of structuredClone(batch)) events.onMessage(message);
        });
        worker.receive({ kind: "start", config });
        const send = (message: ToWorker): void => worker.receive(structuredClone(message));
        return { send, terminate: () => {}, dismiss: () => {} };
      },
    });
    const greeting = () => ({ type: "server_ready" as const, data: null as never });
    this.router = new Router({
      manager,
      governor,
      log,
      clock: this.clock,
      greeting,
      schema: { all: {}, hash: "" },
      cursors: CURSORS,
    });
    this.router.open();
  }

  /** The session emits an event. */
  emit(event: SessionEvent): void {
    this.#emit(event);
  }

  connect(peer: Peer): Connection {
    return this.router.accept(peer);
  }

  send(connection: Connection, command: object): void {
    this.router.receive(connection, JSON.stringify(command));
  }

  /** Stops what still ticks. */
  close(): void {
    this.router.close();
  }
}
