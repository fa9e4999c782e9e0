// Does: holds the pi session behind a port. Commands and extensions may replace it (new_session, fork, …).
// Used by: agent.ts, history.ts, discovery.ts and settings.ts. Uses: run_tracker.ts.
// Invariant: the port, its id and its subscribers stay. A replacement that fails restores the old session.
import { deadline } from "../../base/async/deadline.ts";
import { errorMessage } from "../../base/error_message.ts";
import type { AgentSessionRuntime } from "@mariozechner/pi-coding-agent";
import { failure } from "../../protocol/errors.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type { FileRepair, LoadProblem } from "../../protocol/schema/responses.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { AgentHooks, RunResult } from "../session/agent_port.ts";
import { BINDINGS, hasQueued, isRunning, listen, resume, stop, whenIdle } from "./sdk/sdk.ts";
import type { ShellParts } from "./tools/shell.ts";
import type { ToolChoices } from "./tools/tool_choices.ts";
import { watchStorage } from "./sdk/session_file_writer.ts";
import { mendTexts } from "./guards/surrogates.ts";
import { RunTracker } from "./run_tracker.ts";
import type { ExtensionCalls } from "./guards/extension_calls.ts";
import { uiContext } from "./ui_context.ts";
import { type ModelLike, toWireModel } from "./sdk/wire_model.ts";
import type { Outcome } from "../../protocol/failures.ts";

export type PiSession = AgentSessionRuntime["session"];
/** The store of a session's history. */
export type PiHistory = PiSession["sessionManager"];
type SwitchOptions = Parameters<AgentSessionRuntime["switchSession"]>[1];
type Switched = Outcome<{ cancelled: boolean }>;
type Bindings = Parameters<PiSession["bindExtensions"]>[0];

/** Results of the last load. factory.ts writes them at every build. */
export interface SessionEnvironment {
  cwd: string;
  trusted: boolean;
  untrusted: readonly string[];
  /** Files and packages that could not be loaded or used as they are. */
  loadErrors: readonly LoadProblem[];
  /** Calls of extensions that pi waits for. */
  readonly calls: ExtensionCalls;
  /** Called when the model changes. pi has no event for that. */
  modelSelected: (model: ModelLike) => void;
  /** Called when a client has chosen a model, also the one that the session has. pi tells only of another one. */
  modelChosen?: () => void;
  /** Reports errors of extensions after the load. */
  report: (event: SessionEvent) => void;
}

/** A built runtime, its environment, and a way to build another runtime over the same history. */
export interface BuiltSession {
  readonly runtime: AgentSessionRuntime;
  readonly environment: SessionEnvironment;
  /** The tools of `create_session`. The session can never have more. */
  readonly allowedTools?: readonly string[];
  /** Tools that a client or an extension has switched on or off. */
  readonly choices: ToolChoices;
  rebuild(history: PiHistory): Promise<AgentSessionRuntime>;
  /** After a reload: registers the providers of other sessions again, and collects load errors. */
  reloaded(runtime: AgentSessionRuntime): Promise<void>;
}

/** Parts of a live session. */
export interface LiveSessionParts {
  readonly loaded: BuiltSession;
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly hooks: AgentHooks;
  /** The repair of the file that the session was built from. */
  readonly repair?: FileRepair | undefined;
  readonly shells: ShellParts;
  /** Called when the session has been disposed. */
  readonly released: () => void;
}

/** Milliseconds that an aborted run gets to settle before an extension replaces its session. */
const QUIET_MS = 5_000;

/** The value. Throws the failure. */
function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  const { code, message } = outcome.failure;
  throw Object.assign(new Error(message), { code });
}

/** The current pi session and its run. */
export class LiveSession {
  readonly parts: LiveSessionParts;
  #runtime: AgentSessionRuntime;
  #tracker: RunTracker;
  #unsubscribe: () => void = () => {};
  #reason = "new_session";
  /** The repair of the file that the session opened last. */
  #repair: FileRepair | undefined;
  #gone = false;

  constructor(parts: LiveSessionParts) {
    this.parts = parts;
    this.#runtime = parts.loaded.runtime;
    this.#repair = parts.repair;
    parts.loaded.environment.modelSelected = (model) => {
      parts.hooks.emit({ type: "model_changed", model: toWireModel(model) });
    };
    parts.loaded.environment.report = (event) => parts.hooks.emit(event);
    this.environment.calls.aborting = () => this.#tracker.aborting;
    this.#install(this.#runtime);
    this.#tracker = this.#attach(this.session);
  }

  get session(): PiSession {
    return this.#runtime.session;
  }

  get runs(): RunTracker {
    return this.#tracker;
  }

  get environment(): SessionEnvironment {
    return this.parts.loaded.environment;
  }

  /** The repair of the file that the session writes now. */
  get fileRepair(): FileRepair | undefined {
    return this.#repair?.file === this.session.sessionFile ? this.#repair : undefined;
  }

  #tellRepair(): void {
    const repair = this.fileRepair;
    if (repair !== undefined) this.parts.hooks.emit({ type: "session_file_repaired", repair });
  }

  /** Reports load errors, then runs the `session_start` handlers. */
  async start(): Promise<void> {
    this.#tellRepair();
    this.#tellLoaded();
    await this.session.bindExtensions(this.#bindings());
    // A handler of session_start may have registered tools that were switched off.
    this.parts.loaded.choices.apply(this.session);
  }

  /** Called when pi has loaded everything again. */
  async reloaded(): Promise<void> {
    await this.parts.loaded.reloaded(this.#runtime);
    this.reportLoadErrors();
  }

  #tellLoaded(): void {
    const { modelFallbackMessage, session: { model } } = this.#runtime;
    // The file's model is gone, and pi has chosen another one, which may cost more.
    if (modelFallbackMessage !== undefined && model !== undefined && model.provider !== "unknown") {
      this.parts.hooks.emit({ type: "model_changed", model: toWireModel(model) });
    }
    this.reportLoadErrors();
  }

  reportLoadErrors(): void {
    for (const problem of this.environment.loadErrors) {
      this.parts.hooks.emit({ type: "extension_error", ...problem });
    }
  }

  /**
   * Replaces the session. When that fails after pi gave up the old session, it opens the old one again.
   *
   * @param reason the reason in `session_replaced`
   */
  async replace<T>(
    reason: string,
    change: (runtime: AgentSessionRuntime) => Promise<T>,
  ): Promise<Outcome<T>> {
    const old = this.session;
    this.#reason = reason;
    this.#gone = false;
    try {
      return { ok: true, value: await change(this.#runtime) };
    } catch (error) {
      const message = errorMessage(error);
      if (this.#gone) await this.#recover(old);
      const missing = /Invalid entry ID|not found/i.test(message);
      const failed = failure(missing ? "entry_not_found" : "agent_error", `${reason} failed: ${message}`);
      return { ok: false, failure: failed };
    }
  }

  /** Stops the run, or the run that a prompt prepares, and all that it waits for. */
  abort(preparing: boolean): void {
    this.#tracker.abort(preparing);
    stop(this.session);
    this.environment.calls.abort();
  }

  /** Continues with a checked file. */
  async switchTo(path: string, repair: FileRepair | undefined, options?: SwitchOptions): Promise<Switched> {
    const before = this.#repair;
    this.#repair = repair;
    const outcome = await this.replace(
      "switch_session_file",
      (runtime) => runtime.switchSession(path, options),
    );
    if (!outcome.ok || outcome.value.cancelled) this.#repair = before;
    else this.#tellRepair();
    return outcome;
  }

  async dispose(): Promise<void> {
    this.#unsubscribe();
    this.#tracker.dispose();
    this.parts.released();
    await this.#runtime.dispose();
  }

  #install(runtime: AgentSessionRuntime): void {
    runtime.setBeforeSessionInvalidate(() => {
      this.#gone = true;
      this.parts.hooks.replacing();
      this.#unsubscribe();
      this.#tracker.dispose();
    });
    runtime.setRebindSession((session) => this.#bind(session, this.#reason));
  }

  /** Subscribes before extensions are bound. A later subscriber would miss their `session_start`. */
  #attach(session: PiSession): RunTracker {
    const { hooks, clock } = this.parts;
    const tracker = new RunTracker({
      isStreaming: () => isRunning(session),
      isCompacting: () => session.isCompacting,
      hasQueued: () => hasQueued(session),
      idle: () => whenIdle(session),
      resume: () => resume(session),
      stop: () => stop(session),
      settled: (result) => this.#reportSettled(session, result),
    }, clock);
    this.#unsubscribe = listen(session, (event) => {
      hooks.emit(event);
      tracker.onEvent(event);
    });
    watchStorage(session.sessionManager, {
      clock,
      failed: (file, error) => hooks.emit({ type: "storage_error", file, error }),
    });
    // The repair must run before the listener that writes entries.
    mendTexts(session);
    hooks.fileChanged(session.sessionFile);
    return tracker;
  }

  async #bind(session: PiSession, reason: string): Promise<void> {
    this.#tracker = this.#attach(session);
    const { sessionFile } = session;
    this.parts.hooks.emit({
      type: "session_replaced",
      reason,
      ...(sessionFile === undefined ? {} : { sessionFile }),
    });
    this.#tellLoaded();
    await session.bindExtensions(this.#bindings());
  }

  /** The old history is still complete in memory, even when no file exists yet. */
  async #recover(old: PiSession): Promise<void> {
    this.#runtime = await this.parts.loaded.rebuild(old.sessionManager);
    this.#install(this.#runtime);
    await this.#bind(this.session, "recovered");
  }

  #reportSettled(session: PiSession, result: RunResult): void {
    this.parts.hooks.emit({
      type: "agent_settled",
      stopReason: result.stopReason,
      aborted: result.aborted,
      pendingMessageCount: session.pendingMessageCount,
      ...(result.notice === undefined ? {} : { notice: result.notice }),
    });
  }

  /**
   * Settles the run before an extension replaces the session. pi would leave the run going, unseen
   * (docs/PI.md#runs).
   */
  async #quiet(): Promise<void> {
    if (!this.#tracker.busy) return;
    this.abort(false);
    await deadline(this.parts.clock, QUIET_MS, this.#tracker.whenSettled(), undefined);
  }

  /** Replaces the session for an extension. Throws a failure in the extension's call. */
  async #onExtension<T>(
    reason: string,
    change: (runtime: AgentSessionRuntime) => Promise<T>,
  ): Promise<T> {
    await this.#quiet();
    return valueOf(await this.replace(reason, change));
  }

  /** Checks the file first, because pi overwrites a file without a session and creates a missing one. */
  async #switch(
    path: string,
    options: Parameters<AgentSessionRuntime["switchSession"]>[1],
  ): ReturnType<AgentSessionRuntime["switchSession"]> {
    if (typeof path !== "string") throw new TypeError("ctx.switchSession takes the path of a session file");
    const outcome = await this.parts.hooks.switchFile(
      path,
      () => this.#quiet(),
      (file, repair) => this.switchTo(file, repair, options),
    );
    return valueOf(outcome);
  }

  #bindings(): Bindings {
    const { hooks, uuid } = this.parts;
    const { emit } = hooks;
    const theme = (): unknown => Reflect.get(globalThis, Symbol.for("@mariozechner/pi-coding-agent:theme"));
    const ui = uiContext({ emit, ask: (question) => hooks.ask(question), requestId: uuid, theme });
    return {
      ...BINDINGS,
      // A structural type: pi's type names terminal components that a server does not use.
      uiContext: ui as unknown as NonNullable<Bindings["uiContext"]>,
      commandContextActions: {
        waitForIdle: () => whenIdle(this.session),
        newSession: (options) => this.#onExtension("new_session", (runtime) => runtime.newSession(options)),
        fork: (entryId, options) => this.#onExtension("fork", (runtime) => runtime.fork(entryId, options)),
        switchSession: (path, options) => this.#switch(path, options),
        navigateTree: async (targetId, options) => {
          const { cancelled } = await this.session.navigateTree(targetId, options);
          hooks.rewritten();
          return { cancelled };
        },
        reload: async () => {
          await this.session.reload();
          await this.reloaded();
        },
      },
      // An extension may end its session's terminal, but never the server.
      shutdownHandler: () => {},
      onError: ({ extensionPath, event, error }) =>
        emit({ type: "extension_error", extensionPath, event, error }),
    };
  }
}
