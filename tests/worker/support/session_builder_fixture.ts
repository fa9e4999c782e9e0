// A builder over a real folder and a fake factory: what it asks pi for, and builds that the test ends.
import { defined } from "../../../src/base/json.ts";
import { TrustedFolders } from "../../../src/worker/trusted_folders.ts";
import type { AgentHooks, AgentPort, AgentRequest } from "../../../src/worker/session/agent_port.ts";
import { SessionBuilder } from "../../../src/worker/session_builder.ts";
import type { FromWorker, WorkerConfig } from "../../../src/ipc/messages.ts";
import type { Command } from "../../../src/protocol/schema/commands.ts";
import { files } from "../../../src/runtime/common.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { PLAIN_FORMAT } from "./fake_format.ts";
import { fakeRuntime } from "./fake_runtime.ts";
import { answeredClaims } from "./fakes.ts";
import type { Outcome } from "../../../src/protocol/failures.ts";
import { AS_FOUND } from "../../../src/protocol/pi_package.ts";

/** Hooks that do nothing. */
export const HOOKS: AgentHooks = {
  emit: () => {},
  ask: () => Promise.resolve(undefined),
  replacing: () => {},
  switchFile: (path, _ready, change) => change(path),
  fileChanged: () => {},
  rewritten: () => {},
};

/** The first line of a session file. */
export function header(cwd: string, id = "id-1"): string {
  return `${
    JSON.stringify({ type: "session", version: 3, id, timestamp: "2025-01-02T03:04:05.000Z", cwd })
  }\n`;
}

const bothRoots = (top: string) => ({ roots: [`${top}/root`, `${top}/sessions`] });

/** `root` (the roots), `sessions` (pi's folder) and `outside`, with a builder for them. */
export class BuilderBench implements AsyncDisposable {
  readonly top: string;
  readonly clock = new FakeClock();
  readonly requests: AgentRequest[] = [];
  readonly builds: PromiseWithResolvers<Outcome<AgentPort>>[] = [];
  readonly strays: AgentPort[] = [];
  readonly logs: string[] = [];
  /** Who drives which file, as the server thread would answer. */
  readonly owners = new Map<string, string>();
  readonly sent: FromWorker[];
  readonly builder: SessionBuilder;

  private constructor(top: string, over: Partial<WorkerConfig>) {
    this.top = top;
    const { claims, sent } = answeredClaims(this.owners);
    this.sent = sent;
    const config: WorkerConfig = {
      cwd: `${top}/root`,
      trustProjects: false,
      outputDir: "/nowhere",
      resources: AS_FOUND,
      demo: false,
      engine: "0.73",
      pendingUi: 3,
      ...over,
    };
    const build = (request: AgentRequest): Promise<Outcome<AgentPort>> => {
      this.requests.push(request);
      const deferred = Promise.withResolvers<Outcome<AgentPort>>();
      this.builds.push(deferred);
      return deferred.promise;
    };
    const trusted = new TrustedFolders((message) => this.sent.push(message));
    trusted.start(config);
    this.builder = new SessionBuilder({
      trusted,
      runtime: fakeRuntime(this.clock, { files }),
      config,
      factory: { sessionFolders: [`${top}/sessions`], format: PLAIN_FORMAT, build },
      claims,
      log: (message) => this.logs.push(message),
      onLateAgent: (agent) => this.strays.push(agent),
    });
    this.learn = (file, sessionId) =>
      claims.handlers.file_owner({ kind: "file_owner", file, ...defined({ sessionId }) });
  }

  /** The server thread tells that a file is live. */
  readonly learn: (file: string, sessionId: string) => void;

  /** @param over the configuration; without it `root` and `sessions` are the roots */
  static async make(over: (top: string) => Partial<WorkerConfig> = bothRoots): Promise<BuilderBench> {
    const top = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-builder-" }));
    for (const folder of ["root/sub", "sessions/one", "outside"]) {
      await Deno.mkdir(`${top}/${folder}`, { recursive: true });
    }
    return new BuilderBench(top, over(top));
  }

  async write(name: string, text: string, at = 1_700_000_000): Promise<string> {
    const path = `${this.top}/${name}`;
    await Deno.writeTextFile(path, text);
    await Deno.utime(path, at, at);
    return path;
  }

  /** Asks for a build. */
  build(command: Record<string, unknown> & { type: Command["type"] }): Promise<Outcome<AgentPort>> {
    // The codec has checked commands by the time a worker gets them.
    return this.builder.build(command as Command, HOOKS);
  }

  /** The code with which a build is refused, and the sentence. */
  async refusal(command: Record<string, unknown> & { type: Command["type"] }): Promise<[string, string]> {
    const outcome = await this.build(command);
    return outcome.ok ? ["built", ""] : [outcome.failure.code, outcome.failure.message];
  }

  /** Waits for real files until the factory was asked that often. */
  async asked(count: number): Promise<void> {
    for (let turns = 0; this.requests.length < count; turns++) {
      if (turns > 5_000) throw new Error(`${this.requests.length} of ${count} builds were asked for`);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.top, { recursive: true });
  }
}
