// Everything that the page of one session follows: its transcript, its state, its queue, what its extensions show. One
// subscription with a snapshot; when the messages are rewritten, another one.
import { errorMessage } from "../../base/error_message.ts";
import {
  type Client,
  type EventItem,
  fillTexts,
  messagesIn,
  RequestError,
  type SessionInfo,
  type Snapshot,
  type Subscribed,
  type Subscription,
} from "../../client/browser.ts";
import type { Console } from "../app/console.ts";
import { Cell } from "../app/cell.ts";
import { type Fields, fields, isFields, number, text } from "../text/read.ts";
import { Transcript } from "../transcript/transcript.ts";

/** What waits to be read by the agent. */
export interface Waiting {
  readonly steering: readonly string[];
  readonly followUp: readonly string[];
}

/** How full the model's context is. */
export interface ContextUse {
  readonly tokens: number | null;
  readonly contextWindow: number;
  readonly percent: number | null;
}

/** Lines that an extension keeps on the page. */
export interface Widget {
  readonly key: string;
  readonly lines: readonly string[];
}

const OLDER_MESSAGES = 60;
/** Bytes of one answer with messages. Pictures come when they are on the page. */
const PAGE_BYTES = 1024 * 1024;
/** A shell command of another client has ended when it has printed nothing for so long; no event tells it. */
const QUIET_MS = 1500;
const MOST_WIDGETS = 20;

/** The session that a page shows. */
export class SessionFeed {
  readonly transcript = new Transcript();
  readonly phase = new Cell<"loading" | "open" | "gone" | "failed">("loading");
  /** Why it is gone or failed. */
  readonly reason = new Cell("");
  readonly info = new Cell<SessionInfo | undefined>(undefined);
  readonly waiting = new Cell<Waiting>({ steering: [], followUp: [] });
  readonly context = new Cell<ContextUse | undefined>(undefined);
  /** What the run is doing beside talking: a retry, a compaction, silence. */
  readonly note = new Cell("");
  readonly widgets = new Cell<readonly Widget[]>([]);
  /** What a screen reader says. */
  readonly spoken = new Cell("");
  /** Text that an extension or a fork puts into the prompt box. */
  readonly offered = new Cell<{ readonly text: string; readonly number: number }>({ text: "", number: 0 });
  readonly #console: Console;
  readonly #client: Client;
  readonly #sessionId: string;
  #subscription: Subscription | undefined;
  #stopped = false;
  /** The cursor of the next older page, while the page shows what the file holds. */
  #stored: string | undefined;
  #life = 0;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(console: Console, client: Client, sessionId: string) {
    this.#console = console;
    this.#client = client;
    this.#sessionId = sessionId;
    void this.#follow();
  }

  /** Ends it. The list of all sessions goes on. */
  stop(): void {
    this.#stopped = true;
    this.#life++;
    clearTimeout(this.#quiet);
    void this.#subscription?.close();
  }

  /** Loads the messages before the oldest one. */
  async loadOlder(): Promise<void> {
    const { transcript } = this;
    const [before, life] = [transcript.first, transcript.life];
    const cursor = this.#stored;
    if (cursor !== undefined) {
      const { messages, nextBefore } = await this.#page(cursor);
      if (transcript.life !== life) return;
      this.#stored = nextBefore;
      return transcript.older(messages, nextBefore === undefined ? 0 : 1);
    }
    const { messages } = await this.#messages({ before, limit: OLDER_MESSAGES });
    if (transcript.life === life && transcript.first === before) transcript.older(messages);
  }

  /** Reads the newest messages, for what no event tells. */
  async loadNewest(): Promise<void> {
    const { messages, messageCount } = await this.#messages({ limit: 10 });
    this.transcript.newest(messages, messageCount);
  }

  /** Reads the session's state and how full its context is. */
  async refresh(): Promise<void> {
    const sessionId = this.#sessionId;
    const info = await this.#client.request("get_state", { sessionId });
    // The page takes the state before it hears the next event, which knows more about the run.
    this.info.set(info);
    this.#console.sessions.put(info);
    this.context.set(await this.#client.request("get_context_usage", { sessionId }) ?? undefined);
  }

  /** Reads the transcript anew: something has rewritten it without an event. */
  reload(): void {
    this.#life++;
    void this.#subscription?.close();
  }

  /** Reads messages. Their pictures stay references, which name the session. */
  async #messages(
    fields: { readonly before?: number; readonly limit: number },
  ): Promise<{ readonly messages: Record<string, unknown>[]; readonly messageCount: number }> {
    const sessionId = this.#sessionId;
    const form = { refs: true, maxBytes: PAGE_BYTES };
    const data = await this.#client.request("get_messages", { sessionId, ...form, ...fields });
    return { messages: await this.#whole(data.messages), messageCount: data.messageCount };
  }

  /** A page of what the session's file holds, before that entry. pi need not be loaded for it. */
  async #page(
    before?: string,
  ): Promise<{ readonly messages: Record<string, unknown>[]; readonly nextBefore: string | undefined }> {
    const sessionId = this.#sessionId;
    const { entries, nextBefore } = await this.#client.request("get_entries", {
      ...{ sessionId, scope: "branch", limit: OLDER_MESSAGES, refs: true, maxBytes: PAGE_BYTES },
      ...(before === undefined ? {} : { before }),
    });
    return { messages: await this.#whole(messagesIn(entries)), nextBefore };
  }

  /** Messages with their texts, whose pictures name the session. */
  async #whole(messages: readonly Fields[]): Promise<Record<string, unknown>[]> {
    const sessionId = this.#sessionId;
    return (await fillTexts(this.#client, sessionId, messages)).map((message) => named(message, sessionId));
  }

  /** Shows the end of a session that is not loaded, from its file. The subscription then shows it as it is. */
  async #paint(): Promise<void> {
    const info = await this.#client.request("get_state", { sessionId: this.#sessionId });
    if (info.status !== "parked") return;
    const { messages, nextBefore } = await this.#page();
    if (this.#stopped || this.phase.value !== "loading") return;
    this.#stored = nextBefore;
    const messageCount = messages.length + (nextBefore === undefined ? 0 : 1);
    this.transcript.reset({ snapshot: { messages, messageCount, ...nothing() } });
    this.info.set(info);
    this.phase.set("open");
  }

  async #follow(): Promise<void> {
    // A server of before has no such command, and a session without a file has no page.
    await this.#paint().catch(() => {});
    // What is idle is opened with its newest messages alone; a running answer needs the server's snapshot.
    let way: "newest" | "snapshot" = "newest";
    while (!this.#stopped) {
      const life = ++this.#life;
      try {
        const subscription = await this.#client.subscribe(this.#sessionId, { snapshot: way === "snapshot" });
        this.#subscription = subscription;
        if (this.#stopped) return void subscription.close();
        if (way === "newest" && !await this.#openNewest(subscription.start)) {
          way = "snapshot";
          await subscription.close();
          continue;
        }
        for await (const item of subscription) {
          if (life !== this.#life) break;
          if (item.kind === "event") this.#event(item);
          else this.#open(item.snapshot, item.sessionInfo);
          if (this.#stopped) return;
        }
        // It ended by itself: the session was deleted.
        if (life === this.#life) return this.phase.set("gone");
        way = "newest";
      } catch (error) {
        if (this.#stopped) return;
        const code = error instanceof RequestError ? error.code : "";
        const reason = errorMessage(error);
        // It can be read all the same.
        if (code === "session_file_too_large" && this.phase.value === "open") return this.note.set(reason);
        this.reason.set(reason);
        const gone = code === "session_not_found";
        return this.phase.set(gone ? "gone" : "failed");
      }
    }
  }

  /** Opens the page with the newest messages. Says no when the session has moved on meanwhile, or works. */
  async #openNewest(start: Subscribed | undefined): Promise<boolean> {
    if (start === undefined || busy(start.sessionInfo)) return false;
    const sessionId = this.#sessionId;
    const [{ messages, messageCount }, info] = await Promise.all([
      this.#messages({ limit: OLDER_MESSAGES }),
      this.#client.request("get_state", { sessionId }),
    ]);
    // The state was read after the messages: with the same number of events nothing happened in between.
    if (busy(info) || info.seq !== start.seq || info.epoch !== start.epoch) return false;
    this.#open({ messages, messageCount, ...nothing() }, info);
    return true;
  }

  #open(snapshot: Snapshot, info: SessionInfo): void {
    this.#stored = undefined;
    this.transcript.reset({ snapshot });
    this.info.set(info);
    this.waiting.set(snapshot.queue);
    this.phase.set("open");
    void this.refresh().catch(() => {});
  }

  #event({ sessionId, event }: EventItem): void {
    this.#console.hear(sessionId, event);
    if (this.transcript.apply(event) === "reload") this.reload();
    switch (event.type) {
      case "agent_start":
        this.#change({ isStreaming: true });
        return this.note.set("");
      case "agent_settled":
        this.#change({ isStreaming: false });
        this.note.set("");
        this.#speak();
        return void this.refresh().catch(() => {});
      case "queue_update":
        return this.waiting.set({ steering: texts(event["steering"]), followUp: texts(event["followUp"]) });
      case "compaction_start":
        this.#change({ isCompacting: true });
        return this.note.set("The older messages are compacted");
      case "compaction_end":
        this.#change({ isCompacting: false });
        return this.note.set(text(event, "errorMessage"));
      case "auto_retry_start":
        return this.note.set(
          `The model failed, try ${number(event, "attempt") ?? "?"} of ${
            number(event, "maxAttempts") ?? "?"
          }: ` +
            text(event, "errorMessage").slice(0, 300),
        );
      case "summarization_retry_scheduled":
        return this.note.set(
          `A summary failed, pi retries: ${text(event, "errorMessage").slice(0, 300)}`,
        );
      case "auto_retry_end":
        return this.note.set("");
      case "turn_stalled":
        return this.note.set(
          `Nothing has come for ${Math.round((number(event, "silentMs") ?? 0) / 1000)} s from the ${
            phaseOf(event)
          }`,
        );
      case "message_update":
      case "tool_execution_update":
        return this.note.value === "" ? undefined : this.note.set("");
      case "model_changed":
      case "thinking_level_changed":
      case "session_info_changed":
      case "budget_exceeded":
        return void this.refresh().catch(() => {});
      case "bash_output":
        clearTimeout(this.#quiet);
        this.#quiet = setTimeout(() => void this.loadNewest().catch(() => {}), QUIET_MS);
        return;
      case "storage_error":
        return this.#console.notices.failed(`The session file cannot be written: ${text(event, "error")}`);
      case "extension_error":
        return this.#console.notices.failed(`An extension failed: ${text(event, "error")}`);
      case "extension_ui_request":
        return this.#extension(event);
    }
  }

  #change(change: Partial<SessionInfo>): void {
    if (this.info.value !== undefined) this.info.set({ ...this.info.value, ...change });
  }

  /** What an extension shows without asking. */
  #extension(event: EventItem["event"]): void {
    const method = text(event, "method");
    if (method === "notify") {
      const message = text(event, "message");
      if (text(event, "notifyType") === "error") this.#console.notices.failed(message);
      else this.#console.notices.done(message);
    } else if (method === "set_editor_text") this.offer(text(event, "text"));
    else if (method === "setStatus" || method === "setWidget") {
      const key = `${method} ${text(event, method === "setStatus" ? "statusKey" : "widgetKey")}`;
      const lines = method === "setStatus" ? [text(event, "statusText")] : texts(event["widgetLines"]);
      const others = this.widgets.value.filter((widget) => widget.key !== key);
      const shown = lines.some((line) => line !== "");
      this.widgets.set(shown ? [...others, { key, lines: lines.slice(0, 20) }].slice(-MOST_WIDGETS) : others);
    }
  }

  /** Puts a text into the prompt box. */
  offer(text: string): void {
    this.offered.set({ text, number: this.offered.value.number + 1 });
  }

  #speak(): void {
    const last = this.transcript.rows.at(-1)?.message;
    if (last === undefined || text(last, "role") !== "assistant") return;
    const said = (Array.isArray(last["content"]) ? last["content"] : []).filter(isFields)
      .map((block) => text(block, "text")).join(" ");
    this.spoken.set(`The answer is complete. ${said.slice(0, 400)}`);
  }
}

/** What a snapshot of an idle session has beside its messages. */
const nothing = (): Pick<Snapshot, "queue" | "runningTools"> => ({
  queue: { steering: [], followUp: [] },
  runningTools: [],
});

/** A message whose pictures say which session holds them. */
function named(message: Fields, sessionId: string): Record<string, unknown> {
  const { content } = message;
  if (!Array.isArray(content)) return { ...message };
  return {
    ...message,
    content: content.map((block: unknown) =>
      isFields(block) && isFields(block["data"]) ? { ...block, sessionId } : block
    ),
  };
}

/** Whether something runs or waits that the messages alone do not tell. */
function busy({ isStreaming, isCompacting, pendingMessageCount }: SessionInfo): boolean {
  return isStreaming || isCompacting || pendingMessageCount > 0;
}

function phaseOf(event: EventItem["event"]): string {
  const phase = text(event, "phase");
  return phase === "ui" ? "person who is asked" : phase === "tool" ? "tool" : "model";
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** How many messages wait. */
export function waitingCount({ steering, followUp }: Waiting): number {
  return steering.length + followUp.length;
}

/** The name of a model in a few characters. */
export function modelName(info: { readonly model?: unknown }): string {
  return text(fields(info, "model"), "id");
}
