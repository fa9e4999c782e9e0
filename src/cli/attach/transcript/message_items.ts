// Turns a whole message of pi's into the items that are drawn for it. Pure.
import {
  contentOf,
  type Fields,
  fieldsOf,
  isFields,
  isOn,
  listOf,
  numberOf,
  rawText,
  textOf,
} from "./fields.ts";
import { clipStart, type Item, TEXT_CHARS, type ToolItem } from "./items.ts";

/** A tool call, before anything came of it. */
export function toolItem(message: number, callId: string, name: string): ToolItem {
  return {
    kind: "tool",
    version: 0,
    message,
    callId,
    name,
    args: {},
    state: "waiting",
    output: "",
    left: 0,
    images: 0,
  };
}

/** Puts a result, also one that is not the last, into a tool's item. */
export function putResult(tool: ToolItem, result: unknown, state: ToolItem["state"]): void {
  const { text, images } = contentOf(isFields(result) ? result["content"] : undefined);
  const { text: output, left } = clipStart(text);
  const diff = textOf(fieldsOf(result, "details"), "diff");
  Object.assign(tool, {
    output,
    left,
    images,
    state,
    ...(diff === "" ? {} : { diff: clipStart(diff).text }),
  });
  tool.version++;
}

/** What a message of the model consists of; a call that is known already keeps its item. */
function assistantItems(
  message: Fields,
  index: number,
  tool: (callId: string) => ToolItem | undefined,
): Item[] {
  const items: Item[] = [];
  for (const block of listOf(message, "content")) {
    const type = rawText(block, "type");
    if (type === "text" || type === "thinking") {
      const text = textOf(block, type).slice(0, TEXT_CHARS);
      if (text.trim() !== "") items.push({ kind: type, version: 0, message: index, text });
    } else if (type === "toolCall") {
      const callId = rawText(block, "id") ?? "";
      const item = tool(callId) ?? toolItem(index, callId, "");
      item.name = textOf(block, "name");
      item.args = fieldsOf(block, "arguments");
      item.version++;
      items.push(item);
    }
  }
  const reason = rawText(message, "stopReason");
  if (reason === "error") {
    const text = textOf(message, "errorMessage") || "the model failed without a reason";
    items.push({ kind: "note", version: 0, message: index, level: "error", text });
  } else if (reason === "aborted") {
    items.push({ kind: "note", version: 0, message: index, level: "warning", text: "stopped" });
  }
  return items;
}

function bashItem(message: Fields, index: number): Item {
  const { text: output, left } = clipStart(textOf(message, "output"));
  const exitCode = numberOf(message, "exitCode");
  const cancelled = isOn(message, "cancelled");
  return {
    kind: "bash",
    version: 0,
    message: index,
    command: textOf(message, "command"),
    output,
    left,
    state: cancelled ? "cancelled" : exitCode === 0 ? "done" : "failed",
    ...(exitCode === undefined ? {} : { exitCode }),
    excluded: isOn(message, "excludeFromContext"),
  };
}

/**
 * The items of a message that is complete; none of a tool's result whose call is known, which is put into its item.
 *
 * @param tool finds the item of a call
 */
export function itemsOf(
  message: unknown,
  index: number,
  tool: (callId: string) => ToolItem | undefined,
): Item[] {
  if (!isFields(message)) return [];
  const summary = (title: string, text: string): Item[] => [
    { kind: "summary", version: 0, message: index, title, text: text.slice(0, TEXT_CHARS) },
  ];
  switch (message["role"]) {
    case "user": {
      const { text, images } = contentOf(message["content"]);
      return [{ kind: "user", version: 0, message: index, text: text.slice(0, TEXT_CHARS), images }];
    }
    case "assistant":
      return assistantItems(message, index, tool);
    case "toolResult": {
      const callId = rawText(message, "toolCallId") ?? "";
      const known = tool(callId);
      const item = known ?? toolItem(index, callId, textOf(message, "toolName"));
      putResult(item, message, isOn(message, "isError") ? "failed" : "done");
      return known === undefined ? [item] : [];
    }
    case "bashExecution":
      return [bashItem(message, index)];
    case "compactionSummary":
      return summary("Earlier messages, summarised", textOf(message, "summary"));
    case "branchSummary":
      return summary("The branch that was left, summarised", textOf(message, "summary"));
    case "custom":
      if (message["display"] === false) return [];
      return summary(textOf(message, "customType"), contentOf(message["content"]).text);
    default:
      return [];
  }
}
