// A model server that sends what a test writes, byte by byte: broken streams, headers, errors that depend on the
// request. Serves the four provider wires that pi streams; `model_server.ts` is the one for well-formed answers.

import { arrayAt, at, type JsonObject, objectAt } from "../base/json.ts";

/** The provider wires. */
export const APIS = [
  "openai-completions",
  "openai-responses",
  "anthropic-messages",
  "google-generative-ai",
] as const;
export type RawApi = typeof APIS[number];

/** One request. */
export interface RawRequest {
  readonly api: RawApi;
  readonly body: JsonObject;
  /** Text of the last user message. */
  readonly userText: string;
  /** Whether tool results follow that message. */
  readonly hasResults: boolean;
}

/** A response, or the frames of a stream with status 200. */
export type RawAnswer = Response | readonly string[];

/** An event of a stream; Anthropic's wire names it. */
export function sse(data: unknown, event?: string): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
}

/** An error as the provider words it. */
export function refusal(status: number, message: string, headers: Record<string, string> = {}): Response {
  const error = { type: "invalid_request_error", message };
  return Response.json({ type: "error", error }, { status, headers });
}

/** A whole answer of one text. */
export function say(api: RawApi, text: string): string[] {
  switch (api) {
    case "openai-completions":
      return [chunk({ role: "assistant", content: text }), chunk({}, "stop"), "data: [DONE]\n\n"];
    case "openai-responses": {
      const part = { type: "output_text", text, annotations: [] };
      const item = { type: "message", id: "msg_1", role: "assistant", status: "completed", content: [part] };
      return [
        sse({ type: "response.output_item.added", output_index: 0, item: { ...item, content: [] } }),
        sse({
          type: "response.content_part.added",
          output_index: 0,
          content_index: 0,
          part: { ...part, text: "" },
        }),
        sse({
          type: "response.output_text.delta",
          output_index: 0,
          content_index: 0,
          item_id: item.id,
          delta: text,
        }),
        sse({ type: "response.output_item.done", output_index: 0, item }),
        responsesEnd("completed"),
      ];
    }
    case "anthropic-messages":
      return [
        anthropicStart(),
        anthropic("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
        anthropic("content_block_delta", { index: 0, delta: { type: "text_delta", text } }),
        anthropic("content_block_stop", { index: 0 }),
        ...anthropicEnd("end_turn"),
      ];
    case "google-generative-ai":
      return [google([{ text }], "STOP")];
  }
}

/** A chunk of OpenAI's completions. */
export function chunk(delta: JsonObject, finish: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return sse({ id: "c-1", object: "chat.completion.chunk", created: 1, model: "raw", choices });
}

/** The last event of OpenAI's responses. */
export function responsesEnd(status: "completed" | "incomplete"): string {
  const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };
  const why = status === "completed" ? {} : { incomplete_details: { reason: "max_output_tokens" } };
  return sse({ type: `response.${status}`, response: { id: "r-1", status, usage, ...why } });
}

/** An event of Anthropic's messages. */
export function anthropic(type: string, fields: JsonObject = {}): string {
  return sse({ type, ...fields }, type);
}

export function anthropicStart(): string {
  const usage = { input_tokens: 10, output_tokens: 1 };
  const message = { id: "m-1", type: "message", role: "assistant", content: [], stop_reason: null, usage };
  return anthropic("message_start", { message });
}

export function anthropicEnd(reason: string): string[] {
  const delta = { stop_reason: reason };
  return [anthropic("message_delta", { delta, usage: { output_tokens: 5 } }), anthropic("message_stop")];
}

/** A chunk of Google's wire. */
export function google(parts: readonly JsonObject[], finish?: string): string {
  const candidate = {
    content: { role: "model", parts },
    ...(finish === undefined ? {} : { finishReason: finish }),
  };
  return sse({ candidates: [candidate] });
}

/** The server; `await using` closes it. */
export class RawModel implements AsyncDisposable {
  readonly requests: RawRequest[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answer: (request: RawRequest) => RawAnswer | Promise<RawAnswer>) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (http) => {
      const request = describe(apiOf(new URL(http.url).pathname), objectAt(await http.json()));
      this.requests.push(request);
      const answered = await answer(request);
      if (answered instanceof Response) return answered;
      return new Response(answered.join(""), { headers: { "content-type": "text/event-stream" } });
    });
  }

  get port(): number {
    return this.#server.addr.port;
  }

  /** Makes pi of that agent folder know one model of each wire: provider and model are named after it. */
  async register(agentDir: string, settings: JsonObject = {}): Promise<void> {
    const url = `http://127.0.0.1:${this.#server.addr.port}`;
    const bases: Record<RawApi, string> = {
      "openai-completions": `${url}/v1`,
      "openai-responses": `${url}/v1`,
      "anthropic-messages": url,
      "google-generative-ai": `${url}/v1beta`,
    };
    const model = {
      ...{ reasoning: false, input: ["text", "image"], contextWindow: 100_000, maxTokens: 4096 },
      cost: { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 },
    };
    const providers = Object.fromEntries(APIS.map((api) => [`raw-${api}`, {
      ...{ baseUrl: bases[api], api, apiKey: "raw-key" },
      models: [{ id: api, name: api, ...model }],
    }]));
    await Deno.writeTextFile(`${agentDir}/models.json`, JSON.stringify({ providers }));
    await Deno.writeTextFile(`${agentDir}/settings.json`, JSON.stringify(settings));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Names the model of that wire in `create_session`. */
export function modelOf(api: RawApi): { provider: string; modelId: string } {
  return { provider: `raw-${api}`, modelId: api };
}

function apiOf(path: string): RawApi {
  if (path.endsWith("/chat/completions")) return "openai-completions";
  if (path.endsWith("/responses")) return "openai-responses";
  if (path.endsWith("/messages")) return "anthropic-messages";
  return "google-generative-ai";
}

const RESULTS = ["tool_result", "function_call_output"];

function describe(api: RawApi, body: JsonObject): RawRequest {
  const field = api === "openai-responses"
    ? "input"
    : api === "google-generative-ai"
    ? "contents"
    : "messages";
  let userText = "";
  let hasResults = false;
  for (const message of arrayAt(body, field)) {
    const content = at(message, "content") ?? at(message, "parts");
    const blocks = Array.isArray(content) ? content : [{ text: content }];
    const isResult = at(message, "role") === "tool" || RESULTS.includes(String(at(message, "type"))) ||
      blocks.some((block) => RESULTS.includes(String(at(block, "type"))) || at(block, "functionResponse"));
    if (isResult) hasResults = true;
    else if (at(message, "role") === "user") {
      userText = blocks.map((block) => at(block, "text") ?? "").join("");
      hasResults = false;
    }
  }
  return { api, body, userText, hasResults };
}
