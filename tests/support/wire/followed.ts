// One session as a client keeps it (docs/PROTOCOL.md#coming-back): the state from a snapshot and the events behind it. Notices
// every gap, every repeat, what comes after `lagged`, and a message that is not the sum of its pieces.
import { arrayAt, at, brief, isObject, type Json, type JsonObject, numberAt } from "../base/json.ts";

/** Content blocks so far: the text of each by its index. */
function textsOf(message: unknown): Map<number, string> {
  const content = at(message, "content");
  const blocks = Array.isArray(content) ? content : [];
  return new Map(blocks.map((block, index) => {
    const text = at(block, "text") ?? at(block, "thinking");
    return [index, typeof text === "string" ? text : ""];
  }));
}

function queueOf(from: unknown): Json {
  return { steering: at(from, "steering") ?? [], followUp: at(from, "followUp") ?? [] };
}

/** What a client knows of a session. */
export class Followed {
  readonly sessionId: string;
  readonly faults: string[] = [];
  epoch = "";
  seq = 0;
  messages: Json[] = [];
  /** Texts of the message that streams, if its start is known. */
  streaming: Map<number, string> | undefined;
  readonly tools = new Map<string, JsonObject>();
  queue: Json = { steering: [], followUp: [] };
  /** Types of all events that were delivered, in order. */
  readonly types: string[] = [];
  /** Numbers that merged events stood for, beyond one each. */
  merged = 0;
  lagged: JsonObject | undefined;
  readonly afterLag: string[] = [];
  readonly modes: string[] = [];
  /** Whether the subscription leaves events out. */
  filtered = false;
  /** Between a subscribe and its answer nothing counts: it will come again. */
  muted = false;
  #expected: { seq: number; snapshot: JsonObject } | undefined;

  constructor(sessionId: string) {
    this.sessionId = sessionId;
  }

  /** How far it has come, to subscribe from. */
  get cursor(): JsonObject {
    return { epoch: this.epoch, seq: this.seq };
  }

  /** Begins where the answer to a subscription says. */
  begin(data: JsonObject, from: Json | undefined, filtered: boolean): void {
    Object.assign(this, { filtered, muted: false, lagged: undefined });
    const [mode, seq] = [String(data.mode), numberAt(data, "seq")];
    this.modes.push(mode);
    const snapshot = isObject(data.snapshot) ? data.snapshot : undefined;
    if (mode === "replay") {
      const start = numberAt(from, "seq");
      if (data.epoch !== this.epoch && this.seq > 0) this.#fault("a replay of another epoch", data);
      if (start !== this.seq) this.#reset(start);
      if (start > seq) this.#fault("a replay from the future", data);
      if (snapshot !== undefined) this.#expected = { seq, snapshot };
    } else {
      if (this.seq !== seq || snapshot !== undefined) this.#reset(seq);
      if (snapshot !== undefined) this.#restore(snapshot);
      else if (mode === "snapshot") this.#fault("no snapshot", data);
    }
    this.epoch = String(data.epoch);
    this.#compare();
  }

  /** Takes `lagged`. */
  lag(message: JsonObject): void {
    if (this.lagged !== undefined) this.#fault("lagged twice", message);
    const [epoch, afterSeq] = [message.epoch, numberAt(message, "afterSeq")];
    if (this.epoch !== "" && epoch !== this.epoch) this.#fault("lagged in another epoch", message);
    if (this.filtered ? afterSeq < this.seq : afterSeq !== this.seq) {
      this.#fault(`lagged, but ${this.seq} came last`, message);
    }
    this.seq = afterSeq;
    this.lagged = message;
  }

  /** Takes an event. */
  take(message: JsonObject): void {
    const event = isObject(message.event) ? message.event : {};
    if (this.lagged !== undefined) {
      this.afterLag.push(String(event.type));
      if (event.type !== "extension_ui_request") this.#fault("an event after lagged", message);
      return;
    }
    const seq = numberAt(message, "seq");
    const covers = message.coalesced === undefined ? 1 : numberAt(message, "coalesced");
    if (covers < 1 || message.coalesced === 1) this.#fault("coalesced of one or less", message);
    const first = seq - covers + 1;
    if (this.filtered ? first <= this.seq : first !== this.seq + 1) {
      this.#fault(`expected ${this.seq + 1}, got ${first}`, message);
    }
    this.merged += covers - 1;
    this.seq = seq;
    this.types.push(String(event.type));
    this.#fold(event);
    this.#compare();
  }

  /** The state in the shape of a snapshot, as far as events tell it. */
  state(): JsonObject {
    return {
      messages: this.messages,
      texts: this.streaming === undefined ? null : [...this.streaming.values()],
      tools: [...this.tools.keys()],
      queue: this.queue,
    };
  }

  #reset(seq: number): void {
    this.seq = seq;
    this.messages = [];
    this.streaming = undefined;
    this.tools.clear();
    this.queue = queueOf(undefined);
  }

  #restore(snapshot: JsonObject): void {
    this.messages = [...arrayAt(snapshot, "messages")];
    const { streamingMessage } = snapshot;
    this.streaming = streamingMessage === undefined ? undefined : textsOf(streamingMessage);
    for (const tool of arrayAt(snapshot, "runningTools")) {
      if (isObject(tool)) this.tools.set(String(tool.toolCallId), tool);
    }
    this.queue = queueOf(snapshot.queue);
  }

  /** Once the replay has come as far as the snapshot, both must say the same. */
  #compare(): void {
    if (this.#expected === undefined || this.seq < this.#expected.seq) return;
    const { snapshot } = this.#expected;
    this.#expected = undefined;
    const other = new Followed(this.sessionId);
    other.#restore(snapshot);
    const [mine, theirs] = [this.state(), other.state()];
    if (JSON.stringify(mine) !== JSON.stringify(theirs)) {
      this.#fault(`the events add up to ${brief(mine)}, the snapshot is`, theirs);
    }
  }

  #fold(event: JsonObject): void {
    const assistant = at(event, "message", "role") === "assistant";
    switch (event.type) {
      case "message_start":
        if (assistant) this.streaming = new Map();
        return;
      case "message_update":
        return this.#update(event);
      case "message_end":
        if (assistant) this.#sum(event.message);
        this.streaming = undefined;
        this.messages.push(event.message ?? null);
        return;
      case "auto_retry_start":
        // pi takes the failed answer back.
        return void this.messages.pop();
      case "tool_execution_start":
      case "tool_execution_update":
        return void this.tools.set(String(event.toolCallId), event);
      case "tool_execution_end":
        return void this.tools.delete(String(event.toolCallId));
      case "queue_update":
        this.queue = queueOf(event);
    }
  }

  #update(event: JsonObject): void {
    if (isObject(event.message)) this.streaming = textsOf(event.message);
    else if (this.streaming !== undefined) {
      const { type, contentIndex, delta } = isObject(event.assistantMessageEvent)
        ? event.assistantMessageEvent
        : {};
      const index = Number(contentIndex);
      const more = typeof delta === "string" && type !== "toolcall_delta" ? delta : "";
      this.streaming.set(index, (this.streaming.get(index) ?? "") + more);
    }
  }

  #sum(message: unknown): void {
    if (this.streaming === undefined || this.filtered) return;
    for (const [index, whole] of textsOf(message)) {
      const sum = this.streaming.get(index) ?? "";
      if (sum !== whole) this.#fault(`the pieces add up to ${brief(sum, 100)}, not to`, brief(whole, 100));
    }
  }

  #fault(what: string, value: unknown): void {
    this.faults.push(`${this.sessionId}: ${what}: ${brief(value, 300)}`);
  }
}
