// The two provider wires as pi-ai's real providers read them: OpenAI chat completions and Anthropic messages,
// as server-sent events. Turns one scripted answer into frames; which answer it is, `model_server.ts` decides.

import type { JsonObject } from "../base/json.ts";

/** The provider wire of a request. */
export type Api = "openai" | "anthropic";

/** One call of a tool. */
export interface ToolCall {
  name: string;
  args: JsonObject;
}

/** What the model says in one answer. */
export interface Answer {
  thinking?: string | undefined;
  deltas: string[];
  calls: ToolCall[];
}

/** One frame of a stream: `delta` marks the frames that carry a piece of text, before which a gate can wait. */
export interface Frame {
  text: string;
  delta: boolean;
}

let nextCallId = 1;

/** All frames of an answer, in order. */
export function framesOf(api: Api, model: string, answer: Answer): Frame[] {
  return api === "openai" ? openai(model, answer) : anthropic(model, answer);
}

function openai(model: string, answer: Answer): Frame[] {
  const id = `chatcmpl-${nextCallId++}`;
  const frame = (delta: JsonObject, finish: string | null, isText = false): Frame => ({
    text: `data: ${
      JSON.stringify({
        id,
        object: "chat.completion.chunk",
        created: 1,
        model,
        choices: [{ index: 0, delta, finish_reason: finish }],
      })
    }\n\n`,
    delta: isText,
  });
  const frames: Frame[] = [frame({ role: "assistant", content: "" }, null)];
  if (answer.thinking) frames.push(frame({ reasoning_content: answer.thinking }, null));
  for (const delta of answer.deltas) frames.push(frame({ content: delta }, null, true));
  answer.calls.forEach((call, index) => {
    const args = JSON.stringify(call.args);
    const half = Math.ceil(args.length / 2);
    const head = { index, id: `call_${nextCallId++}`, type: "function" };
    frames.push(
      frame(
        { tool_calls: [{ ...head, function: { name: call.name, arguments: args.slice(0, half) } }] },
        null,
      ),
    );
    frames.push(frame({ tool_calls: [{ index, function: { arguments: args.slice(half) } }] }, null));
  });
  frames.push(frame({}, answer.calls.length > 0 ? "tool_calls" : "stop"));
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  frames.push({
    text: `data: ${
      JSON.stringify({ id, object: "chat.completion.chunk", created: 1, model, choices: [], usage })
    }\n\ndata: [DONE]\n\n`,
    delta: false,
  });
  return frames;
}

function anthropic(model: string, answer: Answer): Frame[] {
  const frames: Frame[] = [];
  const emit = (type: string, fields: JsonObject, isText = false) =>
    frames.push({
      text: `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`,
      delta: isText,
    });
  let index = 0;
  const block = (start: JsonObject, deltas: JsonObject[], isText = false) => {
    emit("content_block_start", { index, content_block: start });
    for (const delta of deltas) emit("content_block_delta", { index, delta }, isText);
    emit("content_block_stop", { index });
    index++;
  };
  emit("message_start", {
    message: {
      id: `msg_${nextCallId++}`,
      type: "message",
      role: "assistant",
      model,
      content: [],
      stop_reason: null,
      usage: { input_tokens: 10, output_tokens: 1 },
    },
  });
  if (answer.thinking) {
    block({ type: "thinking", thinking: "" }, [
      { type: "thinking_delta", thinking: answer.thinking },
      { type: "signature_delta", signature: "c2ln" },
    ]);
  }
  if (answer.deltas.length > 0) {
    block({ type: "text", text: "" }, answer.deltas.map((text) => ({ type: "text_delta", text })), true);
  }
  for (const call of answer.calls) {
    const args = JSON.stringify(call.args);
    const half = Math.ceil(args.length / 2);
    block({ type: "tool_use", id: `toolu_${nextCallId++}`, name: call.name, input: {} }, [
      { type: "input_json_delta", partial_json: args.slice(0, half) },
      { type: "input_json_delta", partial_json: args.slice(half) },
    ]);
  }
  emit("message_delta", {
    delta: { stop_reason: answer.calls.length > 0 ? "tool_use" : "end_turn" },
    usage: { output_tokens: 5 },
  });
  emit("message_stop", {});
  return frames;
}
