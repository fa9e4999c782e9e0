// Does: tracks accepted messages until they are done, and reports each step to the server thread's journal.
// Used by: session.ts. See docs/PROTOCOL.md#interrupted-messages. It follows the session's own events.
// Invariant: it uses a text only to distinguish two messages.
import { isRecord } from "../../base/json.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type { Acceptance } from "./agent_port.ts";

/** The step that a message has reached. */
export type MessageState = "accepted" | "began" | "done";

/** How the agent accepted a message. A slash command is over when `returned` resolves. */
export interface AcceptedMessage extends Omit<Extract<Acceptance, { ok: true }>, "ok"> {
  readonly returned?: Promise<void>;
}

interface Message {
  readonly ref: number;
  readonly queued: AcceptedMessage["queued"];
  began: boolean;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === "string") : [];
}

/** The messages of one session. */
export class MessageTracker {
  readonly #tell: (ref: number, state: MessageState) => void;
  #messages: Message[] = [];
  #queue = { steer: [] as string[], followUp: [] as string[] };

  /** @param tell gets each step of a message, by the number of its command */
  constructor(tell: (ref: number, state: MessageState) => void) {
    this.#tell = tell;
  }

  /** The agent has accepted a message. */
  accept(ref: number, { disposition, queued, returned }: AcceptedMessage): void {
    this.#tell(ref, disposition === "queued" ? "accepted" : "began");
    if (disposition === "handled") void (returned ?? Promise.resolve()).then(() => this.#tell(ref, "done"));
    else this.#messages.push({ ref, queued, began: disposition === "started" });
  }

  /** The agent has refused it, too late for the reply. */
  refuse(ref: number): void {
    this.#tell(ref, "done");
  }

  /** The server stops and empties the queue. No client took these messages back, so their texts are kept. */
  keepQueued(): void {
    this.#messages = this.#messages.filter(({ began }) => began);
  }

  /** Takes an event of the session, in order. */
  follow(event: SessionEvent): void {
    if (event.type === "queue_update" && isRecord(event)) {
      this.#queue = { steer: textsOf(event["steering"]), followUp: textsOf(event["followUp"]) };
      this.#compare();
    } else if (event.type === "session_replaced") {
      this.#queue = { steer: [], followUp: [] };
      this.#compare();
    } else if (event.type === "agent_settled") this.#settle();
  }

  /** A message that left the queue has begun, or was taken back. Of equal texts the oldest left first. */
  #compare(): void {
    const left = { steer: [...this.#queue.steer], followUp: [...this.#queue.followUp] };
    for (const message of [...this.#messages].reverse()) {
      if (message.began || message.queued === undefined) continue;
      const { kind, text } = message.queued;
      const at = left[kind].lastIndexOf(text);
      if (at >= 0) left[kind].splice(at, 1);
      else {
        message.began = true;
        this.#tell(message.ref, "began");
      }
    }
  }

  /** The run is over, and so are its messages. Queued messages wait for the next run. */
  #settle(): void {
    this.#compare();
    const over = this.#messages.filter(({ began }) => began);
    this.#messages = this.#messages.filter(({ began }) => !began);
    for (const { ref } of over) this.#tell(ref, "done");
  }
}
