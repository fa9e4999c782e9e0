// A scripted model on loopback that pi's real OpenAI-compatible and Anthropic providers talk to. A test scripts
// answers by a marker word in the last user message, so that many sessions can prompt at once and each gets its
// own. The wire format itself is in `model_stream.ts`.

import { arrayAt, at, brief, type JsonObject, objectAt } from "../base/json.ts";
import { type Api, framesOf, type ToolCall } from "./model_stream.ts";
import { deadline } from "../base/wait.ts";

/** Provider names and model ids that `writeModels` registers. */
export const OPENAI = { provider: "scripted-openai", modelId: "gpt-scripted" };
export const ANTHROPIC = { provider: "scripted-anthropic", modelId: "claude-scripted" };
/** A second model of the first provider, for tests that change models. It does not reason. */
export const OTHER = { provider: "scripted-openai", modelId: "gpt-other" };
/** The literal API key; no test output and no wire message may contain it. */
export const API_KEY = "scripted-secret-key";

/** Holds a stream back until it is opened. */
export class Gate {
  #opened = Promise.withResolvers<void>();
  readonly opened: Promise<void> = this.#opened.promise;

  open(): void {
    this.#opened.resolve();
  }
}

/** What the piece of that index waits for, if anything; asked before each one, and once more before the end. */
export type Hold = (index: number) => Promise<void> | undefined;

/** How a text is held back: the pieces after the first `gateAfter` by the gate, each one by `hold`. */
export interface Held {
  gate?: Gate;
  gateAfter?: number;
  hold?: Hold;
  thinking?: string;
}

/** What the model does with one request. */
export type Step =
  | ({ kind: "answer"; deltas: string[]; calls: ToolCall[]; gateAfter: number } & Held)
  | { kind: "status"; status: number; message: string }
  | { kind: "hang"; deltas: string[]; head?: Gate };

/** Text in the given pieces. */
export function text(deltas: string[], options: Held = {}): Step {
  const { gateAfter = 1, ...rest } = options;
  return { kind: "answer", deltas, calls: [], gateAfter, ...rest };
}

/** Tool calls, after an optional word. */
export function calls(calls: ToolCall[], deltas: string[] = []): Step {
  return { kind: "answer", deltas, calls, gateAfter: 0 };
}

/** An HTTP error. */
export function status(code: number, message: string): Step {
  return { kind: "status", status: code, message };
}

/**
 * Some text, then silence until the client goes away. A case that aborts a request as soon as it has come in delays
 * the answer's head by a gate, and opens it when the abort is answered. Deno's `fetch` (2.4 to 2.9) forgets to close a
 * connection that is given up in the very moment in which the head arrives. `Deno.serve` does not always see that a
 * client has gone while there is no answer yet.
 */
export function hang(deltas: string[] = ["thinking about it "], head?: Gate): Step {
  return { kind: "hang", deltas, ...(head === undefined ? {} : { head }) };
}

/** One request that came in. */
export interface ModelRequest {
  api: Api;
  model: string;
  /** The last user message's text. */
  userText: string;
  /** Texts of the tool results after the last user message. */
  toolResults: string[];
  images: number;
  body: JsonObject;
  /** As they came, names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Resolves when the client closed the connection before the answer was complete. */
  aborted: Promise<void>;
}

/** Decides an answer; undefined leaves it to the scripts. */
export type Handler = (request: ModelRequest) => Step | undefined;

/** The server; `await using` closes it. */
export class ModelServer {
  readonly requests: ModelRequest[] = [];
  handler: Handler | undefined;
  readonly #scripts = new Map<string, Step[]>();
  readonly #waiters = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #stopped = new Promise<void>((resolve) => {
    this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      signal: this.#stop.signal,
      onError: (error) => new Response(String(error), { status: 599 }),
    }, (request) => this.#answer(request));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The steps for requests whose last user message contains the marker, one for each request. */
  script(marker: string, ...steps: Step[]): void {
    this.#scripts.set(marker, steps);
  }

  /** The n-th request (from 0) whose last user message contains the marker, waited for. */
  async request(marker: string, n = 0, timeoutMs = 15_000): Promise<ModelRequest> {
    const until = performance.now() + timeoutMs;
    while (true) {
      const found = this.requests.filter((request) => request.userText.includes(marker))[n];
      if (found) return found;
      const arrived = Promise.withResolvers<void>();
      this.#waiters.add(arrived.resolve);
      try {
        const seen = brief(this.requests.map((request) => request.userText), 600);
        await deadline(
          arrived.promise,
          until - performance.now(),
          () => `no model request ${n} with "${marker}"; seen: ${seen}`,
        );
      } finally {
        this.#waiters.delete(arrived.resolve);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }

  async #answer(http: Request): Promise<Response> {
    const path = new URL(http.url).pathname;
    const api: Api | undefined = path.endsWith("/chat/completions")
      ? "openai"
      : path.endsWith("/messages")
      ? "anthropic"
      : undefined;
    if (!api || http.method !== "POST") return new Response(`unexpected ${path}`, { status: 404 });
    const aborted = Promise.withResolvers<void>();
    const request = {
      ...describe(api, objectAt(await http.json()), aborted.promise),
      headers: Object.fromEntries(http.headers),
    };
    this.requests.push(request);
    for (const wake of [...this.#waiters]) wake();
    const step = this.handler?.(request) ?? this.#next(request);
    if (step.kind === "status") return errorResponse(api, step.status, step.message);
    if (step.kind === "hang" && step.head) await Promise.race([step.head.opened, this.#stopped]);
    return streamResponse(request, step, aborted.resolve, this.#stop.signal);
  }

  #next(request: ModelRequest): Step {
    for (const [marker, steps] of this.#scripts) {
      if (!request.userText.includes(marker)) continue;
      return steps.shift() ?? text([`unscripted: ${marker}`]);
    }
    return text(["echo: ", request.userText]);
  }
}

function describe(api: Api, body: JsonObject, aborted: Promise<void>): Omit<ModelRequest, "headers"> {
  let userText = "";
  let toolResults: string[] = [];
  let images = 0;
  for (const message of arrayAt(body, "messages")) {
    const content = at(message, "content");
    const blocks = Array.isArray(content) ? content : [{ type: "text", text: content }];
    const results = api === "openai"
      ? at(message, "role") === "tool" ? blocks : []
      : blocks.filter((block) => at(block, "type") === "tool_result");
    if (results.length > 0) {
      for (const result of results) toolResults.push(resultText(result));
    } else if (at(message, "role") === "user") {
      userText = blocks.map((block) => at(block, "text") ?? "").join("");
      toolResults = [];
      images = blocks.filter((block) => ["image", "image_url"].includes(String(at(block, "type")))).length;
    }
  }
  return { api, model: String(body.model), userText, toolResults, images, body, aborted };
}

function resultText(block: unknown): string {
  const inner = at(block, "content") ?? at(block, "text");
  if (typeof inner === "string") return inner;
  return Array.isArray(inner) ? inner.map((part) => at(part, "text") ?? "").join("") : "";
}

function errorResponse(api: Api, code: number, message: string): Response {
  const error = { type: code >= 500 ? "api_error" : "invalid_request_error", message };
  return Response.json(api === "openai" ? { error } : { type: "error", error }, { status: code });
}

function holdOf(step: Exclude<Step, { kind: "status" }>, gone: Promise<void>): Hold {
  if (step.kind === "hang") return (index) => index >= step.deltas.length ? gone : undefined;
  const { gate, gateAfter, hold } = step;
  return (index) =>
    gate === undefined || index < gateAfter ? hold?.(index) : gate.opened.then(() => hold?.(index));
}

/** Writes the frames; a client that leaves early is reported through `left`. */
function streamResponse(
  request: ModelRequest,
  step: Exclude<Step, { kind: "status" }>,
  left: () => void,
  stop: AbortSignal,
): Response {
  const encoder = new TextEncoder();
  const gone = Promise.withResolvers<void>();
  stop.addEventListener("abort", () => gone.resolve(), { once: true });
  let open = true;
  const close = () => {
    open = false;
    gone.resolve();
    left();
  };
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const answer = step.kind === "hang"
        ? { deltas: step.deltas, calls: [] }
        : { deltas: step.deltas, calls: step.calls, thinking: step.thinking };
      const hold = holdOf(step, gone.promise);
      let sent = 0;
      for (const frame of framesOf(request.api, request.model, answer)) {
        const waits = frame.delta || sent === answer.deltas.length ? hold(sent) : undefined;
        if (waits !== undefined) await Promise.race([waits, gone.promise]);
        if (!open || stop.aborted) return;
        controller.enqueue(encoder.encode(frame.text));
        if (frame.delta) sent++;
      }
      controller.close();
      open = false;
    },
    cancel: close,
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** Writes `models.json` and `settings.json` for the scripted providers into a fresh agent folder. */
export async function writeModels(
  agentDir: string,
  url: string,
  options: { retryBaseDelayMs?: number } = {},
): Promise<void> {
  await Deno.mkdir(agentDir, { recursive: true });
  const shared = {
    input: ["text", "image"],
    contextWindow: 100_000,
    maxTokens: 4096,
    cost: { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 },
  };
  const model = (id: string, reasoning: boolean) => ({ id, name: `Scripted ${id}`, reasoning, ...shared });
  const providers = {
    [OPENAI.provider]: {
      baseUrl: `${url}/v1`,
      api: "openai-completions",
      apiKey: API_KEY,
      models: [model(OPENAI.modelId, true), model(OTHER.modelId, false)],
    },
    [ANTHROPIC.provider]: {
      baseUrl: url,
      api: "anthropic-messages",
      apiKey: API_KEY,
      models: [model(ANTHROPIC.modelId, true)],
    },
  };
  // `keepRecentTokens`: a newer pi refuses to compact when there is nothing that it would not keep.
  const settings = {
    compaction: { keepRecentTokens: 10 },
    defaultProvider: OPENAI.provider,
    defaultModel: OPENAI.modelId,
    defaultThinkingLevel: "low",
    // Without it pi's default settings hold: three retries after 2, 4 and 8 s.
    ...(options.retryBaseDelayMs === undefined ? {} : { retry: { baseDelayMs: options.retryBaseDelayMs } }),
  };
  await Deno.writeTextFile(`${agentDir}/models.json`, JSON.stringify({ providers }, null, 2));
  await Deno.writeTextFile(`${agentDir}/settings.json`, JSON.stringify(settings, null, 2));
}
