// Does: turns the messages and events of a session into the updates that an editor shows, each piece once.
// Used by: acp_session.ts. Pure.
// Invariant: what has been shown is remembered, so that a snapshot in place of lost events adds what is missing.
import type { ContentChunk, SessionUpdate, ToolCallStatus } from "@agentclientprotocol/sdk";
import { isRecord } from "../../../base/json.ts";
import type { Snapshot } from "../../../client/mod.ts";
import { contentOf, textOfContent } from "./prompt_content.ts";
import { type Arguments, diffsOf, kindOf, locationsOf, outputOf, titleOf } from "./tool_calls.ts";

/** Messages that are remembered as shown. */
const REMEMBERED = 4096;

type ChunkKind = "user_message_chunk" | "agent_message_chunk" | "agent_thought_chunk";
type Fields = Readonly<Record<string, unknown>>;

interface Call {
  readonly name: string;
  args: Arguments;
  started: boolean;
  over: boolean;
}

/** The answer that is under way: which, and how many characters of each of its blocks have been shown. */
interface Stream {
  readonly id: string;
  readonly shown: Map<number, number>;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : "";
}

function record(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

/** Names a message of a session, the same in an event and in the history. */
function idOf(message: Fields): string {
  const call = text(message, "toolCallId");
  return `${text(message, "role")}-${message["timestamp"]}${call === "" ? "" : `-${call}`}`;
}

function timeOf(message: Fields): number {
  return typeof message["timestamp"] === "number" ? message["timestamp"] : 0;
}

/** What an editor has been shown of one session. */
export class Transcript {
  readonly #cwd: string;
  readonly #isOwn: (text: string) => boolean;
  readonly #seen = new Set<string>();
  readonly #calls = new Map<string, Call>();
  #latest = 0;
  #stream: Stream | undefined;

  /**
   * @param cwd the session's folder
   * @param isOwn whether the editor has sent that message itself, and shows it already
   */
  constructor(cwd: string, isOwn: (text: string) => boolean) {
    this.#cwd = cwd;
    this.#isOwn = isOwn;
  }

  /** The updates of an event; none for events that are not about messages and tools. */
  event(event: Fields): SessionUpdate[] {
    const message = record(event["message"]);
    switch (event["type"]) {
      case "message_start":
        if (message["role"] === "assistant" && !this.#seen.has(idOf(message))) {
          this.#stream = { id: idOf(message), shown: new Map() };
        }
        return [];
      case "message_update":
        return this.#piece(record(event["assistantMessageEvent"]));
      case "message_end":
        return this.message(message);
      case "tool_execution_start":
      case "tool_execution_update":
        return this.#running(event);
      case "tool_execution_end":
        return this.#ended(
          text(event, "toolCallId"),
          text(event, "toolName"),
          event["result"],
          event["isError"] === true,
        );
      default:
        return [];
    }
  }

  /** The updates of a message that is complete, without what has been shown of it. */
  message(message: unknown): SessionUpdate[] {
    if (!isRecord(message)) return [];
    const id = idOf(message);
    if (this.#seen.has(id)) return [];
    this.#remember(message);
    switch (message["role"]) {
      case "user":
        return this.#isOwn(textOfContent(message["content"]))
          ? []
          : contentOf(message["content"]).map((content) => this.#chunk("user_message_chunk", id, content));
      case "assistant":
        return this.#answer(message, true);
      case "toolResult":
        return this.#ended(
          text(message, "toolCallId"),
          text(message, "toolName"),
          message,
          message["isError"] === true,
        );
      case "bashExecution":
        return [this.#shell(message, id)];
      case "custom":
        if (message["display"] === false) return [];
        return contentOf(message["content"]).map((content) =>
          this.#chunk("agent_message_chunk", id, content)
        );
      case "compactionSummary":
      case "branchSummary": {
        const what = message["role"] === "branchSummary" ? "The branch that was left" : "Earlier messages";
        const content = {
          type: "text",
          text: `${what}, summarised:\n\n${text(message, "summary")}`,
        } as const;
        return [this.#chunk("agent_message_chunk", id, content)];
      }
      default:
        return [];
    }
  }

  /** The updates that are missing after events were lost. */
  catchUp({ messages, streamingMessage, runningTools }: Snapshot): SessionUpdate[] {
    const last = messages.findLastIndex((message) => this.#seen.has(idOf(message)));
    const missing = last >= 0
      ? messages.slice(last + 1)
      : messages.filter((message) => timeOf(message) > this.#latest);
    const updates = missing.flatMap((message) => this.message(message));
    if (streamingMessage === undefined) this.#stream = undefined;
    else updates.push(...this.#resume(streamingMessage));
    updates.push(...runningTools.flatMap((tool) => this.#running(tool)));
    return updates;
  }

  /** Takes all of a snapshot for shown. */
  skip(snapshot: Snapshot): void {
    for (const message of snapshot.messages) this.#remember(message);
    if (snapshot.streamingMessage !== undefined) this.#resume(snapshot.streamingMessage);
  }

  /** The run is over: what a call has been waiting for will not come. */
  settle(): SessionUpdate[] {
    this.#stream = undefined;
    const open = [...this.#calls].filter(([, call]) => !call.over).map(([id]) => id);
    this.#calls.clear();
    return open.map((toolCallId) => ({
      sessionUpdate: "tool_call_update",
      toolCallId,
      status: "failed",
    }));
  }

  #remember(message: Fields): void {
    this.#seen.add(idOf(message));
    this.#latest = Math.max(this.#latest, timeOf(message));
    const [oldest] = this.#seen;
    if (this.#seen.size > REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
  }

  #chunk(sessionUpdate: ChunkKind, messageId: string, content: ContentChunk["content"]): SessionUpdate {
    return { sessionUpdate, messageId, content };
  }

  #resume(message: Fields): SessionUpdate[] {
    const id = idOf(message);
    if (this.#stream?.id !== id) this.#stream = { id, shown: new Map() };
    return this.#answer(message, false);
  }

  #piece(update: Fields): SessionUpdate[] {
    const index = update["contentIndex"];
    const stream = this.#stream;
    if (stream === undefined || typeof index !== "number") return [];
    const [type, delta] = [update["type"], text(update, "delta")];
    if (type === "toolcall_end") return this.#announce(record(update["toolCall"]));
    if ((type !== "text_delta" && type !== "thinking_delta") || delta === "") return [];
    stream.shown.set(index, (stream.shown.get(index) ?? 0) + delta.length);
    const kind = type === "text_delta" ? "agent_message_chunk" : "agent_thought_chunk";
    return [this.#chunk(kind, stream.id, { type: "text", text: delta })];
  }

  /** What of an answer has not been shown, of one that goes on without the calls that are not complete. */
  #answer(message: Fields, whole: boolean): SessionUpdate[] {
    const id = idOf(message);
    const stream = this.#stream?.id === id ? this.#stream : { id, shown: new Map<number, number>() };
    if (whole) this.#stream = undefined;
    const blocks: readonly unknown[] = Array.isArray(message["content"]) ? message["content"] : [];
    return blocks.flatMap((given, index): SessionUpdate[] => {
      const block = record(given);
      const type = block["type"];
      if (type === "toolCall") return whole ? this.#announce(block) : [];
      if (type !== "text" && type !== "thinking") return [];
      const full = text(block, type);
      const rest = full.slice(stream.shown.get(index) ?? 0);
      stream.shown.set(index, full.length);
      if (rest === "") return [];
      const kind = type === "text" ? "agent_message_chunk" : "agent_thought_chunk";
      return [this.#chunk(kind, id, { type: "text", text: rest })];
    });
  }

  #announce(block: Fields): SessionUpdate[] {
    const id = text(block, "id");
    return this.#calls.has(id) ? [] : this.#begin(id, text(block, "name"), block["arguments"], "pending");
  }

  #begin(toolCallId: string, name: string, given: unknown, status: ToolCallStatus): SessionUpdate[] {
    if (toolCallId === "") return [];
    const args = record(given);
    this.#calls.set(toolCallId, { name, args, started: status === "in_progress", over: false });
    return [{
      sessionUpdate: "tool_call",
      toolCallId,
      title: titleOf(name, args),
      kind: kindOf(name),
      status,
      content: diffsOf(name, args, this.#cwd),
      locations: locationsOf(name, args, undefined, this.#cwd),
      rawInput: args,
    }];
  }

  #running(event: Fields): SessionUpdate[] {
    const toolCallId = text(event, "toolCallId");
    const name = text(event, "toolName");
    const call = this.#calls.get(toolCallId);
    const updates: SessionUpdate[] = [];
    if (call === undefined) updates.push(...this.#begin(toolCallId, name, event["args"], "in_progress"));
    else if (!call.started && !call.over) {
      call.started = true;
      updates.push({ sessionUpdate: "tool_call_update", toolCallId, status: "in_progress" });
    }
    const content = outputOf(name, event["partialResult"]);
    if (content.length > 0 && call?.over !== true) {
      updates.push({ sessionUpdate: "tool_call_update", toolCallId, content });
    }
    return updates;
  }

  #ended(toolCallId: string, name: string, result: unknown, failed: boolean): SessionUpdate[] {
    const updates = this.#calls.has(toolCallId) ? [] : this.#begin(toolCallId, name, {}, "in_progress");
    const call = this.#calls.get(toolCallId);
    if (call === undefined || call.over) return updates;
    call.over = true;
    const details = isRecord(result) ? result["details"] : undefined;
    const locations = locationsOf(name, call.args, details, this.#cwd);
    // The difference says more than the sentence of a tool that has succeeded.
    const isDiff = !failed && diffsOf(name, call.args, this.#cwd).length > 0;
    updates.push({
      sessionUpdate: "tool_call_update",
      toolCallId,
      status: failed ? "failed" : "completed",
      ...(isDiff ? {} : { content: outputOf(name, result) }),
      ...(locations.length === 0 ? {} : { locations }),
      ...(isRecord(details) ? { rawOutput: details } : {}),
    });
    return updates;
  }

  /** A command that a client ran in the session's shell. */
  #shell(message: Fields, id: string): SessionUpdate {
    const command = text(message, "command");
    return {
      sessionUpdate: "tool_call",
      toolCallId: id,
      title: titleOf("bash", { command }),
      kind: "execute",
      status: message["cancelled"] === true || message["exitCode"] !== 0 ? "failed" : "completed",
      content: outputOf("bash", { content: text(message, "output") }),
      rawInput: { command },
    };
  }
}
