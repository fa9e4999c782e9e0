// A router over memory connections and scripted workers, for the tests of the router's rooms.
import type { Access } from "../../../src/server/auth/access.ts";
import type { Limits } from "../../../src/governor/limits.ts";
import { Router } from "../../../src/server/router/router.ts";
import { connectMemory, type MemoryClient } from "../../../src/server/transports/memory.ts";
import { makeManager, type ScriptedWorker } from "../manager/fakes.ts";
import { CURSORS, GREETING } from "../../support/server/greeting.ts";
import { at, type Json } from "../../support/base/json.ts";

/** The router, and everything under it. */
export class RouterBench {
  readonly made: ReturnType<typeof makeManager>;
  readonly router: Router;

  constructor(over: Partial<Limits> = {}, workers = 1) {
    this.made = makeManager(over, workers);
    const { manager, governor, log, clock } = this.made;
    const schema = { all: { title: "all" }, hash: "sha256-x" };
    this.router = new Router({
      manager,
      governor,
      log,
      clock,
      greeting: () => GREETING,
      schema,
      cursors: CURSORS,
    });
    this.router.open();
  }

  get worker(): ScriptedWorker {
    return this.made.workers.worker();
  }

  connect(access?: Access): Peer {
    return new Peer(connectMemory(this.router, () => {}, access));
  }

  /** A session that exists, without anybody having heard of it. */
  live(sessionId: string): void {
    const peer = this.connect();
    peer.send({ type: "create_session", sessionId });
    const worker = this.made.workers.all.find((one) =>
      one.of("create_session").at(-1)?.command.sessionId === sessionId
    );
    worker?.reply(worker.last("create_session").ref);
    peer.client.close();
  }

  /** The worker answers the `get_states` that is under way. */
  tellStates(...ids: string[]): void {
    const sessions = ids.map((sessionId) => ({
      sessionId,
      epoch: "e",
      seq: 0,
      sessionVersion: 0,
      infoText: '{"i":1}',
      pendingUi: [`{"of":"${sessionId}"}`],
    }));
    this.worker.says({ kind: "states", ref: this.worker.last("get_states").ref, sessions });
  }

  event(sessionId: string, seq: number): void {
    const events = [{ seq, type: "t", text: `{"d":${seq}}`, full: `{"f":${seq}}` }];
    this.worker.says({ kind: "events", sessionId, events });
  }
}

/** A memory client whose messages are taken one by one. */
export class Peer {
  readonly client: MemoryClient;
  #read = 0;

  constructor(client: MemoryClient) {
    this.client = client;
    this.take();
  }

  send(message: unknown): void {
    this.client.send(message);
  }

  /** What has come since the last look. */
  take(): Json[] {
    const messages: Json[] = JSON.parse(JSON.stringify(this.client.received.slice(this.#read)));
    this.#read = this.client.received.length;
    return messages;
  }

  /** `id:code` or `id:ok` of each response since the last look. */
  codes(): string[] {
    return this.take().map((one) =>
      `${at(one, "id")}:${at(one, "success") === true ? "ok" : at(one, "code")}`
    );
  }
}
