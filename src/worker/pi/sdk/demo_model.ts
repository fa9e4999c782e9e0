// Does: answers as the demo model, with scripted texts behind pi-ai's faux provider. It needs no API key.
// Used by: factory.ts with `--demo`. It streams many small deltas, and calls bash when a prompt contains "tool".
import type { AssistantMessage, Context } from "@mariozechner/pi-ai";
import { ai } from "../engines/packages.ts";
import { cut } from "../../../base/text.ts";

/** The part of pi's registry that the demo needs. */
export interface ProviderRegistry {
  registerProvider(name: string, config: {
    api: string;
    baseUrl: string;
    apiKey: string;
    streamSimple: NonNullable<ReturnType<typeof ai.getApiProvider>>["streamSimple"];
    models: {
      id: string;
      name: string;
      reasoning: boolean;
      input: ("text" | "image")[];
      cost: { input: number; output: number; cacheRead: number; cacheWrite: number };
      contextWindow: number;
      maxTokens: number;
    }[];
  }): void;
}

const API = "pi-server-demo";
const TOKENS_PER_SECOND = 120;
const FREE = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };
const MODEL = { id: "demo-1", name: "Demo 1 (scripted)", contextWindow: 128_000, maxTokens: 16_384 };

const STORY = [
  "A heron stood at the edge of the reed bed and counted the ripples.",
  "One was a fish, two were the wind, and the third was a thought that would not settle.",
  "It waited, because waiting was most of the work, and the evening came down around it.",
  "When the water was still at last, the heron had forgotten what it was hungry for,",
  "and found that it had been the stillness all along.",
].join(" ");

function lastUserText(context: Context): string {
  const last = context.messages.findLast((message) => message.role === "user");
  if (last === undefined) return "";
  if (typeof last.content === "string") return last.content;
  return last.content.map((block) => block.type === "text" ? block.text : "").join("");
}

/** The next answer of the model, made from the last message. */
export function demoAnswer(context: Context): AssistantMessage {
  const last = context.messages.at(-1);
  if (last?.role === "toolResult") {
    const output = last.content.map((block) => block.type === "text" ? block.text : "").join("").trim();
    const said = last.isError ? "The command failed" : "The command worked";
    return ai.fauxAssistantMessage(`${said}. It printed: ${output}`);
  }
  const text = lastUserText(context);
  if (/\btool\b/i.test(text)) {
    const call = ai.fauxToolCall("bash", { command: 'echo hello from $(basename "$PWD")' });
    return ai.fauxAssistantMessage([ai.fauxText("Let me run a command. "), call], { stopReason: "toolUse" });
  }
  if (/\b(long|story)\b/i.test(text)) return ai.fauxAssistantMessage(`${STORY} ${STORY}`);
  const quoted = text.length > 200 ? `${cut(text, 200)}…` : text;
  return ai.fauxAssistantMessage(
    `You said: "${quoted}". I am the demo model: I only repeat scripted texts, but everything around me is real.`,
  );
}

function startFaux(): NonNullable<ReturnType<typeof ai.getApiProvider>> {
  const faux = ai.registerFauxProvider({
    api: API,
    provider: "demo",
    models: [{ ...MODEL, reasoning: false, input: ["text", "image"], cost: FREE }],
    tokensPerSecond: TOKENS_PER_SECOND,
    tokenSize: { min: 1, max: 2 },
  });
  const step = (context: Context): AssistantMessage => demoAnswer(context);
  const provider = ai.getApiProvider(API);
  if (provider === undefined) throw new Error("The demo model did not register");
  const { streamSimple } = provider;
  return {
    ...provider,
    // The faux provider uses each queued answer once, and takes it before it looks at it. Two sessions that ask at
    // the same moment need two answers.
    streamSimple: (...request: Parameters<typeof streamSimple>) => {
      faux.appendResponses([step]);
      return streamSimple(...request);
    },
  };
}

let started: NonNullable<ReturnType<typeof ai.getApiProvider>> | undefined;

/** Adds the provider `demo` with its model `demo-1` to a session's registry. */
export function registerDemo(registry: ProviderRegistry): void {
  started ??= startFaux();
  registry.registerProvider("demo", {
    api: API,
    baseUrl: "http://127.0.0.1:9",
    apiKey: "demo",
    streamSimple: started.streamSimple,
    models: [{ ...MODEL, reasoning: false, input: ["text", "image"], cost: FREE }],
  });
}
