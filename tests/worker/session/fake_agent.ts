// An agent that does what the test says: it records its calls, and slow calls end when the test ends
// it. Imports no pi.
import type {
  Acceptance,
  AgentDiscovery,
  AgentHistory,
  AgentInfo,
  AgentPort,
  AgentSettings,
  BashOutcome,
  PromptHandle,
  PromptInput,
  QueueKind,
  RunResult,
} from "../../../src/worker/session/agent_port.ts";
import type { AgentKept } from "../../../src/ipc/session_record.ts";
import type { QueuedTexts, WireModel } from "../../../src/protocol/schema/responses.ts";
import type { Outcome } from "../../../src/protocol/failures.ts";

type Navigated = Outcome<{ editorText?: string; cancelled: boolean; aborted?: boolean }>;

export const MODEL: WireModel = {
  provider: "p",
  id: "m",
  name: "M",
  api: "x",
  reasoning: false,
  input: ["text"],
  contextWindow: 1,
  maxTokens: 1,
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
};

/** Keeps one more promise that the test settles, and gives it away. */
function defer<T>(into: PromiseWithResolvers<T>[]): Promise<T> {
  const deferred = Promise.withResolvers<T>();
  into.push(deferred);
  return deferred.promise;
}

const unchanged = { ok: true, value: { cancelled: false } } as const;

class FakeSettings implements AgentSettings {
  readonly #agent: FakeAgent;

  constructor(agent: FakeAgent) {
    this.#agent = agent;
  }

  models(): readonly WireModel[] {
    return [MODEL];
  }

  setModel(provider: string, modelId: string): Promise<Outcome<WireModel>> {
    this.#agent.calls.push(`model ${provider}/${modelId}`);
    return defer(this.#agent.modelChanges);
  }

  cycleModel(direction: string): Promise<null> {
    this.#agent.calls.push(`cycle ${direction}`);
    return Promise.resolve(null);
  }

  setThinkingLevel(level: "off") {
    return { ok: true, value: level } as const;
  }

  thinkingLevels(): "off"[] {
    return ["off"];
  }

  cycleThinkingLevel(): null {
    return null;
  }

  setSteeringMode(mode: string): void {
    this.#agent.calls.push(`steering ${mode}`);
  }

  setFollowUpMode(mode: string): void {
    this.#agent.calls.push(`followUp ${mode}`);
  }

  setAutoCompaction(enabled: boolean): void {
    this.#agent.calls.push(`compaction ${enabled}`);
  }

  setAutoRetry(enabled: boolean): void {
    this.#agent.calls.push(`retry ${enabled}`);
  }
}

function fakeHistory(agent: FakeAgent): AgentHistory {
  const change = (call: string) => {
    agent.calls.push(call);
    return Promise.resolve(unchanged);
  };
  return {
    newSession: (parent) => change(`newSession ${parent}`),
    switchFile: (path) => change(`switchFile ${path}`),
    fork(entryId) {
      agent.calls.push(`fork ${entryId}`);
      return Promise.resolve({ ok: true, value: { text: "t", cancelled: false } });
    },
    clone: () => change("clone"),
    forkMessages: () => [],
    entries: () => ({ leafId: null, placed: [] }),
    tree: () => ({ currentLeafId: null, nodes: [] }),
    navigate(targetId) {
      agent.calls.push(`navigate ${targetId}`);
      return defer(agent.navigations);
    },
    exportHtml(path) {
      agent.calls.push(`export ${path}`);
      return Promise.resolve({ ok: true, value: { page: new TextEncoder().encode("page") } });
    },
  };
}

function fakeDiscovery(agent: FakeAgent): AgentDiscovery {
  return {
    commands: () => [],
    skills: () => [],
    tools: () => [],
    setTools: (names) => names.filter((name) => name !== "bash"),
    reload() {
      agent.calls.push("reload");
      return Promise.resolve({ ok: true, value: undefined });
    },
    lastAssistantText: () => null,
    stats: () => ({ sessionId: "pi's own", toolCalls: 1 }),
    contextUsage: () => null,
    sessionFolder: () => agent.folder,
  };
}

/** An agent; every promise that it hands out is the test's to settle. */
export class FakeAgent implements AgentPort {
  readonly calls: string[] = [];
  readonly starting = Promise.withResolvers<void>();
  readonly disposing = Promise.withResolvers<void>();
  readonly acceptances: PromiseWithResolvers<Acceptance>[] = [];
  readonly returns: PromiseWithResolvers<void>[] = [];
  readonly modelChanges: PromiseWithResolvers<Outcome<WireModel>>[] = [];
  readonly bashes: PromiseWithResolvers<Outcome<BashOutcome>>[] = [];
  readonly compactions: PromiseWithResolvers<Outcome<unknown>>[] = [];
  readonly navigations: PromiseWithResolvers<Navigated>[] = [];
  readonly settings: AgentSettings = new FakeSettings(this);
  readonly history: AgentHistory = fakeHistory(this);
  readonly discovery: AgentDiscovery = fakeDiscovery(this);
  chunk: (chunk: string) => void = () => {};
  isBusy = false;
  cwd = "/";
  sessionFile: string | undefined;
  folder: string | undefined;
  transcript: readonly unknown[] = [];
  queue_: QueuedTexts = { steering: [], followUp: [] };
  run: RunResult = { text: null, stopReason: null, usage: null, aborted: false };
  /** Thrown by `setName`, if set. */
  nameError: Error | undefined;
  /** What starts the handler of the next prompts, for those that are slash commands. */
  begin: (() => void) | undefined;
  isRestorable = true;
  /** Its file, after another program has written to it. */
  foreign: string | undefined;

  info(): AgentInfo {
    return {
      ...(this.sessionFile === undefined ? {} : { sessionFile: this.sessionFile }),
      cwd: this.cwd,
      thinkingLevel: "off",
      isStreaming: this.isBusy,
      isCompacting: false,
      steeringMode: "all",
      followUpMode: "all",
      autoCompactionEnabled: true,
      messageCount: this.transcript.length,
      pendingMessageCount: 0,
    };
  }

  kept(): AgentKept {
    return {
      thinkingLevel: "off",
      steeringMode: "all",
      followUpMode: "all",
      autoCompaction: true,
      autoRetry: true,
      tools: [],
      trusted: false,
      written: false,
    };
  }

  externalWrite(): string | undefined {
    return this.foreign;
  }

  restorable(): boolean {
    return this.isRestorable;
  }

  busy(): boolean {
    return this.isBusy;
  }

  messages(): readonly unknown[] {
    return this.transcript;
  }

  lastRun(): RunResult {
    return this.run;
  }

  start(): Promise<void> {
    this.calls.push("start");
    return this.starting.promise;
  }

  prompt({ message }: PromptInput, whenBusy: QueueKind | undefined): PromptHandle {
    this.calls.push(`prompt ${message}${whenBusy === undefined ? "" : ` ${whenBusy}`}`);
    return {
      accepted: defer(this.acceptances),
      returned: defer(this.returns),
      ...(this.begin === undefined ? {} : { begin: this.begin }),
    };
  }

  queue(kind: QueueKind, { message }: PromptInput): Promise<Acceptance> {
    this.calls.push(`${kind} ${message}`);
    return Promise.resolve({ ok: true, disposition: "queued" });
  }

  abort(): QueuedTexts {
    this.calls.push("abort");
    return this.clearQueue();
  }

  abortRetry(): void {
    this.calls.push("abortRetry");
  }

  abortCompaction(): void {
    this.calls.push("abortCompaction");
  }

  clearQueue(): QueuedTexts {
    const cleared = this.queue_;
    this.queue_ = { steering: [], followUp: [] };
    return cleared;
  }

  setName(name: string): void {
    if (this.nameError !== undefined) throw this.nameError;
    this.calls.push(`name ${name}`);
  }

  compact(): Promise<Outcome<unknown>> {
    this.calls.push("compact");
    return defer(this.compactions);
  }

  bash(
    command: string,
    _exclude: boolean,
    onChunk: (chunk: string) => void,
  ): Promise<Outcome<BashOutcome>> {
    this.calls.push(`bash ${command}`);
    this.chunk = onChunk;
    return defer(this.bashes);
  }

  abortBash(): void {
    this.calls.push("abortBash");
  }

  dispose(): Promise<void> {
    this.calls.push("dispose");
    return this.disposing.promise;
  }
}
