// The benchmarks' model: a user-level extension that registers a provider whose `streamSimple` emits as many
// deltas as the prompt asks for, as fast as pi takes them or at a set pace. No HTTP and no tokenizer in between,
// so what is measured is pi's own handling of an event and everything of the server behind it.

/** What a prompt asks of the model. */
export interface Order {
  deltas: number;
  /** Characters in each delta. */
  chars: number;
  /** Milliseconds between two bursts; 0 is as fast as possible. */
  everyMs?: number;
  /** Deltas in one burst, between which the event loop does not turn; default 16. */
  burst?: number;
  /** `plain` is letters; `mixed` has quotes, line ends and non-ASCII, as code and prose do. */
  kind?: "plain" | "mixed";
}

/** Provider and model of the extension. */
export const BENCH_MODEL = { provider: "bench", modelId: "bench-1" };

/** The prompt that carries an order. */
export function prompt(order: Order): string {
  return `bench ${JSON.stringify(order)}`;
}

/** The text of one delta. */
export function deltaText(order: Order): string {
  const unit = order.kind === "mixed" ? 'if (x) {\n\t"größe" ' : "abcdefghijklmnop ";
  return unit.repeat(Math.ceil(order.chars / unit.length)).slice(0, order.chars);
}

const SOURCE = `
import { setImmediate } from "node:timers";

const cost = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

function lastText(context) {
  const last = context.messages.findLast((message) => message.role === "user");
  if (!last) return "";
  if (typeof last.content === "string") return last.content;
  return last.content.map((block) => block.type === "text" ? block.text : "").join("");
}

${deltaText.toString()}

// What pi-ai's own streams offer: a queue to iterate, and the final message.
class Stream {
  queue = [];
  head = 0;
  wake = undefined;
  ended = false;
  final = new Promise((resolve) => this.settle = resolve);
  push(event) {
    this.queue.push(event);
    this.wake?.();
    this.wake = undefined;
  }
  end(message) {
    this.ended = true;
    this.settle(message);
    this.wake?.();
  }
  get waiting() {
    return this.queue.length - this.head;
  }
  async *[Symbol.asyncIterator]() {
    while (true) {
      if (this.head < this.queue.length) {
        const event = this.queue[this.head++];
        if (this.head === this.queue.length) {
          this.queue = [];
          this.head = 0;
        }
        yield event;
      } else if (this.ended) return;
      else await new Promise((resolve) => this.wake = resolve);
    }
  }
  result() {
    return this.final;
  }
}

async function run(stream, model, context, signal) {
  const order = { deltas: 1, chars: 20, everyMs: 0, burst: 16, ...JSON.parse(lastText(context).match(/\\{.*\\}/)?.[0] ?? "{}") };
  const usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, cost: { ...cost, total: 0 } };
  const base = { role: "assistant", api: model.api, provider: model.provider, model: model.id, usage, stopReason: "stop", timestamp: Date.now() };
  let text = "";
  const partial = () => ({ ...base, content: [{ type: "text", text }] });
  const delta = deltaText(order);
  stream.push({ type: "start", partial: { ...base, content: [] } });
  stream.push({ type: "text_start", contentIndex: 0, partial: partial() });
  const started = performance.now();
  for (let sent = 0; sent < order.deltas && !signal?.aborted;) {
    for (let n = 0; n < order.burst && sent < order.deltas; n++, sent++) {
      text += delta;
      stream.push({ type: "text_delta", contentIndex: 0, delta, partial: partial() });
    }
    const due = started + (sent / order.burst) * order.everyMs - performance.now();
    if (order.everyMs > 0 && due > 1) await new Promise((resolve) => setTimeout(resolve, due));
    else await new Promise((resolve) => setImmediate(resolve));
    // Never more than pi has taken: a model does not run ahead without end.
    while (stream.waiting > 4 * order.burst) await new Promise((resolve) => setImmediate(resolve));
  }
  stream.push({ type: "text_end", contentIndex: 0, content: text, partial: partial() });
  const message = { ...partial(), stopReason: signal?.aborted ? "aborted" : "stop" };
  stream.push(signal?.aborted ? { type: "error", reason: "aborted", error: message } : { type: "done", reason: "stop", message });
  stream.end(message);
}

export default function (pi) {
  pi.registerProvider("bench", {
    api: "bench-api",
    baseUrl: "http://127.0.0.1:9",
    apiKey: "bench",
    streamSimple: (model, context, options) => {
      const stream = new Stream();
      run(stream, model, context, options?.signal).catch((error) => console.error("bench model:", error));
      return stream;
    },
    models: [{ id: "bench-1", name: "Bench 1", reasoning: false, input: ["text"], cost, contextWindow: 1e9, maxTokens: 1e6 }],
  });
}
`;

/** Puts the extension and settings that choose its model into an agent folder. */
export async function installModel(agentDir: string): Promise<void> {
  await Deno.mkdir(`${agentDir}/extensions`, { recursive: true });
  await Deno.writeTextFile(`${agentDir}/extensions/bench.js`, SOURCE);
  const settings = {
    defaultProvider: BENCH_MODEL.provider,
    defaultModel: BENCH_MODEL.modelId,
    compaction: { enabled: false },
  };
  await Deno.writeTextFile(`${agentDir}/settings.json`, JSON.stringify(settings));
}
