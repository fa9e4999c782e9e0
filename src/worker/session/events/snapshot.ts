// The state of a session as its stamped events tell it (docs/PROTOCOL.md#coming-back): what a client would have that had read
// every event up to this one. Not pi's live state, which runs ahead of the events. Costs O(1) an event.
import type { SessionEvent } from "../../../protocol/events.ts";
import { isRecord } from "../../../base/json.ts";
import { SNAPSHOT_BYTES } from "../../../governor/limits.ts";
import { leastUnits } from "./bounded_json.ts";

/** What a client gets to start from. */
export interface Snapshot {
  readonly messages: readonly unknown[];
  /** Older messages were left out. */
  readonly truncated?: true;
  readonly messageCount: number;
  readonly streamingMessage?: unknown;
  readonly runningTools: readonly unknown[];
  readonly queue: { readonly steering: readonly unknown[]; readonly followUp: readonly unknown[] };
}

type Fields = Record<string, unknown>;

/** A block of a message that is still coming; its text grows piece by piece. */
interface Block {
  readonly head: Fields;
  readonly grows: "text" | "thinking" | "partialJson";
  grown: string;
  done: Fields | undefined;
}

const encoder = new TextEncoder();

/** What changes the messages without telling them one by one: they are read anew from the agent. */
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

/** Folds the events of one session. */
export class SnapshotState {
  readonly #live: () => readonly unknown[];
  #messages: unknown[];
  #streaming: { readonly head: Fields; readonly blocks: Map<number, Block> } | undefined;
  readonly #tools = new Map<string, Fields>();
  #queue: Snapshot["queue"] = { steering: [], followUp: [] };

  /** @param live the agent's own messages, for what no event tells */
  constructor(live: () => readonly unknown[]) {
    this.#live = live;
    this.#messages = [...live()];
  }

  /** Reads the messages anew: something has rewritten them without an event. Only while nothing runs. */
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
      ...(truncated ? { truncated } : {}),
      messageCount: this.#messages.length,
      ...(streaming === undefined ? {} : { streamingMessage: streaming }),
      runningTools: [...this.#tools.values()].map((tool) => {
        if (bytesOf(tool) !== undefined) return tool;
        return { toolCallId: tool["toolCallId"], toolName: tool["toolName"], unencodable: true };
      }),
      queue: this.#queue,
    };
  }

  /** pi takes a failed answer out of the context, right after it tells that it will try again. */
  #dropAnswer(failed: (last: Fields) => boolean): void {
    const last = this.#messages.at(-1);
    if (isRecord(last) && last["role"] === "assistant" && failed(last)) this.#messages.pop();
  }

  /** Results of bash join the messages before a run starts, and no event tells it. */
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
      // One that is too large alone is not encoded to find that out.
      const size = leastUnits(message, most) > most ? most : bytesOf(message);
      bytes += (size ?? 0) + 1;
      if (bytes > most) return { newest: newest.reverse(), truncated: true };
      // One that cannot be encoded was told as such when it came, and must not cost the others.
      newest.push(size === undefined ? { role: roleOf(message), unencodable: true } : message);
    }
    return { newest: newest.reverse(), truncated: false };
  }
}
