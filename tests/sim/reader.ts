// A client as it should be written: keeps the state of one session from snapshots and events, notices every
// gap and repeat, and comes back from where it was. What it holds must equal what the session did.
import { assert, assertEquals } from "@std/assert";

type Fields = Record<string, unknown>;

function fields(value: unknown): Fields {
  assert(typeof value === "object" && value !== null, `expected an object, got ${JSON.stringify(value)}`);
  return { ...value };
}

function list(value: unknown): unknown[] {
  assert(Array.isArray(value), `expected an array, got ${JSON.stringify(value)}`);
  return [...value];
}

/** The state that a client holds. */
export class Reader {
  epoch = "";
  seq = 0;
  messages: unknown[] = [];
  streaming: string | undefined;
  tools = new Map<string, unknown>();
  queue: unknown = { steering: [], followUp: [] };
  lagging = false;
  /** How often each mode was answered, and how many events were merged. */
  readonly seen: Record<string, number> = { live: 0, replay: 0, snapshot: 0, lagged: 0, coalesced: 0 };
  #subscribed = false;
  #asked = "";
  #requests = 0;

  /** The connection is gone, with whatever was on its way. */
  lost(): void {
    this.#subscribed = false;
  }

  /** What to subscribe with. Whatever is on its way counts for nothing until the answer has come. */
  request(): object {
    this.#subscribed = false;
    this.#asked = `sub-${++this.#requests}`;
    const base = { id: this.#asked, type: "subscribe", sessionId: "s" };
    if (this.epoch === "") return { ...base, snapshot: true };
    return { ...base, from: { epoch: this.epoch, seq: this.seq } };
  }

  take(message: unknown): void {
    const { type, id, data, success, sessionId } = fields(message);
    if (type === "response" && id === this.#asked) {
      assertEquals(success, true, JSON.stringify(message));
      return this.#begin(fields(data));
    }
    if (sessionId !== "s" || !this.#subscribed) return;
    if (type === "event") this.#event(fields(message));
    if (type === "lagged") this.#lagged(fields(message));
  }

  #begin({ mode, epoch, seq, snapshot }: Fields): void {
    this.seen[String(mode)] = (this.seen[String(mode)] ?? 0) + 1;
    this.#subscribed = true;
    this.lagging = false;
    if (mode === "replay") return assertEquals(epoch, this.epoch);
    assert(snapshot !== undefined, "a client that holds nothing, or too little, gets the whole state");
    this.epoch = String(epoch);
    this.seq = Number(seq);
    this.#restore(fields(snapshot));
  }

  #restore({ messages, messageCount, streamingMessage, runningTools, queue }: Fields): void {
    this.messages = list(messages);
    assertEquals(messageCount, this.messages.length);
    this.streaming = streamingMessage === undefined ? undefined : textOf(streamingMessage);
    this.tools = new Map(
      list(runningTools).map((tool) => [String(fields(tool).toolCallId), fields(tool).partialResult]),
    );
    this.queue = queue;
  }

  #lagged({ epoch, afterSeq }: Fields): void {
    this.seen["lagged"] = (this.seen["lagged"] ?? 0) + 1;
    assertEquals([epoch, afterSeq], [this.epoch, this.seq], "lagged names the last event that was delivered");
    this.lagging = true;
  }

  #event({ seq, coalesced, event }: Fields): void {
    assert(!this.lagging, "nothing comes after lagged");
    const covers = coalesced === undefined ? 1 : Number(coalesced);
    if (covers > 1) this.seen["coalesced"] = (this.seen["coalesced"] ?? 0) + covers - 1;
    assertEquals(Number(seq) - covers, this.seq, "neither gap nor repeat");
    this.seq = Number(seq);
    this.#apply(fields(event));
  }

  #apply(event: Fields): void {
    switch (event.type) {
      case "message_start":
        if (fields(event.message).role === "assistant") this.streaming = "";
        return;
      case "message_update": {
        const { type, delta } = fields(event.assistantMessageEvent);
        if (type === "text_delta") this.streaming += String(delta);
        return;
      }
      case "message_end":
        if (fields(event.message).role === "assistant") {
          assertEquals(this.streaming, textOf(event.message), "the pieces add up to the message");
        }
        this.streaming = undefined;
        this.messages.push(event.message);
        return;
      case "tool_execution_start":
        this.tools.set(String(event.toolCallId), undefined);
        return;
      case "tool_execution_update":
        this.tools.set(String(event.toolCallId), event.partialResult);
        return;
      case "tool_execution_end":
        this.tools.delete(String(event.toolCallId));
        return;
      case "queue_update":
        this.queue = { steering: event.steering, followUp: event.followUp };
    }
  }
}

/** Text of a message with one text block. */
export function textOf(message: unknown): string {
  return list(fields(message).content).map((block) => String(fields(block).text ?? "")).join("");
}
