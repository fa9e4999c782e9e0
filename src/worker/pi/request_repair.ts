// Does: replaces content that providers refuse: in results of tools before pi stores them, and in each request.
// Used by: factory.ts, once for each session. Without it, one bad image fails every later request.
import type { AgentSession } from "@mariozechner/pi-coding-agent";
import { isRecord } from "../../base/json.ts";
import { checkImage } from "../session/guards/image_check.ts";
import type { PiHistory } from "./live_session.ts";

type Agent = AgentSession["agent"];
type Message = Awaited<ReturnType<Agent["convertToLlm"]>>[number];
type ResultContent = Extract<Message, { role: "toolResult" }>["content"];

const NO_OUTPUT = "(no output)";

const isText = (block: unknown): block is { type: "text"; text: string } =>
  isRecord(block) && block["type"] === "text" && typeof block["text"] === "string";

function isImage(block: unknown): block is { type: "image"; data: string; mimeType: string } {
  return isRecord(block) && block["type"] === "image" && typeof block["data"] === "string" &&
    typeof block["mimeType"] === "string";
}

/** Blocks that every provider accepts. Returns the same array when all are fine. */
function mendBlocks(content: readonly unknown[]): ResultContent {
  let changed = false;
  const mended = content.flatMap((block): ResultContent => {
    if (isText(block) && /\S/.test(block.text)) return [block];
    if (isImage(block)) {
      const checked = checkImage(block);
      if (checked.ok && checked.image === block) return [block];
      changed = true;
      return checked.ok
        ? [{ ...checked.image }]
        : [{ type: "text", text: `(An image was left out: ${checked.why})` }];
    }
    changed = true;
    return [];
  });
  return changed ? mended : content as ResultContent;
}

/** The result of a tool, with a text where the tool returned nothing. */
function mendResult(content: unknown): ResultContent {
  const blocks = Array.isArray(content)
    ? content
    : typeof content === "string"
    ? [{ type: "text", text: content }]
    : [];
  const mended = mendBlocks(blocks);
  return mended.length === 0 ? [{ type: "text", text: NO_OUTPUT }] : mended;
}

function mendMessage(message: Message): Message {
  if (message.role === "toolResult") {
    const content = mendResult(message.content);
    return content === message.content ? message : { ...message, content };
  }
  if (message.role !== "user" || !Array.isArray(message.content)) return message;
  const content = mendBlocks(message.content);
  if (content === message.content) return message;
  return {
    ...message,
    content: content.length === 0 ? [{ type: "text", text: "(empty message)" }] : content,
  };
}

/** Makes the agent store and send only content that every provider accepts. */
export function mendRequests(agent: Agent): void {
  const after = agent.afterToolCall;
  agent.afterToolCall = async (context, signal) => {
    const { result } = context;
    // Extensions and pi rely on the content.
    const given = Array.isArray(result.content)
      ? context
      : { ...context, result: { ...result, content: [] } };
    const changed = await after?.(given, signal);
    const before = changed?.content ?? given.result.content;
    const content = mendResult(before);
    if (content === before && given === context) return changed;
    return { ...changed, content };
  };
  const convert = agent.convertToLlm;
  agent.convertToLlm = async (messages) => (await convert(messages)).map(mendMessage);
}

/** Restores missing content in messages of a file. pi cannot count messages without content. */
export function mendHistory(history: PiHistory): void {
  for (const entry of history.getEntries()) {
    if (entry.type !== "message" || entry.message.role !== "toolResult") continue;
    if (!Array.isArray(entry.message.content)) entry.message.content = mendResult(entry.message.content);
  }
}
