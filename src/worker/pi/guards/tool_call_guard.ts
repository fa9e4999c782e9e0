// Watches the answers of models as pi's providers stream them, and marks what must not run. pi fills in JSON that
// was cut, and runs the call with the part that arrived. Used by pi.ts, once for the thread and once a session.
import {
  type AssistantMessage,
  type AssistantMessageEvent,
  type AssistantMessageEventStream,
  createAssistantMessageEventStream,
} from "@mariozechner/pi-ai";
import type { AgentSession } from "@mariozechner/pi-coding-agent";
import { explain, whyUnfinished } from "../network/answer_errors.ts";
import { currentRequest } from "../network/model_request.ts";

type Block = AssistantMessage["content"][number];
type Agent = AgentSession["agent"];

/** Marks a call whose arguments are not the JSON that the model meant; copies of the call keep the mark. */
const BROKEN: unique symbol = Symbol("broken arguments");
/** What providers keep in a call while it streams; pi stores it when the call never ends. */
const SCRATCH: readonly string[] = ["partialJson", "partialArgs", "streamIndex", "index"];

/** One answer: the raw arguments of its calls by their place in the content. */
type RawArguments = Map<number, string>;
/** APIs whose provider in pi assigns a stop reason when the final event of an answer comes. */
const BUILT_IN: ReadonlySet<string> = new Set([
  "anthropic-messages",
  "google-generative-ai",
  "openai-completions",
  "openai-responses",
]);
const RAW = new WeakMap<object, RawArguments>();
/** What has arrived of each stream's answer. */
const PARTIAL = new WeakMap<object, AssistantMessage>();
/** Answers that were looked at. pi forwards them to a second stream, later than their parts change. */
const FINISHED = new WeakSet<AssistantMessage>();

/** Raw arguments of a call that still streams. */
function scratchOf(block: Block): string | undefined {
  for (const name of ["partialJson", "partialArgs"]) {
    const text: unknown = Reflect.get(block, name);
    if (typeof text === "string") return text;
  }
  return undefined;
}

/**
 * Makes the stop reason an object until the provider assigns one. The providers of pi 0.73.1 begin each answer with
 * "stop", so that an answer that breaks off looks like one that has ended. JSON shows no difference.
 */
function watchEnd(message: AssistantMessage): void {
  if (message.stopReason === "stop") Reflect.set(message, "stopReason", Object("stop"));
}

/** Whether the provider said that the answer has ended. Makes the stop reason a string again. */
function hasEnded(message: AssistantMessage): boolean {
  const ended = typeof message.stopReason === "string";
  if (!ended) message.stopReason = "stop";
  return ended;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function finish(message: AssistantMessage, raw: RawArguments | undefined): void {
  if (FINISHED.has(message)) return;
  FINISHED.add(message);
  message.content.forEach((block, index) => {
    if (block.type !== "toolCall") return;
    const text = scratchOf(block) ?? raw?.get(index) ?? "";
    for (const name of SCRATCH) Reflect.deleteProperty(block, name);
    // A call without any arguments comes as no text at all.
    if (text.trim() !== "" && !isJson(text)) Reflect.set(block, BROKEN, true);
  });
}

/** Looks at an event before the agent loop does; returns what the loop is to see instead. */
function inspect(stream: object, event: AssistantMessageEvent): AssistantMessageEvent {
  switch (event.type) {
    case "start":
      watchEnd(event.partial);
      PARTIAL.set(stream, event.partial);
      return event;
    case "toolcall_delta": {
      const block = event.partial.content[event.contentIndex];
      if (block === undefined) return event;
      let raw = RAW.get(stream);
      if (raw === undefined) RAW.set(stream, raw = new Map());
      raw.set(event.contentIndex, scratchOf(block) ?? (raw.get(event.contentIndex) ?? "") + event.delta);
      return event;
    }
    case "done": {
      const { message } = event;
      const ended = hasEnded(message);
      finish(message, RAW.get(stream));
      const calls = message.content.some(({ type }) => type === "toolCall");
      // A provider of an extension may never assign a stop reason.
      if (ended || !(calls || BUILT_IN.has(message.api))) return ended ? event : { ...event, reason: "stop" };
      message.stopReason = "error";
      message.errorMessage = whyUnfinished(currentRequest()) + (calls ? "; its tool calls were not run" : "");
      return { type: "error", reason: "error", error: message };
    }
    case "error":
      hasEnded(event.error);
      explain(event.error, currentRequest());
      return event;
    default:
      return event;
  }
}

/** A copy of what has arrived of a stream's answer, as it is stored after an abort. */
export function partialOf(stream: object): AssistantMessage | undefined {
  const partial = PARTIAL.get(stream);
  if (partial === undefined) return undefined;
  const content = partial.content.map((block) => {
    const copy = { ...block };
    for (const name of SCRATCH) Reflect.deleteProperty(copy, name);
    return copy;
  });
  return { ...partial, content };
}

/** Has every answer of this thread watched. */
export function watchAnswers(): void {
  // pi's types do not export the class.
  const prototype: AssistantMessageEventStream = Object.getPrototypeOf(createAssistantMessageEventStream());
  const push = prototype.push;
  prototype.push = function (event) {
    push.call(this, inspect(this, event));
  };
}

/** Why this call must not run, in words for the model; undefined when it may. */
function whyNot(message: AssistantMessage, call: Block & { name: string }): string | undefined {
  if (Reflect.get(call, BROKEN) === true) {
    return `${call.name} was not run: its arguments are not valid JSON, they may have been cut. ` +
      "Send the whole call again with valid JSON";
  }
  if (message.stopReason === "length") {
    return `${call.name} was not run: the answer reached its token limit, so the arguments may have been cut. ` +
      "Send the call again, in smaller parts if it is long";
  }
  return undefined;
}

/** Has the agent run only calls that arrived whole; the model gets an error for each other one. */
export function guardToolCalls(agent: Agent): void {
  const before = agent.beforeToolCall;
  agent.beforeToolCall = async (context, signal) => {
    const reason = whyNot(context.assistantMessage, context.toolCall);
    return reason === undefined ? await before?.(context, signal) : { block: true, reason };
  };
}
