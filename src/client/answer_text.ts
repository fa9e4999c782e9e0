// Does: joins the text of the current or last answer from a subscription's deltas, messages and snapshots.
// Used by: programs that show an answer while it streams.
import { isRecord } from "../base/json.ts";
import type { SubscriptionItem } from "./subscription_types.ts";

/** The text blocks of one of pi's messages, by index. */
function blocksOf(message: unknown): Map<number, string> {
  const blocks = new Map<number, string>();
  const content = isRecord(message) ? message["content"] : undefined;
  if (!Array.isArray(content)) return blocks;
  content.forEach((block: unknown, index) => {
    if (isRecord(block) && block["type"] === "text") blocks.set(index, String(block["text"] ?? ""));
  });
  return blocks;
}

const isAnswer = (message: unknown): boolean => isRecord(message) && message["role"] === "assistant";

/**
 * Follows the text of one session's answers.
 *
 * @example
 * ```ts
 * import { AnswerText, connect } from "@pi/server/client";
 *
 * await using client = await connect();
 * const answer = new AnswerText();
 * for await (const item of await client.subscribe("a", { snapshot: true })) {
 *   answer.apply(item);
 *   console.log(answer.text);
 * }
 * ```
 */
export class AnswerText {
  #blocks = new Map<number, string>();
  #streaming = false;
  #known = true;

  /** The text so far. */
  get text(): string {
    return [...this.#blocks].sort(([a], [b]) => a - b).map(([, text]) => text).join("");
  }

  /** Whether the answer still streams. */
  get streaming(): boolean {
    return this.#streaming;
  }

  /**
   * False while the text is unknown, because a snapshot left out the last answer. `get_last_assistant_text` has
   * it.
   */
  get known(): boolean {
    return this.#known;
  }

  /** Takes the next item. */
  apply(item: SubscriptionItem): void {
    if (item.kind === "snapshot") {
      const { streamingMessage, messages, truncated } = item.snapshot;
      const last = messages.findLast(isAnswer);
      this.#set(streamingMessage ?? last, streamingMessage !== undefined);
      this.#known = streamingMessage !== undefined || last !== undefined || truncated !== true;
      return;
    }
    const { event } = item;
    if (event.type === "message_start" && isAnswer(event["message"])) this.#set(undefined, true);
    else if (event.type === "message_end" && isAnswer(event["message"])) this.#set(event["message"], false);
    else if (event.type === "message_update") this.#update(event);
  }

  #set(message: unknown, streaming: boolean): void {
    this.#blocks = blocksOf(message);
    this.#streaming = streaming;
    this.#known = true;
  }

  #update(event: Readonly<Record<string, unknown>>): void {
    // `full` updates carry the message so far.
    if (isRecord(event["message"])) return this.#set(event["message"], true);
    const update = event["assistantMessageEvent"];
    if (!isRecord(update) || update["type"] !== "text_delta") return;
    const index = Number(update["contentIndex"]);
    this.#blocks.set(index, (this.#blocks.get(index) ?? "") + String(update["delta"] ?? ""));
  }
}
