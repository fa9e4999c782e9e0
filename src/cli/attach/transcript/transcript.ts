// The transcript of one session, as this client has it: the newest messages, and older ones once they were asked
// for. It takes snapshots, pages of older messages and events, and keeps items that a view draws. Memory is bounded:
// the oldest items go first, and can be asked for again. Pure.
import { type Fields, fieldsOf, isFields, isOn, listOf, numberOf, rawText, textOf } from "./fields.ts";
import {
  type BashItem,
  clipStart,
  type Item,
  type NoteItem,
  sizeOf,
  TEXT_CHARS,
  type ToolItem,
} from "./items.ts";
import { itemsOf, putResult, toolItem } from "./message_items.ts";
import { sanitize } from "../view/sanitize.ts";

/** Characters of all items at which the oldest are dropped. */
const MOST_CHARS = 24 * 1024 * 1024;

/** The state of a session to begin from. */
export interface Beginning {
  readonly messages: readonly unknown[];
  /** How many messages the session has; those that are not among `messages` are older. */
  readonly messageCount: number;
  readonly streamingMessage?: unknown;
  readonly runningTools?: readonly unknown[];
}

/** The items of one session. */
export class Transcript {
  #items: Item[] = [];
  readonly #tools = new Map<string, ToolItem>();
  /** What the message that is under way has so far, by index of its content; undefined when none is. */
  #stream: Map<number, Item> | undefined;
  #first = 0;
  #next = 0;
  #chars = 0;
  #bash: BashItem | undefined;

  /** What is drawn, oldest first. */
  get items(): readonly Item[] {
    return this.#items;
  }

  /** Index of the oldest message that is here; 0 when there is no older one. */
  get first(): number {
    return this.#first;
  }

  /** Whether no older messages fit. */
  get full(): boolean {
    return this.#chars > MOST_CHARS;
  }

  /** Begins anew with the state of the session. */
  begin({ messages, messageCount, streamingMessage, runningTools = [] }: Beginning): void {
    this.#tools.clear();
    this.#stream = undefined;
    this.#bash = undefined;
    this.#chars = 0;
    this.#first = Math.max(0, messageCount - messages.length);
    this.#next = this.#first;
    this.#items = [];
    for (const message of messages) this.#add(message);
    if (isFields(streamingMessage)) this.#resume(streamingMessage);
    for (const tool of runningTools) this.#toolStarted(isFields(tool) ? tool : {});
    this.#trim();
  }

  /** Takes the messages anew as they are now; what is under way is not among them, and stays. */
  renew(messages: readonly unknown[], messageCount: number): void {
    const [stream, bash, tools] = [this.#stream, this.#bash, new Map(this.#tools)];
    this.begin({ messages, messageCount });
    for (const [callId, { state, output, left, images }] of tools) {
      const tool = this.#tools.get(callId);
      if (state === "running" && tool?.state === "waiting") {
        Object.assign(tool, { state, output, left, images });
      }
    }
    const rest = [...stream?.values() ?? [], ...bash === undefined ? [] : [bash]];
    for (const item of rest) {
      if (item.kind === "tool") this.#tools.set(item.callId, item);
      this.#push(item);
    }
    this.#stream = stream;
    this.#bash = bash;
  }

  /** Adds older messages; `first` is the index of the first of them. */
  prepend(messages: readonly unknown[], first: number): void {
    const older = new Map<string, ToolItem>();
    const items: Item[] = [];
    messages.forEach((message, at) => {
      const made = itemsOf(message, first + at, (callId) => older.get(callId));
      for (const item of made) if (item.kind === "tool") older.set(item.callId, item);
      items.push(...made);
    });
    // A result whose call is on this page was an item by itself until now.
    for (const [callId, item] of older) {
      const known = this.#tools.get(callId);
      if (known !== undefined) {
        const { output, left, images, state, diff } = known;
        Object.assign(item, { output, left, images, state, ...(diff === undefined ? {} : { diff }) });
        this.#items = this.#items.filter((other) => other !== known);
      }
      this.#tools.set(callId, item);
    }
    this.#items = [...items, ...this.#items];
    for (const item of items) this.#chars += sizeOf(item);
    this.#first = first;
  }

  /** Adds a sentence of this client's. */
  note(level: NoteItem["level"], text: string): void {
    this.#push({ kind: "note", version: 0, message: -1, level, text: sanitize(text) });
  }

  /** A shell command of this client begins; what it prints joins it. */
  bashStarted(command: string, excluded: boolean): BashItem {
    const item: BashItem = {
      kind: "bash",
      version: 0,
      message: this.#next,
      command: sanitize(command),
      output: "",
      left: 0,
      state: "running",
      excluded,
    };
    this.#bash = item;
    this.#push(item);
    return item;
  }

  /** The command has ended with that answer. */
  bashEnded(item: BashItem, answer: { output: string; exitCode?: number; cancelled: boolean }): void {
    const { text, left } = clipStart(sanitize(answer.output));
    const state = answer.cancelled ? "cancelled" : answer.exitCode === 0 ? "done" : "failed";
    const { exitCode } = answer;
    Object.assign(item, { output: text, left, state, ...(exitCode === undefined ? {} : { exitCode }) });
    item.version++;
    this.#next++;
    if (this.#bash === item) this.#bash = undefined;
  }

  /** What another client's command has printed is among the messages by now, or will be. */
  foreignShellEnded(): void {
    if (this.#bash?.command === "") this.#bash = undefined;
  }

  /** Takes an event of the session; false when it changes nothing that is drawn here. */
  apply(event: Fields): boolean {
    switch (event["type"]) {
      case "message_start":
        if (rawText(event["message"], "role") === "assistant") this.#resume({});
        return false;
      case "message_update":
        return this.#update(event);
      case "message_end":
        this.#ended(event["message"]);
        this.#trim();
        return true;
      case "tool_execution_start":
        this.#toolStarted(event);
        return true;
      case "tool_execution_update":
        this.#put(this.#tool(event), event["partialResult"], "running");
        return true;
      case "tool_execution_end":
        this.#put(this.#tool(event), event["result"], isOn(event, "isError") ? "failed" : "done");
        return true;
      case "bash_output":
        this.#bashOutput(textOf(event, "chunk"));
        return true;
      default:
        return false;
    }
  }

  #push(item: Item): void {
    this.#items.push(item);
    this.#chars += sizeOf(item);
  }

  #add(message: unknown): void {
    const known = this.#tools.get(rawText(message, "toolCallId") ?? "");
    if (known !== undefined) this.#chars -= sizeOf(known);
    for (const item of itemsOf(message, this.#next, (callId) => this.#tools.get(callId))) {
      if (item.kind === "tool") this.#tools.set(item.callId, item);
      this.#push(item);
    }
    if (known !== undefined) this.#chars += sizeOf(known);
    this.#next++;
  }

  /** A message of the model is under way, with what it has so far. */
  #resume(message: Fields): void {
    this.#stream = new Map();
    listOf(message, "content").forEach((block, index) => {
      const type = rawText(block, "type");
      if (type === "text" || type === "thinking") this.#grow(index, type, textOf(block, type));
      else if (type === "toolCall") this.#call(index, block);
    });
  }

  #grow(index: number, kind: "text" | "thinking", delta: string): void {
    const stream = this.#stream ??= new Map();
    const known = stream.get(index);
    if (known?.kind === kind) {
      if (known.text.length > TEXT_CHARS) return;
      known.text += delta;
      known.version++;
      this.#chars += delta.length;
      return;
    }
    const item: Item = { kind, version: 0, message: this.#next, text: delta };
    stream.set(index, item);
    this.#push(item);
  }

  #call(index: number, call: unknown): void {
    const callId = rawText(call, "id") ?? "";
    let item = this.#tools.get(callId);
    if (item === undefined) {
      item = toolItem(this.#next, callId, "");
      this.#tools.set(callId, item);
      this.#push(item);
    }
    item.name = textOf(call, "name");
    item.args = fieldsOf(call, "arguments");
    item.version++;
    (this.#stream ??= new Map()).set(index, item);
  }

  #update(event: Fields): boolean {
    const update = fieldsOf(event, "assistantMessageEvent");
    const index = numberOf(update, "contentIndex") ?? 0;
    const delta = textOf(update, "delta");
    switch (update["type"]) {
      case "text_delta":
        this.#grow(index, "text", delta);
        return true;
      case "thinking_delta":
        this.#grow(index, "thinking", delta);
        return true;
      case "toolcall_end":
        this.#call(index, update["toolCall"]);
        return true;
      default:
        return false;
    }
  }

  /** A message is complete: it takes the place of what was streamed of it. */
  #ended(message: unknown): void {
    const stream = this.#stream;
    if (rawText(message, "role") !== "assistant" || stream === undefined) return this.#add(message);
    this.#stream = undefined;
    const whole = itemsOf(message, this.#next++, (callId) => this.#tools.get(callId));
    const streamed = new Set(stream.values());
    const made = whole.map((item) => this.#kept(item, stream));
    const known = new Set(made);
    const at = this.#items.findIndex((item) => streamed.has(item));
    const rest = this.#items.filter((item) => !streamed.has(item) && !known.has(item));
    const place = at < 0 ? rest.length : Math.min(at, rest.length);
    this.#items = [...rest.slice(0, place), ...made, ...rest.slice(place)];
    for (const item of made) {
      if (item.kind === "tool") this.#tools.set(item.callId, item);
      if (!streamed.has(item)) this.#chars += sizeOf(item);
    }
    for (const item of streamed) if (!known.has(item)) this.#chars -= sizeOf(item);
  }

  /** The item that was streamed, with the text of the whole one: a view that shows it need not move. */
  #kept(item: Item, stream: Map<number, Item>): Item {
    if (item.kind !== "text" && item.kind !== "thinking") return item;
    for (const [index, streamed] of stream) {
      if (streamed.kind !== item.kind) continue;
      stream.delete(index);
      if (streamed.text !== item.text) streamed.version++;
      streamed.text = item.text;
      return streamed;
    }
    return item;
  }

  #tool(event: Fields): ToolItem {
    const callId = rawText(event, "toolCallId") ?? "";
    const known = this.#tools.get(callId);
    if (known !== undefined) return known;
    const item = toolItem(this.#next, callId, textOf(event, "toolName"));
    item.args = fieldsOf(event, "args");
    this.#tools.set(callId, item);
    this.#push(item);
    return item;
  }

  #toolStarted(event: Fields): void {
    const item = this.#tool(event);
    item.state = "running";
    item.version++;
    if (isFields(event["partialResult"])) this.#put(item, event["partialResult"], "running");
  }

  #put(item: ToolItem, result: unknown, state: ToolItem["state"]): void {
    this.#chars -= sizeOf(item);
    putResult(item, result, state);
    this.#chars += sizeOf(item);
  }

  #bashOutput(chunk: string): void {
    // Of another client's command nothing is known but what it prints.
    const item = this.#bash ?? this.bashStarted("", false);
    const { text, left } = clipStart(item.output + chunk);
    item.output = text;
    item.left += left;
    item.version++;
  }

  #trim(): void {
    if (this.#chars <= MOST_CHARS) return;
    let drop = 0;
    let message = this.#first;
    while (this.#chars > MOST_CHARS * 3 / 4 && drop < this.#items.length - 1) {
      const item = this.#items[drop++];
      if (item === undefined) break;
      this.#chars -= sizeOf(item);
      message = Math.max(message, item.message);
    }
    // A message goes as a whole, so that its index says where the older ones end.
    while (this.#items[drop]?.message === message) drop++;
    for (const item of this.#items.slice(0, drop)) if (item.kind === "tool") this.#tools.delete(item.callId);
    this.#items = this.#items.slice(drop);
    this.#first = message + 1;
  }
}
