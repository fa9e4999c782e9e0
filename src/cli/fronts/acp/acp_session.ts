// Does: one session of the editor: its updates, prompts, questions and settings.
// Used by: agent.ts. Uses: transcript.ts, dialogs.ts and settings.ts.
// Invariant: a prompt is answered after all updates of its run have been written.
import type {
  AgentContext,
  ClientCapabilities,
  ContentBlock,
  SessionUpdate,
  StopReason,
} from "@agentclientprotocol/sdk";
import { deadline } from "../../../base/async/deadline.ts";
import { type Deferred, deferred } from "../../../base/async/deferred.ts";
import type {
  Client,
  SessionEvent,
  SessionInfo,
  Snapshot,
  Subscription,
  SubscriptionItem,
} from "../../../client/mod.ts";
import type { Io } from "../../subcommand.ts";
import { DialogBook } from "./dialogs.ts";
import { acpError, isCancelled } from "./errors.ts";
import { promptOf } from "./prompt_content.ts";
import type { ServerLink } from "./server_link.ts";
import { Settings, type SettingsState } from "./settings.ts";
import { Transcript } from "./transcript.ts";
import { said, type Words, wordsOf } from "./words.ts";

/** What a session needs of the program. */
export interface SessionParts {
  readonly link: ServerLink;
  readonly editor: AgentContext;
  readonly capabilities: ClientCapabilities;
  readonly io: Io;
}

/** A prompt of this editor that has no answer yet. */
interface OwnPrompt {
  readonly message: string;
  cancelled: boolean;
  /** Whether its message has come back as one of the session's. */
  shown: boolean;
}

/** Milliseconds that the end of a run gets to arrive after its answer. */
const SETTLE_MS = 10_000;

/** pi's reasons for the end of an answer; every other one is a normal end. */
const STOP_REASONS: Readonly<Record<string, StopReason>> = { length: "max_tokens", aborted: "cancelled" };

const GONE: Words = {
  severity: "error",
  title: "Another client has removed this session from the server's list",
};

/** A session that the editor has open. */
export class AcpSession {
  /** The id that the editor knows. */
  readonly id: string;
  /** The id that the server knows. */
  readonly sessionId: string;
  readonly #parts: SessionParts;
  readonly #transcript: Transcript;
  readonly #dialogs: DialogBook;
  readonly #ready = deferred<void>();
  readonly #own = new Set<OwnPrompt>();
  #settings: Settings | undefined;
  #subscription: Subscription | undefined;
  /** The seq of the last event that the editor has, and how many runs have ended for it. */
  #written = 0;
  #settled = 0;
  #progress: Deferred<void> = deferred();
  #following = false;
  #reopening: Promise<void> | undefined;
  #closed = false;
  /** Names of the commands that pi replaces by a text of their own. */
  #templates: ReadonlySet<string> = new Set();
  #compactions = 0;
  #notices = 0;
  #overBudget = false;

  private constructor(id: string, sessionId: string, cwd: string, parts: SessionParts) {
    this.id = id;
    this.sessionId = sessionId;
    this.#parts = parts;
    this.#transcript = new Transcript(cwd, (text) => this.#takeOwn(text));
    const { editor, capabilities } = parts;
    this.#dialogs = new DialogBook({
      ...{ id, sessionId, editor, capabilities },
      send: (update) => this.#send(update),
      say: (words) => this.say(words),
    });
  }

  /**
   * Opens a session of the server.
   *
   * @param id the id that the editor knows
   * @param replay whether the editor is sent the history
   */
  static async open(
    id: string,
    sessionId: string,
    parts: SessionParts,
    replay: boolean,
  ): Promise<AcpSession> {
    const client = await parts.link.client();
    const { cwd } = await client.request("get_state", { sessionId });
    const session = new AcpSession(id, sessionId, cwd, parts);
    try {
      const snapshot = await session.#subscribe(client);
      if (replay) await session.#replay(client, snapshot);
      else session.#transcript.skip(snapshot);
      return session;
    } catch (error) {
      await session.#subscription?.close();
      throw error;
    }
  }

  /** Modes and options, for the answer that opens the session. */
  get settings(): SettingsState | undefined {
    return this.#settings?.state;
  }

  /** Begins with the updates. The editor must have been answered: it knows the session from then on. */
  start(first?: Words): void {
    this.#ready.resolve();
    void this.#follow();
    void this.#introduce(first).catch(() => {});
  }

  /** Says something to the person. */
  async say(words: Words): Promise<void> {
    const notices = this.#parts.capabilities.session?.notices;
    await this.#send(said(words, notices !== undefined && notices !== null, ++this.#notices));
  }

  /** Runs a prompt to the end of its run. */
  async prompt(blocks: readonly ContentBlock[], cancelled: AbortSignal): Promise<StopReason> {
    const { message, images } = promptOf(blocks);
    const own: OwnPrompt = { message, cancelled: false, shown: false };
    const onCancel = (): void => {
      // The connection has ended: the run goes on for other clients.
      if (isCancelled(cancelled.reason)) void this.cancel(own).catch(() => {});
    };
    cancelled.addEventListener("abort", onCancel, { once: true });
    this.#own.add(own);
    this.#overBudget = false;
    try {
      const client = await this.#reopened();
      const before = this.#settled;
      const settled = await client.prompt(this.sessionId, message, {
        images,
        // Another client's run may be under way: the message has its turn behind it.
        streamingBehavior: "followUp",
      });
      await this.#caughtUp(settled.disposition !== "handled" ? before : undefined);
      if (settled.notice !== undefined) await this.say({ severity: "warning", title: settled.notice });
      await this.#usage(client);
      if (own.cancelled) return "cancelled";
      return STOP_REASONS[settled.stopReason ?? ""] ?? "end_turn";
    } catch (error) {
      await this.#caughtUp(undefined);
      const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
      if (code === "cancelled" && this.#overBudget && !own.cancelled) return "max_turn_requests";
      if (code === "cancelled" || own.cancelled) return "cancelled";
      throw acpError(error, this.id);
    } finally {
      cancelled.removeEventListener("abort", onCancel);
      this.#own.delete(own);
    }
  }

  /** Stops the run, for one prompt of this editor or for all. */
  async cancel(one?: OwnPrompt): Promise<void> {
    for (const own of one === undefined ? this.#own : [one]) own.cancelled = true;
    await this.#abort();
  }

  /** Sets the thinking level. */
  async setMode(modeId: string): Promise<void> {
    const client = await this.#reopened();
    await this.#sendAll(await this.#settings?.setMode(client, modeId) ?? []);
  }

  /** Sets the model or the thinking level. */
  async setOption(configId: string, value: unknown): Promise<SettingsState["configOptions"]> {
    const client = await this.#reopened();
    await this.#sendAll(await this.#settings?.setOption(client, configId, value) ?? []);
    return this.#settings?.state.configOptions ?? [];
  }

  /** Ends the updates. A prompt of this editor is aborted; what other clients do in the session goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#own.size > 0) await this.cancel().catch(() => {});
    await this.#subscription?.close();
  }

  async #abort(): Promise<void> {
    const client = await this.#parts.link.client();
    await client.request("abort", { sessionId: this.sessionId });
  }

  async #send(update: SessionUpdate): Promise<void> {
    await this.#parts.editor.notify("session/update", { sessionId: this.id, update });
  }

  async #sendAll(updates: readonly SessionUpdate[]): Promise<void> {
    for (const update of updates) await this.#send(update);
  }

  /** Whether the editor has sent this message itself; true once for each prompt. */
  #takeOwn(text: string): boolean {
    const waiting = [...this.#own].filter(({ shown }) => !shown);
    // pi puts the text of a template or a skill in the place of its command.
    const own = waiting.find(({ message }) => message === text) ??
      waiting.find(({ message }) => this.#templates.has(/^\/(\S+)/.exec(message)?.[1] ?? ""));
    if (own !== undefined) own.shown = true;
    return own !== undefined;
  }

  async #levels(client?: Client): Promise<readonly SessionInfo["thinkingLevel"][]> {
    const from = client ?? await this.#parts.link.client();
    return (await from.request("get_available_thinking_levels", { sessionId: this.sessionId })).levels;
  }

  async #subscribe(client: Client): Promise<Snapshot> {
    const { sessionId } = this;
    const subscription = await client.subscribe(sessionId, {
      snapshot: true,
      onDialog: async (dialog) => {
        await this.#ready.promise;
        return await this.#dialogs.ask(dialog);
      },
    });
    this.#subscription = subscription;
    const { value } = await subscription.next();
    if (value?.kind !== "snapshot") throw new Error(`the session ${sessionId} is gone`);
    this.#written = value.seq;
    const { models } = await client.request("get_available_models", { sessionId });
    this.#settings = new Settings(value.sessionInfo, models, await this.#levels(client));
    return value.snapshot;
  }

  /** The connected client, after a subscription that has ended was made anew. */
  async #reopened(): Promise<Client> {
    // An editor's next message may be here before the updates have begun.
    await this.#ready.promise;
    const client = await this.#parts.link.client();
    if (!this.#following) {
      this.#reopening ??= this.#reopen(client).finally(() => this.#reopening = undefined);
      await this.#reopening;
    }
    return client;
  }

  async #reopen(client: Client): Promise<void> {
    await this.#sendAll(this.#transcript.catchUp(await this.#subscribe(client)));
    void this.#follow();
  }

  /** Sends the history: page by page from the oldest, then the newest part with what is under way. */
  async #replay(client: Client, snapshot: Snapshot): Promise<void> {
    const { sessionId } = this;
    const ends: number[] = [];
    let before = snapshot.messageCount - snapshot.messages.length;
    while (before > 0) {
      ends.push(before);
      const page = await client.request("get_messages", { sessionId, before });
      before = page.before ?? 0;
    }
    // A page is read a second time so that one alone is held in memory.
    for (const end of ends.reverse()) {
      const { messages } = await client.request("get_messages", { sessionId, before: end });
      for (const message of messages) await this.#sendAll(this.#transcript.message(message));
    }
    await this.#sendAll(this.#transcript.catchUp(snapshot));
  }

  /** What the editor shows beside the history: commands, how full the context is, and words. */
  async #introduce(first: Words | undefined): Promise<void> {
    if (first !== undefined) await this.say(first);
    const client = await this.#parts.link.client();
    await this.#commands(client);
    await this.#usage(client);
  }

  async #commands(client: Client): Promise<void> {
    const { commands } = await client.request("get_commands", { sessionId: this.sessionId });
    this.#templates = new Set(
      commands.filter(({ source }) => source !== "extension").map(({ name }) => name),
    );
    await this.#send({
      sessionUpdate: "available_commands_update",
      availableCommands: commands.map(({ name, description, source }) => ({
        name,
        description: description ?? source,
        input: { hint: "arguments" },
      })),
    });
  }

  async #usage(client: Client): Promise<void> {
    const stats = await client.request("get_session_stats", { sessionId: this.sessionId }).catch(() =>
      undefined
    );
    const { tokens, contextWindow } = stats?.contextUsage ?? { tokens: null, contextWindow: 0 };
    if (stats === undefined || tokens === null) return;
    await this.#send({
      sessionUpdate: "usage_update",
      used: tokens,
      size: contextWindow,
      cost: { amount: stats.cost, currency: "USD" },
    });
  }

  async #follow(): Promise<void> {
    const subscription = this.#subscription;
    if (subscription === undefined || this.#following) return;
    this.#following = true;
    try {
      for await (const item of subscription) {
        await this.#item(item);
        this.#written = item.seq;
        if (item.kind === "event" && item.event.type === "agent_settled") this.#settled++;
        if (item.kind === "snapshot" && item.missed && !item.sessionInfo.isStreaming) this.#settled++;
        this.#wake();
      }
      if (!this.#closed) await this.say(GONE);
    } catch (error) {
      await this.say({ severity: "error", title: acpError(error).message }).catch(() => {});
    } finally {
      this.#following = false;
      this.#wake();
    }
  }

  #wake(): void {
    this.#progress.resolve();
    this.#progress = deferred();
  }

  /**
   * Resolves once the editor has every event that has come.
   *
   * @param runs also waits for the end of a run beyond so many
   */
  async #caughtUp(runs: number | undefined): Promise<void> {
    const behind = (): boolean => {
      const cursor = this.#subscription?.cursor();
      return this.#following && cursor !== undefined && cursor.epoch === target?.epoch &&
        this.#written < target.seq;
    };
    const target = this.#subscription?.cursor();
    while (behind()) await this.#progress.promise;
    if (runs === undefined) return;
    // The server sends what was lost with a connection after the answer.
    const late = { is: false };
    const ended = (async (): Promise<void> => {
      while (!late.is && this.#following && this.#settled <= runs) await this.#progress.promise;
    })();
    await deadline(this.#parts.io, SETTLE_MS, ended, undefined);
    late.is = true;
  }

  async #item(item: SubscriptionItem): Promise<void> {
    if (item.kind === "snapshot") {
      await this.#sendAll(this.#transcript.catchUp(item.snapshot));
      await this.#sendAll(this.#settings?.renew(item.sessionInfo) ?? []);
      return;
    }
    const { event } = item;
    await this.#sendAll(this.#transcript.event(event));
    await this.#sendAll(await this.#settings?.event(event, () => this.#levels()) ?? []);
    await this.#other(event);
    const words = wordsOf(event);
    if (words !== undefined) await this.say(words);
  }

  /** Events that are about neither messages nor settings. */
  async #other(event: SessionEvent): Promise<void> {
    const { name, requestId, by } = event;
    switch (event.type) {
      case "agent_start":
        // The cancelled prompt had waited in the session's mailbox, where `abort` does not reach.
        if ([...this.#own].some(({ cancelled }) => cancelled)) void this.#abort().catch(() => {});
        return;
      case "agent_settled":
        await this.#sendAll(this.#transcript.settle());
        if (this.#own.size === 0) await this.#foreignEnd(event);
        return;
      case "budget_exceeded":
        this.#overBudget = true;
        return;
      case "session_info_changed":
        return await this.#send({
          sessionUpdate: "session_info_update",
          title: typeof name === "string" ? name : null,
        });
      case "session_replaced":
        return await this.#commands(await this.#parts.link.client());
      case "extension_ui_resolved":
        if (typeof requestId === "string") await this.#dialogs.resolved(requestId, by);
        return;
      case "compaction_start":
      case "compaction_end":
        return await this.#compaction(event);
    }
  }

  /** The end of a run that another client or an extension has begun. */
  async #foreignEnd(event: SessionEvent): Promise<void> {
    if (event["stopReason"] === "error") {
      await this.say({
        severity: "error",
        title: "The run of another client ended with an error of the model",
      });
    }
    await this.#usage(await this.#parts.link.client());
  }

  async #compaction(event: SessionEvent): Promise<void> {
    const { aborted, errorMessage, result } = event;
    const failed = typeof errorMessage === "string" ? errorMessage : undefined;
    const begins = event.type === "compaction_start";
    if (begins) this.#compactions++;
    const capability = this.#parts.capabilities.session?.compaction;
    if (capability === undefined || capability === null) {
      const title = begins
        ? "The older messages are being summed up"
        : failed !== undefined
        ? `The older messages were not summed up: ${failed}`
        : aborted === true
        ? "The older messages were not summed up: it was stopped"
        : "The older messages are summed up";
      return await this.say({ severity: failed === undefined ? "info" : "error", title });
    }
    const summary: unknown = typeof result === "object" && result !== null
      ? Reflect.get(result, "summary")
      : undefined;
    await this.#send({
      sessionUpdate: "compaction_update",
      compactionId: `compaction-${this.#compactions}`,
      status: begins
        ? "in_progress"
        : failed !== undefined
        ? "failed"
        : aborted === true
        ? "cancelled"
        : "completed",
      ...(typeof summary === "string" ? { summary: [{ type: "text", text: summary }] } : {}),
      ...(failed === undefined ? {} : { error: failed }),
    });
  }
}
