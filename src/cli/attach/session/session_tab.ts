// One session that is open in the client: its subscription, its transcript, and what else is known of it. Commands
// of the person go through here; what fails becomes a sentence in the transcript.
import {
  type Client,
  ConnectionLostError,
  type Dialog,
  type DialogAnswer,
  fillTexts,
  messagesIn,
  RequestError,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionItem,
} from "../../../client/mod.ts";
import { deferred } from "../../../base/async/deferred.ts";
import { keyName } from "../key_bindings.ts";
import type { Timer } from "../../../runtime/runtime.ts";
import type { Io } from "../../../runtime/terminal/io.ts";
import type { Interrupted, SessionInfo, SessionStats } from "../../../protocol/mod.ts";
import { errorMessage } from "../../../base/error_message.ts";
import { fieldsOf, isFields, isOn, listOf, rawText, textOf } from "../transcript/fields.ts";
import { Transcript } from "../transcript/transcript.ts";
import { sanitize, sanitizeLine } from "../view/sanitize.ts";
import { nameOf } from "./session_name.ts";
import { SessionWidgets } from "./session_widgets.ts";

/** A dialog that waits for the person. */
export interface OpenDialog {
  readonly dialog: Dialog;
  readonly answer: (value: DialogAnswer) => void;
}

/** Whom a session tells. */
export interface TabListener {
  /** Something that is drawn has changed. */
  changed(): void;
  /** A dialog came, or is over. */
  dialogs(tab: SessionTab): void;
  /** An extension wants this text in the editor. */
  editorText(tab: SessionTab, text: string): void;
  /** The session is gone; the reason is a sentence. */
  gone(tab: SessionTab, reason: string): void;
}

/** Messages that a session opens with. */
const PAGE_MESSAGES = 200;
/** Messages that are asked for when a person scrolls to the oldest one. */
const OLDER_MESSAGES = 500;
/** Bytes of one answer with messages. */
const PAGE_BYTES = 1024 * 1024;
/** Most events that are replayed when a session is opened. */
const REPLAYED_EVENTS = 5000;
/** Silence of another client's shell command after which the messages are read again. */
const FOREIGN_SHELL_MS = 1500;

/** A session in a tab. */
export class SessionTab {
  readonly id: string;
  readonly transcript = new Transcript();
  readonly widgets = new SessionWidgets();
  readonly #client: Client;
  readonly #listener: TabListener;
  readonly #after: Io["after"];
  readonly #dialogs: OpenDialog[] = [];
  /** The session is subscribed to, or cannot be. */
  readonly #opened = deferred<void>();
  #unsent = deferred<false>();
  #subscription: Subscription | undefined;
  #info: SessionInfo | undefined;
  #stats: SessionStats | undefined;
  #state: "opening" | "idle" | "works" | "gone" = "opening";
  #failed = false;
  #compacting = false;
  #retry: string | undefined;
  #steering: readonly string[] = [];
  #followUp: readonly string[] = [];
  #paging = false;
  /** The cursor of the next older page, while the transcript shows what the file holds. */
  #stored: string | undefined;
  #ownShells = 0;
  /** Events up to this one are replayed: they say what extensions show, and nothing else. */
  #replayedUntil = 0;
  /** Runs out when another client's shell command seems to be over: no event says so. */
  #foreignShell: Timer | undefined;

  constructor(id: string, client: Client, listener: TabListener, after: Io["after"]) {
    this.id = id;
    this.#after = after;
    this.#client = client;
    this.#listener = listener;
  }

  get info(): SessionInfo | undefined {
    return this.#info;
  }

  get stats(): SessionStats | undefined {
    return this.#stats;
  }

  /** What the session is called, harmless. */
  get name(): string {
    return nameOf(this.#info ?? { sessionId: this.id });
  }

  /** What the tab line shows of it. */
  get mark(): "opening" | "asks" | "works" | "failed" | "idle" | "gone" {
    if (this.#state === "gone" || this.#state === "opening") return this.#state;
    if (this.#dialogs.length > 0) return "asks";
    if (this.#state === "works" || this.#compacting) return "works";
    return this.#failed ? "failed" : "idle";
  }

  get works(): boolean {
    return this.#state === "works" || this.#compacting;
  }

  /** Whether a shell command of this client runs. */
  get shellRuns(): boolean {
    return this.#ownShells > 0;
  }

  /** What it is doing, in a few words. */
  get activity(): string | undefined {
    if (this.#state === "opening") return "Opening…";
    if (this.#compacting) return `Compacting… (${keyName("app.interrupt")} stops it)`;
    if (this.#retry !== undefined) return this.#retry;
    return this.#state === "works" ? `Working… (${keyName("app.interrupt")} stops it)` : undefined;
  }

  /** Messages that wait for the agent. */
  get queue(): readonly string[] {
    return [
      ...this.#steering.map((text) => `Steer: ${sanitizeLine(text)}`),
      ...this.#followUp.map((text) => `Follow-up: ${sanitizeLine(text)}`),
    ];
  }

  /** The dialog that is to be answered first. */
  get dialog(): OpenDialog | undefined {
    return this.#dialogs[0];
  }

  /** The person has seen how the last run ended. */
  seen(): void {
    this.#failed = false;
  }

  /** Subscribes, and takes events until the session or the connection ends. Throws when there is no such session. */
  async open(): Promise<void> {
    try {
      await this.#open();
    } finally {
      this.#opened.resolve();
    }
  }

  async #open(): Promise<void> {
    const { sessionId, status, epoch, seq } = await this.#client.request("get_state", { sessionId: this.id });
    const subscribe = (more: SubscribeOptions): Promise<Subscription> =>
      this.#client.subscribe(sessionId, { ...more, onDialog: (dialog) => this.#asked(dialog) });
    if (status === "parked") await this.#paint().catch(() => {});
    // What extensions have shown so far is in earlier events alone.
    const replayed = status === "live" && seq > 0 && seq <= REPLAYED_EVENTS;
    let subscription = await subscribe(replayed ? { from: { epoch, seq: 0 } } : {}).catch(
      (error: unknown) => {
        if (!(error instanceof RequestError) || error.code !== "session_file_too_large") throw error;
        // It can be read all the same.
        this.fail(error);
        return undefined;
      },
    );
    if (subscription === undefined) return;
    this.#stored = undefined;
    const info = subscription.start?.sessionInfo;
    if (subscription.start?.mode === "replay") this.#replayedUntil = info?.seq ?? 0;
    // What is under way is in a snapshot alone. A quiet session opens with its newest messages, however many it has.
    const quiet = info !== undefined && !info.isStreaming && !info.isCompacting &&
      info.pendingMessageCount === 0;
    if (!quiet) {
      await this.#takeReplayed(subscription);
      await subscription.close();
      this.#replayedUntil = 0;
      subscription = await subscribe({ snapshot: true });
    }
    this.#subscription = subscription;
    this.#opened.resolve();
    void this.#follow(subscription);
    if (quiet) {
      this.#learn(info);
      // A session that is deleted at this moment says so by the end of its subscription.
      await this.reload().catch((error: unknown) => this.fail(error));
      this.#sayInterrupted(info.interrupted);
    } else this.refresh();
    const left = info?.untrusted ?? [];
    if (left.length === 0) return;
    this.note(
      "info",
      `Not loaded, since the folder is not trusted: ${left.join(", ")}; /trust loads it in a new session`,
    );
  }

  /** Ends the subscription; the session goes on. */
  async close(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    this.#foreignShell?.clear();
    await subscription?.close();
  }

  /** Asks for the state, the cost and the context. */
  refresh(): void {
    void this.#refresh().catch((error: unknown) => this.fail(error));
  }

  /** Begins the transcript anew: another history stands behind the session. */
  async reload(): Promise<void> {
    const data = await this.#messages({ limit: PAGE_MESSAGES });
    this.transcript.renew(data.messages, data.messageCount);
    this.#listener.changed();
    await this.#refresh();
  }

  /** Asks for messages before the oldest one that is here. */
  older(): void {
    const { first, full } = this.transcript;
    if (this.#paging || first === 0 || full) return;
    this.#paging = true;
    const cursor = this.#stored;
    const load = async (): Promise<void> => {
      if (cursor !== undefined) {
        const { messages, nextBefore } = await this.#page(OLDER_MESSAGES, cursor);
        if (this.#stored !== cursor) return;
        this.#stored = nextBefore;
        this.transcript.prepend(messages, nextBefore === undefined ? 0 : 1);
        return this.#listener.changed();
      }
      const { messages } = await this.#messages({ limit: OLDER_MESSAGES, before: first });
      if (this.transcript.first === first) this.transcript.prepend(messages, first - messages.length);
      this.#listener.changed();
    };
    void load().catch((error: unknown) => this.fail(error)).finally(() => this.#paging = false);
  }

  /** Reads messages. A terminal shows no images, so they stay references, with a server that has these. */
  async #messages(
    fields: { readonly limit: number; readonly before?: number },
  ): Promise<{ readonly messages: readonly unknown[]; readonly messageCount: number }> {
    const known = this.#client.greeting.data.capabilities.includes("refs");
    const form = known ? { refs: true, maxBytes: PAGE_BYTES } : {};
    const data = await this.#client.request("get_messages", { sessionId: this.id, ...fields, ...form });
    const messages = await fillTexts(this.#client, this.id, data.messages);
    return { messages, messageCount: data.messageCount };
  }

  /** A page of what the session's file holds, before that entry. pi need not be loaded for it. */
  async #page(
    limit: number,
    before?: string,
  ): Promise<{ readonly messages: readonly unknown[]; readonly nextBefore: string | undefined }> {
    const { entries, nextBefore } = await this.#client.request("get_entries", {
      ...{ sessionId: this.id, scope: "branch", limit, refs: true, maxBytes: PAGE_BYTES },
      ...(before === undefined ? {} : { before }),
    });
    return { messages: await fillTexts(this.#client, this.id, messagesIn(entries)), nextBefore };
  }

  /** Shows the end of a session that is not loaded, from its file. */
  async #paint(): Promise<void> {
    const { messages, nextBefore } = await this.#page(PAGE_MESSAGES);
    this.#stored = nextBefore;
    this.transcript.begin({ messages, messageCount: messages.length + (nextBefore === undefined ? 0 : 1) });
    this.#listener.changed();
  }

  /** Sends a message: it starts a run, or joins the one that is under way. */
  async prompt(
    message: string,
    behavior: "steer" | "followUp",
    images: readonly { type: "image"; data: string; mimeType: string }[],
  ): Promise<void> {
    await this.#client.request("prompt", {
      sessionId: this.id,
      message,
      streamingBehavior: behavior,
      ...(images.length === 0 ? {} : { images: [...images] }),
    });
  }

  /** Runs a shell command in the session's folder. */
  async shell(command: string, excludeFromContext: boolean): Promise<void> {
    const item = this.transcript.bashStarted(command, excludeFromContext);
    this.#ownShells++;
    this.#listener.changed();
    try {
      // What it prints is in events alone, and is lost before the subscription. Until then Esc takes it back.
      const open = await Promise.race([this.#opened.promise.then(() => true), this.#unsent.promise]);
      if (!open) return this.transcript.bashEnded(item, { output: "", cancelled: true });
      const fields = { sessionId: this.id, command, ...(excludeFromContext ? { excludeFromContext } : {}) };
      this.transcript.bashEnded(item, await this.#client.request("bash", fields));
    } catch (error) {
      this.transcript.bashEnded(item, { output: item.output, cancelled: true });
      throw error;
    } finally {
      this.#ownShells--;
      this.#listener.changed();
    }
  }

  /** Stops what runs; returns the messages that had waited. */
  async abort(): Promise<readonly string[]> {
    this.#unsent.resolve(false);
    this.#unsent = deferred<false>();
    if (this.shellRuns) await this.#client.request("abort_bash", { sessionId: this.id });
    if (!this.works) return [];
    const { steering, followUp } = await this.#client.request("abort", { sessionId: this.id });
    return [...steering, ...followUp];
  }

  /** Says in the transcript what went wrong. */
  fail(error: unknown): void {
    this.note("error", sentenceOf(error));
  }

  /** Says something in the transcript. */
  note(level: "info" | "warning" | "error", text: string): void {
    this.transcript.note(level, text);
    this.#listener.changed();
  }

  /** Takes the events that were replayed, and no others. */
  async #takeReplayed(subscription: Subscription): Promise<void> {
    const until = this.#replayedUntil;
    if (until === 0) return;
    for await (const item of subscription) {
      if (item.kind === "event") this.widgets.apply(item.event);
      if (item.seq >= until) return;
    }
  }

  #sayInterrupted(interrupted: readonly Interrupted[] = []): void {
    for (const { message, kind } of interrupted) {
      this.transcript.note("warning", `A crash interrupted this ${kind}: ${message}`);
    }
  }

  async #refresh(): Promise<void> {
    const [info, stats] = await Promise.all([
      this.#client.request("get_state", { sessionId: this.id }),
      this.#client.request("get_session_stats", { sessionId: this.id }),
    ]);
    const here = this.#subscription?.cursor();
    // Events that came after this answer know more about the run.
    if (here?.epoch === info.epoch && here.seq > info.seq) this.#info = info;
    else this.#learn(info);
    this.#stats = stats;
    this.#listener.changed();
  }

  #learn(info: SessionInfo): void {
    this.#info = info;
    this.#compacting = info.isCompacting;
    this.#state = info.isStreaming ? "works" : "idle";
  }

  async #follow(subscription: Subscription): Promise<void> {
    try {
      for await (const item of subscription) {
        this.#take(item);
        this.#listener.changed();
      }
      if (this.#subscription === subscription) this.#gone("the session was deleted");
    } catch (error) {
      if (this.#subscription === subscription) this.#gone(sentenceOf(error));
    }
  }

  #watchShell(): void {
    this.#foreignShell?.clear();
    this.#foreignShell = this.#after(FOREIGN_SHELL_MS, () => {
      this.transcript.foreignShellEnded();
      void this.reload().catch((error: unknown) => this.fail(error));
    });
  }

  #gone(reason: string): void {
    this.#foreignShell?.clear();
    this.#state = "gone";
    this.#subscription = undefined;
    this.#listener.gone(this, reason);
  }

  #take(item: SubscriptionItem): void {
    if (item.kind === "snapshot") {
      // Perhaps under another epoch, which counts anew.
      this.#replayedUntil = 0;
      this.transcript.begin(item.snapshot);
      this.#steering = item.snapshot.queue.steering;
      this.#followUp = item.snapshot.queue.followUp;
      this.#learn(item.sessionInfo);
      return this.#sayInterrupted(item.snapshot.interrupted);
    }
    const { event } = item;
    // The messages of that time are read as they are now.
    if (item.seq <= this.#replayedUntil) return void this.widgets.apply(event);
    if (event.type === "bash_output" && this.#ownShells === 0) this.#watchShell();
    if (this.transcript.apply(event)) return;
    const said = this.widgets.apply(event);
    if (said !== undefined) return this.transcript.note(said.level, said.text);
    this.#runEvent(event);
  }

  #runEvent(event: Readonly<Record<string, unknown>>): void {
    const note = (level: "info" | "warning" | "error", text: string): void =>
      this.transcript.note(level, text);
    switch (event["type"]) {
      case "agent_start":
        this.#state = "works";
        this.#retry = undefined;
        this.#failed = false;
        return;
      case "agent_settled":
        this.#state = "idle";
        this.#retry = undefined;
        this.#failed = event["stopReason"] === "error";
        return this.refresh();
      case "queue_update":
        this.#steering = listOf(event, "steering").map(String);
        this.#followUp = listOf(event, "followUp").map(String);
        return;
      case "auto_retry_start":
        this.#retry = `Trying again (${String(event["attempt"])} of ${String(event["maxAttempts"])})… (${
          keyName("app.interrupt")
        } stops it)`;
        return note("warning", `The model failed: ${textOf(event, "errorMessage")}`);
      case "summarization_retry_scheduled":
        return note("warning", `The summary failed, and pi asks again: ${textOf(event, "errorMessage")}`);
      case "auto_retry_end":
        this.#retry = undefined;
        return;
      case "compaction_start":
        this.#compacting = true;
        return;
      case "compaction_end":
        this.#compacting = false;
        if (isFields(event["result"])) void this.reload().catch((error: unknown) => this.fail(error));
        else if (isOn(event, "aborted")) note("warning", "The compaction was stopped");
        else note("warning", textOf(event, "errorMessage"));
        return;
      case "session_replaced":
        void this.reload().catch((error: unknown) => this.fail(error));
        return;
      case "session_info_changed":
      case "model_changed":
      case "thinking_level_changed":
      case "turn_end":
        return this.refresh();
      case "extension_ui_request":
        if (event["method"] === "set_editor_text") this.#listener.editorText(this, textOf(event, "text"));
        return;
      case "extension_error":
        return note("error", `Extension ${textOf(event, "extensionPath")}: ${textOf(event, "error")}`);
      case "storage_error":
        return note("error", `The session file cannot be written: ${textOf(event, "error")}`);
      case "session_file_repaired":
        return note(
          "warning",
          `The session file was repaired: ${textOf(fieldsOf(event, "repair"), "message")}`,
        );
      case "budget_exceeded":
        return note("warning", `The session has spent its budget (${rawText(event, "limit") ?? ""})`);
      case "turn_stalled":
        return note("warning", `Nothing has come from the ${textOf(event, "phase")} for a while`);
      default:
        return;
    }
  }

  #asked(dialog: Dialog): Promise<DialogAnswer> {
    return new Promise((resolve) => {
      const done = (value: DialogAnswer): void => {
        const at = this.#dialogs.indexOf(open);
        if (at < 0) return;
        this.#dialogs.splice(at, 1);
        resolve(value);
        this.#listener.dialogs(this);
      };
      const open: OpenDialog = { dialog, answer: done };
      this.#dialogs.push(open);
      dialog.signal.addEventListener("abort", () => done(undefined), { once: true });
      this.#listener.dialogs(this);
    });
  }
}

/** What to tell a person about a failure. */
export function sentenceOf(error: unknown): string {
  if (error instanceof RequestError || error instanceof ConnectionLostError) return sanitize(error.message);
  return sanitize(errorMessage(error));
}
