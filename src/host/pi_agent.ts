// One pi session behind the agent port: prompts, queue, abort, bash, model. Follows pi's events through the
// settler and never throws from a listener, since pi would then lose the message (PI_FACTS §3).
import { type Failure, failure } from "../protocol/errors.ts";
import type { SessionEvent } from "../protocol/events.ts";
import type { QueuedTexts, WireModel } from "../protocol/responses.ts";
import type { Clock } from "../runtime/runtime.ts";
import type {
  Acceptance,
  AgentInfo,
  AgentPort,
  BashOutcome,
  Outcome,
  PromptHandle,
  PromptInput,
  QueueKind,
  RunResult,
} from "./agent_port.ts";
import type { AgentSessionRuntime } from "@mariozechner/pi-coding-agent";
import { type ModelLike, toWireModel } from "./wire_model.ts";
import { Settler } from "./settle.ts";
import { uiContext } from "./ui_context.ts";

type Session = AgentSessionRuntime["session"];
type Bindings = Parameters<Session["bindExtensions"]>[0];

/** A built runtime with the hook that is told of model changes, which pi has no event for. */
export interface Loaded {
  readonly runtime: AgentSessionRuntime;
  readonly hooks: { modelSelected: (model: ModelLike) => void };
}

/** What an agent is made of. */
export interface PiAgentParts {
  readonly loaded: Loaded;
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly emit: (event: SessionEvent) => void;
  readonly untrusted: readonly string[];
  readonly loadErrors: readonly SessionEvent[];
}

const refused = (failed: Failure): Acceptance => ({ ok: false, failure: failed });

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Implements the port on pi 0.73.1. */
export class PiAgent implements AgentPort {
  readonly #parts: PiAgentParts;
  readonly #settler: Settler;
  #unsubscribe: () => void = () => {};
  /** Prompts between the call and pi's acceptance. */
  #preparing = 0;

  constructor(parts: PiAgentParts) {
    this.#parts = parts;
    const session = parts.loaded.runtime.session;
    this.#settler = new Settler({
      isStreaming: () => session.isStreaming,
      isCompacting: () => session.isCompacting,
      hasQueued: () => session.agent.hasQueuedMessages(),
      idle: () => session.agent.waitForIdle(),
      resume: () => session.agent.continue(),
      stop: () => session.agent.abort(),
      settled: (result) => this.#onSettled(result),
    }, parts.clock);
    parts.loaded.hooks.modelSelected = (model) => {
      parts.emit({ type: "model_changed", model: toWireModel(model) });
    };
    // Subscribed before extensions are bound, or what they do in session_start is missed.
    this.#unsubscribe = session.subscribe((event) => {
      const seen: SessionEvent = { ...event };
      parts.emit(seen);
      this.#settler.onEvent(seen);
    });
  }

  get #session(): Session {
    return this.#parts.loaded.runtime.session;
  }

  info(): AgentInfo {
    const session = this.#session;
    const { model, sessionName, sessionFile } = session;
    return {
      ...(sessionName === undefined ? {} : { sessionName }),
      ...(sessionFile === undefined ? {} : { sessionFile }),
      cwd: this.#parts.loaded.runtime.cwd,
      ...(hasModel(model) ? { model: toWireModel(model) } : {}),
      thinkingLevel: session.thinkingLevel,
      isStreaming: this.busy(),
      isCompacting: session.isCompacting,
      steeringMode: session.steeringMode,
      followUpMode: session.followUpMode,
      autoCompactionEnabled: session.autoCompactionEnabled,
      messageCount: session.messages.length,
      pendingMessageCount: session.pendingMessageCount,
      ...(this.#parts.untrusted.length === 0 ? {} : { untrusted: [...this.#parts.untrusted] }),
    };
  }

  busy(): boolean {
    return this.#settler.busy;
  }

  messages(): readonly unknown[] {
    return this.#session.messages;
  }

  lastRun(): RunResult {
    return this.#settler.last;
  }

  async start(): Promise<void> {
    for (const event of this.#parts.loadErrors) this.#parts.emit(event);
    await this.#session.bindExtensions(this.#bindings());
  }

  prompt(input: PromptInput, whenBusy: QueueKind | undefined): PromptHandle {
    const settled = Promise.resolve();
    if (this.#isExtensionCommand(input.message)) {
      return this.#command(input.message);
    }
    if (this.busy()) {
      if (whenBusy === undefined) {
        return { accepted: Promise.resolve(refused(busyFailure())), returned: settled };
      }
      if (this.#session.isStreaming) return this.#call(input, whenBusy);
      return { accepted: this.#enqueue(whenBusy, input), returned: settled };
    }
    const unable = this.#cannotPrompt();
    if (unable !== undefined) return { accepted: Promise.resolve(refused(unable)), returned: settled };
    return this.#call(input, whenBusy);
  }

  async queue(kind: QueueKind, input: PromptInput): Promise<Acceptance> {
    if (this.#isExtensionCommand(input.message)) {
      const sentence = "A slash command of an extension cannot be queued; send it with prompt";
      return refused(failure("invalid_params", sentence));
    }
    if (this.busy() || this.#preparing > 0) return await this.#enqueue(kind, input);
    return await this.prompt(input, kind).accepted;
  }

  abort(): QueuedTexts {
    const session = this.#session;
    this.#settler.abort(this.#preparing > 0);
    const cleared = this.clearQueue();
    session.abortRetry();
    session.abortCompaction();
    session.abortBranchSummary();
    session.agent.abort();
    void session.agent.waitForIdle().then(() => this.#settler.check());
    return cleared;
  }

  clearQueue(): QueuedTexts {
    // pi tells of an empty queue that was emptied, too; that is nobody's business.
    const { pendingMessageCount, agent } = this.#session;
    if (pendingMessageCount === 0 && !agent.hasQueuedMessages()) return { steering: [], followUp: [] };
    return this.#session.clearQueue();
  }

  setName(name: string): void {
    this.#session.setSessionName(name);
  }

  models(): readonly WireModel[] {
    return this.#session.modelRegistry.getAvailable().map(toWireModel);
  }

  async setModel(provider: string, modelId: string): Promise<Outcome<WireModel>> {
    const registry = this.#session.modelRegistry;
    const model = registry.find(provider, modelId);
    if (model === undefined) {
      const sentence = `pi knows no model ${provider}/${modelId}; see get_available_models`;
      return { ok: false, failure: failure("model_not_found", sentence) };
    }
    if (!registry.hasConfiguredAuth(model)) return { ok: false, failure: noKey(provider) };
    await this.#session.setModel(model);
    return { ok: true, value: toWireModel(model) };
  }

  async bash(
    command: string,
    excludeFromContext: boolean,
    onChunk: (chunk: string) => void,
  ): Promise<Outcome<BashOutcome>> {
    try {
      const result = await this.#session.executeBash(command, onChunk, { excludeFromContext });
      const { output, exitCode, cancelled, truncated, fullOutputPath } = result;
      return {
        ok: true,
        value: {
          output,
          ...(exitCode === undefined ? {} : { exitCode }),
          cancelled,
          truncated,
          ...(fullOutputPath === undefined ? {} : { fullOutputPath }),
        },
      };
    } catch (error) {
      return { ok: false, failure: failure("agent_error", `bash could not run: ${messageOf(error)}`) };
    }
  }

  abortBash(): void {
    this.#session.abortBash();
  }

  async dispose(): Promise<void> {
    const session = this.#session;
    this.#unsubscribe();
    session.abortBash();
    this.abort();
    this.#settler.dispose();
    await this.#parts.loaded.runtime.dispose();
  }

  #onSettled(result: RunResult): void {
    this.#parts.emit({
      type: "agent_settled",
      stopReason: result.stopReason,
      aborted: result.aborted,
      pendingMessageCount: this.#session.pendingMessageCount,
    });
  }

  #isExtensionCommand(message: string): boolean {
    if (!message.startsWith("/")) return false;
    const name = message.slice(1).split(" ", 1)[0] ?? "";
    return this.#session.extensionRunner.getCommand(name) !== undefined;
  }

  #cannotPrompt(): Failure | undefined {
    const { model, modelRegistry } = this.#session;
    if (!hasModel(model)) {
      return failure(
        "no_model",
        "The session has no model; choose one with set_model, or log in with pi first",
      );
    }
    return modelRegistry.hasConfiguredAuth(model) ? undefined : noKey(model.provider);
  }

  /** Calls pi's prompt and sorts out when and how it was taken (PI_FACTS §2). */
  #call(input: PromptInput, whenBusy: QueueKind | undefined): PromptHandle {
    const session = this.#session;
    const queueing = session.isStreaming;
    let accept: (acceptance: Acceptance) => void = () => {};
    const accepted = new Promise<Acceptance>((resolve) => accept = resolve);
    this.#preparing++;
    let preparing = true;
    const prepared = (): void => {
      if (preparing) this.#preparing--;
      preparing = false;
    };
    const preflightResult = (success: boolean): void => {
      prepared();
      if (!success) return this.#settler.unprepared();
      if (queueing && whenBusy !== undefined && session.isStreaming) {
        return accept(this.#queued(whenBusy));
      }
      // pi raises isStreaming in the same tick when a run starts; an input hook that took it does not.
      queueMicrotask(() => {
        const started = session.isStreaming;
        if (started) this.#settler.accepted();
        else this.#settler.unprepared();
        accept({ ok: true, disposition: started ? "started" : "handled" });
      });
    };
    const returned = session.prompt(input.message, {
      ...(input.images.length === 0 ? {} : { images: [...input.images] }),
      ...(whenBusy === undefined ? {} : { streamingBehavior: whenBusy }),
      source: "rpc",
      preflightResult,
    }).then(
      () => this.#settler.returned(false),
      (error) => {
        this.#settler.returned(true);
        accept(refused(failure("agent_error", `pi refused the prompt: ${messageOf(error)}`)));
      },
    ).finally(prepared);
    return { accepted, returned };
  }

  #command(message: string): PromptHandle {
    let finish: () => void = () => {};
    const returned = new Promise<void>((resolve) => finish = resolve);
    const begin = (): void => {
      // pi reports what a handler throws as extension_error; nothing is left to tell.
      void this.#session.prompt(message, { source: "rpc" }).then(finish, finish);
    };
    return { accepted: Promise.resolve({ ok: true, disposition: "handled" }), returned, begin };
  }

  #queued(kind: QueueKind): Acceptance {
    const session = this.#session;
    const waiting = kind === "steer" ? session.getSteeringMessages() : session.getFollowUpMessages();
    return { ok: true, disposition: "queued", queued: { kind, text: waiting.at(-1) ?? "" } };
  }

  async #enqueue(kind: QueueKind, input: PromptInput): Promise<Acceptance> {
    const images = input.images.length === 0 ? undefined : [...input.images];
    try {
      if (kind === "steer") await this.#session.steer(input.message, images);
      else await this.#session.followUp(input.message, images);
      return this.#queued(kind);
    } catch (error) {
      return refused(failure("agent_error", `pi refused the message: ${messageOf(error)}`));
    }
  }

  #bindings(): Bindings {
    const { emit, uuid } = this.#parts;
    const unsupported = (action: string): Promise<{ cancelled: boolean }> => {
      const error = `${action} was cancelled: extensions cannot replace a session of this server yet`;
      emit({ type: "extension_error", extensionPath: "", event: "command", error });
      return Promise.resolve({ cancelled: true });
    };
    const theme = (): unknown => Reflect.get(globalThis, Symbol.for("@mariozechner/pi-coding-agent:theme"));
    return {
      // Structural: pi's type names terminal components that a server has no use for.
      uiContext: uiContext({ emit, requestId: uuid, theme }) as unknown as NonNullable<Bindings["uiContext"]>,
      commandContextActions: {
        waitForIdle: () => this.#session.agent.waitForIdle(),
        newSession: () => unsupported("newSession"),
        fork: () => unsupported("fork"),
        switchSession: () => unsupported("switchSession"),
        navigateTree: async (targetId, options) => {
          const { cancelled } = await this.#session.navigateTree(targetId, options);
          return { cancelled };
        },
        reload: () => this.#session.reload(),
      },
      // An extension may end its session's terminal, never the server.
      shutdownHandler: () => {},
      onError: ({ extensionPath, event, error }) =>
        emit({ type: "extension_error", extensionPath, event, error }),
    };
  }
}

/** pi's placeholder for "no model" is truthy. */
function hasModel(model: Session["model"]): model is NonNullable<Session["model"]> {
  return model !== undefined && model.provider !== "unknown";
}

function busyFailure(): Failure {
  const sentence = "The agent is busy; send streamingBehavior, or wait for agent_settled";
  return failure("agent_busy", sentence, { retryAfterMs: 250 });
}

function noKey(provider: string): Failure {
  const sentence = `pi has no credentials for ${provider}; log in with pi, or set its API key`;
  return failure("no_api_key", sentence);
}
