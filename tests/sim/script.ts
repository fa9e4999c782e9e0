// An agent that does at random what pi does: messages that stream, tools that run side by side, a queue that
// changes. It keeps what a client should end up with.
import type { AgentPort } from "../../src/worker/session/agent_port.ts";
import type { SessionEvent } from "../../src/protocol/events.ts";

/** The agent and its events, one for each call of `next`. */
export class Script {
  readonly messages: unknown[] = [];
  streaming: string | undefined;
  readonly tools = new Map<string, unknown>();
  queue: unknown = { steering: [], followUp: [] };
  readonly #random: () => number;
  #count = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The port, as far as delivery needs it. */
  port(): AgentPort {
    const info = {
      cwd: "/",
      thinkingLevel: "off",
      isStreaming: false,
      isCompacting: false,
      steeringMode: "all",
      followUpMode: "all",
      autoCompactionEnabled: true,
      messageCount: 0,
      pendingMessageCount: 0,
    };
    const port = {
      info: () => info,
      kept: () => ({}),
      restorable: () => false,
      messages: () => this.messages,
      busy: () => false,
      start: () => Promise.resolve(),
      dispose: () => Promise.resolve(),
    };
    // Delivery asks for no more than this of an agent.
    return port as unknown as AgentPort;
  }

  /** Something happens. The state changes with the event, as with pi. */
  next(): SessionEvent {
    const dice = this.#random();
    if (this.streaming !== undefined) return dice < 0.9 ? this.#piece() : this.#end();
    const [running] = this.tools.keys();
    if (running !== undefined && dice < 0.7) return this.#tool(dice < 0.6);
    if (dice < 0.25) return this.#user();
    if (dice < 0.4) return this.#queued();
    if (dice < 0.6) return this.#startTool();
    return this.#start();
  }

  #user(): SessionEvent {
    const message = { role: "user", content: [{ type: "text", text: `question ${++this.#count}` }] };
    this.messages.push(message);
    return { type: "message_end", message };
  }

  #start(): SessionEvent {
    this.streaming = "";
    return { type: "message_start", message: { role: "assistant", content: [] } };
  }

  #piece(): SessionEvent {
    const message = { role: "assistant", content: [{ type: "text", text: this.streaming }] };
    const update = (fields: object): SessionEvent => ({
      type: "message_update",
      message,
      assistantMessageEvent: { contentIndex: 0, partial: message, ...fields },
    });
    if (this.streaming === "") {
      this.streaming = "→";
      return update({ type: "text_start" });
    }
    const delta = `${++this.#count} `.repeat(1 + Math.floor(this.#random() * 4));
    this.streaming += delta;
    return update({ type: "text_delta", delta });
  }

  #end(): SessionEvent {
    // The mark says that the block was begun. It is not part of the text.
    const text = (this.streaming ?? "").replace("→", "");
    const message = { role: "assistant", content: text === "" ? [] : [{ type: "text", text }] };
    this.streaming = undefined;
    this.messages.push(message);
    return { type: "message_end", message };
  }

  #startTool(): SessionEvent {
    const toolCallId = `t${++this.#count}`;
    this.tools.set(toolCallId, undefined);
    return { type: "tool_execution_start", toolCallId, toolName: "bash", args: {} };
  }

  #tool(goesOn: boolean): SessionEvent {
    const ids = [...this.tools.keys()];
    const toolCallId = ids[Math.floor(this.#random() * ids.length)] ?? "";
    if (!goesOn) {
      this.tools.delete(toolCallId);
      return { type: "tool_execution_end", toolCallId, toolName: "bash", result: {} };
    }
    const partialResult = { content: [{ type: "text", text: `output ${++this.#count}` }] };
    this.tools.set(toolCallId, partialResult);
    return { type: "tool_execution_update", toolCallId, toolName: "bash", args: {}, partialResult };
  }

  #queued(): SessionEvent {
    const steering = [`steer ${++this.#count}`];
    this.queue = { steering, followUp: [] };
    return { type: "queue_update", steering, followUp: [] };
  }
}
