// Does: watches the answers of models while providers stream them, and refuses tool calls that did not arrive whole.
// Used by: factory.ts, once for the thread and once for each session. See docs/PI.md#models-and-providers.
import type {
  AssistantMessage,
  AssistantMessageEvent,
  AssistantMessageEventStream,
} from "@mariozechner/pi-ai";
import type { AgentSession } from "@mariozechner/pi-coding-agent";
import { explain, whyUnfinished } from "../network/answer_errors.ts";
import { currentRequest } from "../network/model_request.ts";

type Block = AssistantMessage["content"][number];
type Agent = AgentSession["agent"];

/** Marks a call whose arguments are not the JSON that the model meant. Copies of the call keep the mark. */
const BROKEN: unique symbol = Symbol("broken arguments");
/** Fields that providers keep in a call while it streams. pi stores them when the call never ends. */
const SCRATCH: readonly string[] = ["partialJson", "partialArgs", "streamIndex", "index"];

/** Classes of answers that are watched. */
const WATCHED = new WeakSet<object>();

/** The raw arguments of one answer's calls, by their index in the content. */
type RawArguments = Map<number, string>;
/** APIs whose provider in pi assigns a stop reason when the final event of an answer comes. */
const BUILT_IN: ReadonlySet<string> = new Set([
  "anthropic-messages",
  "google-generative-ai",
  "openai-completions",
  "openai-responses",
]);
const RAW = new WeakMap<object, RawArguments>();
/** The part of each stream's answer that has arrived. */
const PARTIAL = new WeakMap<object, AssistantMessage>();
/** Answers that the guard has inspected. pi forwards them to a second stream after their parts have changed. */
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
 * "stop", so a broken answer looks like a complete one. JSON shows no difference.
 */
function watchEnd(message: AssistantMessage): void {
  if (message.stopReason === "stop") Reflect.set(message, "stopReason", Object("stop"));
}

/** Whether the provider has reported the end of the answer. Makes the stop reason a string again. */
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
    // A call without arguments has an empty text.
    if (text.trim() !== "" && !isJson(text)) Reflect.set(block, BROKEN, true);
  });
}

/** Inspects an event before the agent loop does. Returns the event that the loop gets instead. */
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

/** A copy of the part that has arrived, as pi stores it after an abort. */
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

/** Watches every answer of the class that `answer` has. A thread may hold more than one copy of pi-ai. */
export function watchAnswers(answer: object): void {
  // pi's types do not export the class.
  const prototype: AssistantMessageEventStream = Object.getPrototypeOf(answer);
  if (WATCHED.has(prototype)) return;
  WATCHED.add(prototype);
  const push = prototype.push;
  prototype.push = function (event) {
    push.call(this, inspect(this, event));
  };
}

/** Why this call must not run, in words for the model. Undefined when it may run. */
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

/** Makes the agent run only calls that arrived whole. The model gets an error for each other call. */
export function guardToolCalls(agent: Agent): void {
  const before = agent.beforeToolCall;
  agent.beforeToolCall = async (context, signal) => {
    const reason = whyNot(context.assistantMessage, context.toolCall);
    return reason === undefined ? await before?.(context, signal) : { block: true, reason };
  };
}
