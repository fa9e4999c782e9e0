// Does: implements the agent port on one pi session: prompts, queue, abort, compaction, bash.
// Used by: factory.ts. Uses: live_session.ts for the session, run_tracker.ts for the end of a run.
// Invariant: a listener never throws, because pi would then lose the message (docs/PI.md#runs).
import { errorMessage } from "../../base/error_message.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { LOAD_PROBLEMS, type QueuedTexts } from "../../protocol/schema/responses.ts";
import { cut } from "../../base/text.ts";
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
} from "../session/agent_port.ts";
import { type Outcome, promptBusy } from "../../protocol/failures.ts";
import { piDiscovery } from "./discovery.ts";
import { SEEN } from "./engines/seen.ts";
import { seeBash, seeInput } from "./hooks.ts";
import { piHistory } from "./history.ts";
import { LiveSession, type LiveSessionParts, type PiSession } from "./live_session.ts";
import { firstMessageOf, isRestorable, savedStateOf } from "./saved_state.ts";
import {
  dispositionOf,
  endWaits,
  enqueue,
  hasQueued,
  levelOf,
  messagesOf,
  modelsOf,
  passesPreflight,
  type Preflight,
  resume,
  whenIdle,
} from "./sdk/sdk.ts";
import { hasModel, noKey, piSettings } from "./settings.ts";
import { ClientShell } from "./tools/shell.ts";
import { externalWrite } from "./sdk/session_file_writer.ts";
import type { AgentKept } from "../../ipc/session_record.ts";
import { toWireModel } from "./sdk/wire_model.ts";

/** Characters of a name: what `set_session_name` takes. A file may hold a longer one. */
const NAME_CHARS = 1_024;

const refused = (failed: Failure): Acceptance => ({ ok: false, failure: failed });

/** Why pi did not take the text. */
function refusal(what: "prompt" | "message", error: unknown, aborted: boolean): Failure {
  const why = errorMessage(error);
  if (aborted) return failure("cancelled", `The ${what} was aborted before it ran: ${why}`);
  return failure("agent_error", `pi refused the ${what}: ${why}`);
}

/** Implements the agent port on pi. */
export class PiAgent implements AgentPort {
  readonly settings: AgentSettings;
  readonly history: AgentHistory;
  readonly discovery: AgentDiscovery;
  readonly #live: LiveSession;
  readonly #shell: ClientShell;
  /** Number of prompts that pi has not accepted yet. */
  #preparing = 0;
  /** Ends the wait for the `user_bash` handlers of the current command. */
  #leaveHook: (() => void) | undefined;

  constructor(parts: LiveSessionParts) {
    this.#live = new LiveSession(parts);
    this.#shell = new ClientShell(parts.shells);
    this.settings = piSettings(this.#live);
    this.history = piHistory(this.#live);
    this.discovery = piDiscovery(this.#live);
  }

  get #session(): PiSession {
    return this.#live.session;
  }

  info(): AgentInfo {
    const session = this.#session;
    const { model, sessionName, sessionFile } = session;
    const { environment: { cwd, untrusted, loadErrors }, fileRepair } = this.#live;
    return {
      ...(sessionName === undefined ? {} : { sessionName: cut(sessionName, NAME_CHARS) }),
      ...(sessionFile === undefined ? {} : { sessionFile }),
      ...firstMessageOf(session),
      cwd,
      ...(hasModel(model) ? { model: toWireModel(model) } : {}),
      thinkingLevel: levelOf(session.thinkingLevel),
      isStreaming: this.#live.runs.busy,
      isCompacting: session.isCompacting,
      steeringMode: session.steeringMode,
      followUpMode: session.followUpMode,
      autoCompactionEnabled: session.autoCompactionEnabled,
      messageCount: messagesOf(session).length,
      pendingMessageCount: session.pendingMessageCount,
      ...(untrusted.length === 0 ? {} : { untrusted: [...untrusted] }),
      ...(fileRepair === undefined ? {} : { fileRepair }),
      ...(loadErrors.length === 0 ? {} : { extensionErrors: loadErrors.slice(0, LOAD_PROBLEMS) }),
    };
  }

  kept(): AgentKept {
    return savedStateOf(this.#live);
  }

  externalWrite(): string | undefined {
    return externalWrite(this.#session.sessionManager);
  }

  restorable(): boolean {
    return isRestorable(this.#live);
  }

  busy(): boolean {
    return this.#live.runs.busy || this.#session.isCompacting;
  }

  messages(): readonly unknown[] {
    return messagesOf(this.#session);
  }

  lastRun(): RunResult {
    return this.#live.runs.last;
  }

  start(): Promise<void> {
    return this.#live.start();
  }

  prompt(input: PromptInput, whenBusy: QueueKind | undefined): PromptHandle {
    const returned = Promise.resolve();
    if (this.#isExtensionCommand(input.message)) return this.#command(input.message);
    if (this.busy()) {
      if (whenBusy === undefined) return { accepted: Promise.resolve(refused(promptBusy())), returned };
      const accepted = this.#enqueue(whenBusy, input);
      return { accepted, returned: accepted.then(() => {}) };
    }
    const unable = this.#cannotPrompt();
    if (unable !== undefined) return { accepted: Promise.resolve(refused(unable)), returned };
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
    const cleared = this.clearQueue();
    this.#live.abort(this.#preparing > 0);
    const { runs: tracker } = this.#live;
    void whenIdle(session).then(() => tracker.check());
    return cleared;
  }

  abortRetry(): void {
    this.#session.abortRetry();
  }

  abortCompaction(): void {
    this.#session.abortCompaction();
    this.#session.abortBranchSummary();
    endWaits(this.#session);
    this.#live.environment.calls.abortSummary();
  }

  clearQueue(): QueuedTexts {
    // pi reports an empty queue even when it was empty before. Clients do not need that event.
    const session = this.#session;
    if (session.pendingMessageCount === 0 && !hasQueued(session)) return { steering: [], followUp: [] };
    return session.clearQueue();
  }

  setName(name: string): void {
    this.#session.setSessionName(name);
  }

  async compact(customInstructions: string | undefined): Promise<Outcome<unknown>> {
    const unable = this.#cannotPrompt();
    if (unable !== undefined) return { ok: false, failure: unable };
    const session = this.#session;
    try {
      return { ok: true, value: await session.compact(customInstructions) };
    } catch (error) {
      const message = errorMessage(error);
      const cancelled = /cancelled|aborted/i.test(message);
      return { ok: false, failure: failure(cancelled ? "cancelled" : "agent_error", message) };
    } finally {
      // Messages that were queued meanwhile would wait until the next prompt.
      if (hasQueued(session) && !session.isStreaming) void resume(session).catch(() => {});
    }
  }

  async bash(
    command: string,
    excludeFromContext: boolean,
    onChunk: (chunk: string) => void,
  ): Promise<Outcome<BashOutcome>> {
    try {
      const hooked = await this.#bashHook(command, excludeFromContext);
      if (hooked === "cancelled") {
        return { ok: true, value: { output: "", cancelled: true, truncated: false } };
      }
      const session = this.#session;
      const operations = hooked?.operations;
      const options = { excludeFromContext, ...(operations === undefined ? {} : { operations }) };
      if (hooked?.result !== undefined) {
        session.recordBashResult(command, hooked.result, options);
        onChunk(hooked.result.output);
      }
      const result = hooked?.result ?? await this.#shell.run(session, command, onChunk, options);
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
      return { ok: false, failure: failure("agent_error", `bash could not run: ${errorMessage(error)}`) };
    }
  }

  abortBash(): void {
    this.#leaveHook?.();
    this.#shell.abort();
  }

  async dispose(): Promise<void> {
    this.abortBash();
    this.abort();
    await this.#live.dispose();
  }

  /** Asks the `user_bash` handlers; an abort does not wait for them. */
  async #bashHook(command: string, excludeFromContext: boolean) {
    const left = new Promise<"cancelled">((resolve) => this.#leaveHook = () => resolve("cancelled"));
    try {
      return await Promise.race([seeBash(this.#session, command, excludeFromContext), left]);
    } finally {
      this.#leaveHook = undefined;
    }
  }

  #isExtensionCommand(message: string): boolean {
    if (!message.startsWith("/")) return false;
    const name = message.slice(1).split(" ", 1)[0] ?? "";
    return this.#session.extensionRunner.getCommand(name) !== undefined;
  }

  #cannotPrompt(): Failure | undefined {
    const { model } = this.#session;
    if (!hasModel(model)) {
      return failure(
        "no_model",
        "The session has no model; choose one with set_model. If pi has none, set a key such as ANTHROPIC_API_KEY in " +
          "the server's environment and start it again, or log in: run pi, then /login",
      );
    }
    return modelsOf(this.#session).hasConfiguredAuth(model) ? undefined : noKey(model.provider);
  }

  /** Calls pi's prompt, and finds out when and how pi accepted it (docs/PI.md#runs). */
  #call(input: PromptInput, whenBusy: QueueKind | undefined, source: typeof SEEN = "rpc"): PromptHandle {
    const session = this.#session;
    const { runs: tracker } = this.#live;
    const queueing = session.isStreaming;
    let accept: (acceptance: Acceptance) => void = () => {};
    const accepted = new Promise<Acceptance>((resolve) => accept = resolve);
    this.#preparing++;
    let preparing = true;
    let aborted = false;
    const prepared = (): void => {
      if (preparing) this.#preparing--;
      preparing = false;
    };
    const preflightResult = (result: Preflight): void => {
      prepared();
      if (!passesPreflight(result)) {
        aborted = tracker.aborting;
        return tracker.unprepared();
      }
      const told = dispositionOf(result);
      const queued = told === undefined ? queueing && session.isStreaming : told === "queued";
      if (queued && whenBusy !== undefined) return accept(this.#queued(whenBusy));
      // When a run starts, pi sets isStreaming in the same tick. When an input hook takes the prompt, pi does
      // not.
      queueMicrotask(() => {
        const started = told === undefined ? session.isStreaming : told === "started";
        if (started) tracker.accepted();
        else tracker.unprepared();
        accept({ ok: true, disposition: started ? "started" : "handled" });
      });
    };
    const returned = session.prompt(input.message, {
      ...(input.images.length === 0 ? {} : { images: [...input.images] }),
      ...(whenBusy === undefined ? {} : { streamingBehavior: whenBusy }),
      source,
      preflightResult,
    }).then(
      () => tracker.returned(false),
      (error) => {
        const failed = refusal("prompt", error, aborted || tracker.aborting);
        tracker.returned(true);
        accept(refused(failed));
      },
    ).finally(prepared);
    return { accepted, returned };
  }

  #command(message: string): PromptHandle {
    let finish: () => void = () => {};
    const returned = new Promise<void>((resolve) => finish = resolve);
    const begin = (): void => {
      // pi reports a thrown error as extension_error.
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
    try {
      const session = this.#session;
      const seen = await seeInput(session, input, kind);
      if (seen === undefined) return { ok: true, disposition: "handled" };
      // The run may have ended while the handlers looked at the message.
      if (!this.busy() && this.#preparing === 0) return await this.#call(seen, kind, SEEN).accepted;
      await enqueue(session, kind, seen);
      return this.#queued(kind);
    } catch (error) {
      return refused(refusal("message", error, this.#live.runs.aborting));
    }
  }
}
