// Does: folds the events of a session into its state at one seq (docs/PROTOCOL.md#coming-back).
// Used by: session.ts. It costs O(1) for each event.
// Invariant: it equals the view of a client that has read every event. pi's live state runs ahead of the events.
import type { SessionEvent } from "../../../protocol/events.ts";
import { isRecord } from "../../../base/json.ts";
import { SNAPSHOT_BYTES } from "../../../governor/limits.ts";
import { leastUnits, newestJson, newestOf, type Referring } from "./bounded_json.ts";

/** The state that a client starts from. */
export interface Snapshot {
  readonly messages: readonly unknown[];
  /** Older messages were left out. */
  readonly truncated?: true;
  /** Where `get_messages` goes on with the older ones. */
  readonly before?: number;
  readonly messageCount: number;
  readonly streamingMessage?: unknown;
  readonly runningTools: readonly unknown[];
  readonly queue: { readonly steering: readonly unknown[]; readonly followUp: readonly unknown[] };
}

type Fields = Record<string, unknown>;

/** A block of a message that still streams. Its text grows piece by piece. */
interface Block {
  readonly head: Fields;
  readonly grows: "text" | "thinking" | "partialJson";
  grown: string;
  done: Fields | undefined;
}

const encoder = new TextEncoder();

/**
 * Events after which the messages have changed without an event for each. They are read again from the agent.
 */
const REWRITES: ReadonlySet<string> = new Set(["compaction_start", "compaction_end", "session_replaced"]);

function blockOf(update: Fields): Block | undefined {
  const index = update["contentIndex"];
  const partial = isRecord(update["partial"]) ? update["partial"] : {};
  const content = Array.isArray(partial["content"]) ? partial["content"] : [];
  const shown: unknown = typeof index === "number" ? content[index] : undefined;
  switch (update["type"]) {
    case "text_start":
      return { head: { type: "text" }, grows: "text", grown: "", done: undefined };
    case "thinking_start":
      return { head: { type: "thinking" }, grows: "thinking", grown: "", done: undefined };
    case "toolcall_start": {
      const { id, name } = isRecord(shown) ? shown : {};
      const head = { type: "toolCall", id, name, arguments: {} };
      return { head, grows: "partialJson", grown: "", done: undefined };
    }
    default:
      return undefined;
  }
}

function roleOf(message: unknown): unknown {
  return isRecord(message) ? message["role"] : undefined;
}

/** Bytes of a value as JSON; undefined when it cannot be encoded (a circle, a BigInt). */
function bytesOf(value: unknown): number | undefined {
  try {
    return encoder.encode(JSON.stringify(value)).length;
  } catch {
    return undefined;
  }
}

/** Shares of a bounded state for the message that streams, and for each of the other fields. */
const STREAMING_SHARE = 1 / 4;
const OTHER_SHARE = 1 / 16;

/** Bytes of the names and numbers in a bounded state. */
const HEAD_BYTES = 256;

/** The newest items as JSON. One that cannot be encoded must not hide the others. */
function encodableJson(
  items: readonly unknown[],
  most: number,
  refs?: Referring,
): { readonly text: string; readonly start: number } {
  try {
    return newestJson(items, most, undefined, refs);
  } catch {
    const encodable = items.map((item) => {
      if (bytesOf(item) !== undefined) return item;
      const { toolCallId, toolName } = isRecord(item) ? item : {};
      return { role: roleOf(item), toolCallId, toolName, unencodable: true };
    });
    return newestJson(encodable, most, undefined, refs);
  }
}

/** One value as JSON, with its texts cut when it does not fit. */
function oneJson(value: unknown, most: number): string {
  return encodableJson([value], most).text.slice(1, -1);
}

/** Folds the events of one session. */
export class SnapshotState {
  readonly #live: () => readonly unknown[];
  #messages: unknown[];
  #streaming: { readonly head: Fields; readonly blocks: Map<number, Block> } | undefined;
  readonly #tools = new Map<string, Fields>();
  #queue: Snapshot["queue"] = { steering: [], followUp: [] };

  /** @param live the agent's own messages, for changes without an event */
  constructor(live: () => readonly unknown[]) {
    this.#live = live;
    this.#messages = [...live()];
  }

  /** Reads the messages again after a change without an event. Call it only while nothing runs. */
  reread(): void {
    this.#messages = [...this.#live()];
    this.#streaming = undefined;
    this.#tools.clear();
  }

  /** Takes an event, in the order of `seq`. */
  fold(event: SessionEvent): void {
    if (REWRITES.has(event.type)) this.reread();
    switch (event.type) {
      case "compaction_end":
        if (event["willRetry"] === true) this.#dropAnswer((last) => last["stopReason"] === "error");
        return;
      case "session_replaced":
        this.#queue = { steering: [], followUp: [] };
        return;
      case "agent_start":
        return this.#adoptBash();
      case "message_start":
        return this.#start(event["message"]);
      case "message_update":
        return this.#update(event["assistantMessageEvent"]);
      case "message_end":
        this.#streaming = undefined;
        this.#messages.push(event["message"]);
        return;
      case "tool_execution_start":
      case "tool_execution_update":
      case "tool_execution_end":
        return this.#tool(event);
      case "queue_update": {
        const { steering, followUp } = event;
        this.#queue = {
          steering: Array.isArray(steering) ? [...steering] : [],
          followUp: Array.isArray(followUp) ? [...followUp] : [],
        };
        return;
      }
      case "auto_retry_start":
        return this.#dropAnswer(() => true);
      case "agent_end":
        this.#streaming = undefined;
        this.#tools.clear();
    }
  }

  /**
   * The state after the last folded event.
   *
   * @param most bytes of messages; the newest that fit are in it
   */
  read(most = SNAPSHOT_BYTES): Snapshot {
    const { newest, truncated } = this.#newest(most);
    const streaming = this.#readStreaming();
    return {
      messages: newest,
      ...(truncated ? { truncated, before: this.#messages.length - newest.length } : {}),
      messageCount: this.#messages.length,
      ...(streaming === undefined ? {} : { streamingMessage: streaming }),
      runningTools: [...this.#tools.values()].map((tool) => {
        if (bytesOf(tool) !== undefined) return tool;
        return { toolCallId: tool["toolCallId"], toolName: tool["toolName"], unencodable: true };
      }),
      queue: this.#queue,
    };
  }

  /**
   * The state after the last folded event, within a bound for all of it. The returned function writes it.
   *
   * @param more fields of the session beside it
   */
  bounded(most: number, refs: Referring | undefined, more: Fields): () => string {
    const { length } = this.#messages;
    const kept = newestOf(this.#messages, 0, length, most, refs !== undefined);
    const streaming = this.#readStreaming();
    const tools = [...this.#tools.values()];
    const queue = this.#queue;
    return () => {
      const others = [
        ...(streaming === undefined
          ? []
          : [`"streamingMessage":${oneJson(streaming, most * STREAMING_SHARE)}`]),
        `"runningTools":${encodableJson(tools, most * OTHER_SHARE).text}`,
        `"queue":${oneJson(queue, most * OTHER_SHARE)}`,
        ...Object.entries(more).map(([name, value]) => {
          if (!Array.isArray(value)) return `${JSON.stringify(name)}:${oneJson(value, most * OTHER_SHARE)}`;
          return `${JSON.stringify(name)}:${encodableJson(value, most * OTHER_SHARE).text}`;
        }),
      ].join(",");
      const left = most - encoder.encode(others).length - HEAD_BYTES;
      const { text, start } = encodableJson(kept, left, refs);
      const before = length - kept.length + start;
      const cut = before > 0 ? `"truncated":true,"before":${before},` : "";
      return `{"messages":${text},${cut}"messageCount":${length},${others}}`;
    };
  }

  /** pi drops a failed answer from the context right after it announces the retry. */
  #dropAnswer(failed: (last: Fields) => boolean): void {
    const last = this.#messages.at(-1);
    if (isRecord(last) && last["role"] === "assistant" && failed(last)) this.#messages.pop();
  }

  /** Results of bash join the messages before a run starts, without an event. */
  #adoptBash(): void {
    const live = this.#live();
    for (let at = this.#messages.length; at < live.length; at++) {
      const message = live[at];
      if (!isRecord(message) || message["role"] !== "bashExecution") return;
      this.#messages.push(message);
    }
  }

  #start(message: unknown): void {
    if (!isRecord(message) || message["role"] !== "assistant") return;
    const { content: _content, ...head } = message;
    this.#streaming = { head, blocks: new Map() };
  }

  #update(update: unknown): void {
    if (!isRecord(update) || this.#streaming === undefined) return;
    const { blocks } = this.#streaming;
    const index = update["contentIndex"];
    if (typeof index !== "number") return;
    const started = blockOf(update);
    if (started !== undefined) return void blocks.set(index, started);
    const block = blocks.get(index);
    if (block === undefined) return;
    const { type, delta, toolCall } = update;
    if (typeof type === "string" && type.endsWith("_delta") && typeof delta === "string") {
      block.grown += delta;
    } else if (type === "toolcall_end" && isRecord(toolCall)) block.done = toolCall;
  }

  #tool(event: SessionEvent): void {
    const { type, toolCallId, toolName, args, partialResult } = event;
    if (typeof toolCallId !== "string") return;
    if (type === "tool_execution_end") return void this.#tools.delete(toolCallId);
    this.#tools.set(toolCallId, {
      toolCallId,
      toolName,
      args,
      ...(partialResult === undefined ? {} : { partialResult }),
    });
  }

  #readStreaming(): Fields | undefined {
    if (this.#streaming === undefined) return undefined;
    const { head, blocks } = this.#streaming;
    const content = [...blocks].sort(([a], [b]) => a - b).map(([, { head, grows, grown, done }]) =>
      done ?? { ...head, [grows]: grown }
    );
    return { ...head, content };
  }

  #newest(most: number): { newest: unknown[]; truncated: boolean } {
    const newest: unknown[] = [];
    let bytes = 0;
    for (let at = this.#messages.length - 1; at >= 0; at--) {
      const message = this.#messages[at];
      // A message that is too large alone is not encoded to find its size.
      const size = leastUnits(message, most) > most ? most : bytesOf(message);
      bytes += (size ?? 0) + 1;
      if (bytes > most) return { newest: newest.reverse(), truncated: true };
      // An event has reported a message that cannot be encoded. It must not hide the others.
      newest.push(size === undefined ? { role: roleOf(message), unencodable: true } : message);
    }
    return { newest: newest.reverse(), truncated: false };
  }
}
