// The text of a run as it grows: what is new to write after each item of a subscription.
// Used by: `run`. Pure; it returns text and writes nothing.
// Invariant: each answer with a text is written once, in order, and ends with exactly one line end of its own or
// of ours, also when events were merged or replaced by a snapshot.
import { isRecord } from "../../base/json.ts";
import type { SubscriptionItem } from "../../client/mod.ts";

/** The text of a message of pi's: its text blocks, joined. */
export function textOfMessage(message: unknown): string {
  const content = isRecord(message) ? message["content"] : undefined;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((block: unknown) =>
    isRecord(block) && block["type"] === "text" ? String(block["text"] ?? "") : ""
  ).join("");
}

const isAnswer = (message: unknown): boolean => isRecord(message) && message["role"] === "assistant";

/** Follows the answers of one run. */
export class AnswerStream {
  /** What of the answer under way has been returned. */
  #written = "";
  /** Answers that have been returned whole. */
  #whole = 0;
  /** Messages of the session before the run. */
  readonly #before: number;

  /** @param messageCount messages of the session before the run */
  constructor(messageCount: number) {
    this.#before = messageCount;
  }

  /** The text to write after this item; often empty. */
  next(item: SubscriptionItem): string {
    if (item.kind === "snapshot") return this.#catchUp(item.snapshot);
    const { event } = item;
    const { message, assistantMessageEvent: update } = event;
    if (event.type === "message_update" && isRecord(update) && update["type"] === "text_delta") {
      const delta = String(update["delta"] ?? "");
      this.#written += delta;
      return delta;
    }
    if (event.type === "message_end" && isAnswer(message)) return this.#end(message);
    return "";
  }

  /** What is missing of the last answer; the server's own word on it goes last. */
  rest(text: string | null): string {
    if (this.#written !== "") return this.#end({ content: text ?? this.#written });
    return "";
  }

  #grow(text: string): string {
    const continues = text.startsWith(this.#written);
    const more = continues ? text.slice(this.#written.length) : `\n${text}`;
    this.#written = text;
    return more;
  }

  #end(message: unknown): string {
    const text = textOfMessage(message);
    const more = this.#grow(text);
    this.#written = "";
    this.#whole++;
    const end = text === "" || text.endsWith("\n") ? "" : "\n";
    return more + end;
  }

  #catchUp(snapshot: Extract<SubscriptionItem, { kind: "snapshot" }>["snapshot"]): string {
    const { messages, messageCount, streamingMessage } = snapshot;
    const left = messageCount - messages.length;
    const answers = messages.filter((message, at) => left + at >= this.#before && isAnswer(message));
    let text = "";
    for (const message of answers.slice(this.#whole)) text += this.#end(message);
    if (streamingMessage !== undefined && isAnswer(streamingMessage)) {
      text += this.#grow(textOfMessage(streamingMessage));
    }
    return text;
  }
}
