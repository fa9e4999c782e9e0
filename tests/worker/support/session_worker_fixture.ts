// A worker whose pi and whose builds the test finishes, and all that it posted.
import type {
  AgentFactory,
  AgentHooks,
  AgentPort,
  AgentRequest,
} from "../../../src/worker/session/agent_port.ts";
import type { FromWorker, Reply, ToWorker, WorkerConfig } from "../../../src/ipc/messages.ts";
import { SessionWorker } from "../../../src/worker/session_worker.ts";
import type { Command } from "../../../src/protocol/schema/commands.ts";
import type { Files } from "../../../src/runtime/runtime.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";
import { PLAIN_FORMAT } from "./fake_format.ts";
import { FakeAgent } from "../session/fake_agent.ts";
import { EVERYWHERE, fakeRuntime } from "./fake_runtime.ts";
import { at, brief, DELTA } from "./fakes.ts";
import type { Outcome } from "../../../src/protocol/failures.ts";
import { AS_FOUND } from "../../../src/protocol/pi_package.ts";

export const CONFIG: WorkerConfig = {
  cwd: "/work",
  roots: ["/"],
  trustProjects: false,
  outputDir: "/nowhere",
  resources: AS_FOUND,
  demo: false,
  engine: "0.73",
  pendingUi: 3,
};
/** A worker whose pi and whose builds the test finishes. */
export class WorkerBench {
  readonly clock = new FakeClock();
  readonly loading = Promise.withResolvers<AgentFactory>();
  readonly requests: AgentRequest[] = [];
  readonly builds: PromiseWithResolvers<Outcome<AgentPort>>[] = [];
  readonly posted: FromWorker[] = [];
  /** What the agents tell and ask their sessions by, in the order of the builds. */
  readonly hooks: AgentHooks[] = [];
  readonly worker: SessionWorker;
  #ref = 0;

  constructor(config: WorkerConfig = CONFIG, files: Files = EVERYWHERE) {
    this.worker = new SessionWorker(
      fakeRuntime(this.clock, { files }),
      () => this.loading.promise,
      (batch) => {
        this.posted.push(...batch);
        // A server thread that keeps every record at once.
        for (const message of batch) {
          if (message.kind === "save_record" && message.ref !== undefined) {
            this.worker.receive({ kind: "record_saved", ref: message.ref });
          }
        }
      },
    );
    this.worker.receive({ kind: "start", config });
  }

  static async loaded(config?: WorkerConfig, files?: Files): Promise<WorkerBench> {
    const bench = new WorkerBench(config, files);
    bench.load();
    await turn();
    return bench;
  }

  load(): void {
    this.loading.resolve({
      format: PLAIN_FORMAT,
      sessionFolders: ["/sessions"],
      build: (request, hooks) => {
        this.requests.push(request);
        this.hooks.push(hooks);
        const build = Promise.withResolvers<Outcome<AgentPort>>();
        this.builds.push(build);
        return build.promise;
      },
    });
  }

  create(sessionId: string, fields: Record<string, unknown> = {}): number {
    const ref = ++this.#ref;
    const command = { type: "create_session", sessionId, ...fields } as Command;
    this.worker.receive({ kind: "create_session", ref, demand: DELTA, command });
    return ref;
  }

  command(sessionId: string, fields: { type: Command["type"] } & Record<string, unknown>): number {
    const ref = ++this.#ref;
    const command = { sessionId, ...fields } as Command;
    this.worker.receive({ kind: "command", ref, connection: 1, command });
    return ref;
  }

  ask(message: (ref: number) => ToWorker): number {
    const ref = ++this.#ref;
    this.worker.receive(message(ref));
    return ref;
  }

  /** A live session and its agent. */
  async live(sessionId: string): Promise<FakeAgent> {
    const agent = new FakeAgent();
    this.create(sessionId);
    await turn();
    at(this.builds, -1).resolve({ ok: true, value: agent });
    agent.starting.resolve();
    await turn();
    return agent;
  }

  /** The messages of that kind with that reference. */
  of<K extends FromWorker["kind"]>(kind: K, ref?: number): Extract<FromWorker, { kind: K }>[] {
    return this.posted.filter((one): one is Extract<FromWorker, { kind: K }> =>
      one.kind === kind && (ref === undefined || ("ref" in one && one.ref === ref))
    );
  }

  /** The one answer, in short. */
  async answer(ref: number): Promise<unknown> {
    await turn();
    const replies = this.of("reply", ref).map(({ reply }): Reply => reply);
    if (replies.length > 1) throw new Error(`command ${ref} was answered ${replies.length} times`);
    return brief(replies[0]);
  }
}
