// An extension that does with `ctx.ui` what a test tells it to: through a slash command, from hooks that run
// before pi accepts a prompt, and inside a tool call. What came back it writes to files, for the test to read.

import { at, type Json, type JsonObject } from "../base/json.ts";
import { until } from "../base/wait.ts";

/** Source of the extension, to be put into an `extensions` folder. */
export const DIALOG_EXTENSION: string = `
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// pi makes a context unusable once its session is gone, so what is needed then is taken from it at the start.
function recorder({ cwd }) {
  return (name, value) => {
    const text = JSON.stringify(value, (_key, each) => each === undefined ? "<undefined>" : each) ?? '"<undefined>"';
    writeFileSync(join(cwd, name + ".part"), text);
    renameSync(join(cwd, name + ".part"), join(cwd, name));
  };
}

function signalFor(path) {
  const controller = new AbortController();
  const timer = setInterval(() => {
    if (!existsSync(path)) return;
    clearInterval(timer);
    controller.abort();
  }, 5);
  return controller.signal;
}

async function call(ui, cwd, [method, ...args]) {
  const options = args.at(-1);
  if (options && typeof options === "object" && options.signalFile) {
    args[args.length - 1] = { signal: signalFor(join(cwd, options.signalFile)) };
  } else if (options && options.aborted) args[args.length - 1] = { signal: AbortSignal.abort() };
  else if (options && options.isFactory) args[args.length - 1] = () => ({ render: () => [] });
  try {
    return await ui[method](...args);
  } catch (error) {
    return "thrown: " + error.message;
  }
}

export default function (pi) {
  pi.registerCommand("ui", {
    description: "Does with the UI what its JSON says",
    handler: async (text, ctx) => {
      const { out, calls, together } = JSON.parse(text);
      const [{ ui, cwd }, record] = [ctx, recorder(ctx)];
      const answers = [];
      if (together) answers.push(...await Promise.all(calls.map((each) => call(ui, cwd, each))));
      else for (const each of calls) answers.push(await call(ui, cwd, each));
      record(out, answers);
    },
  });
  pi.on("input", async (event, ctx) => {
    if (!event.text.includes("ask-in-input")) return { action: "continue" };
    const record = recorder(ctx);
    record("input.json", await ctx.ui.select("Input hook", ["yes", "no"]));
    return { action: "continue" };
  });
  pi.on("before_agent_start", async (event, ctx) => {
    if (!event.prompt.includes("ask-before-start")) return;
    const record = recorder(ctx);
    record("before.json", await ctx.ui.confirm("Start hook", "Go on?"));
  });
  pi.registerTool({
    name: "ask", label: "Ask", description: "Asks the user",
    parameters: { type: "object", properties: { title: { type: "string" } }, required: ["title"] },
    async execute(_id, params, signal, _onUpdate, ctx) {
      const record = recorder(ctx);
      const answer = await ctx.ui.input(params.title, "say it", signal ? { signal } : undefined);
      record("tool.json", answer);
      return { content: [{ type: "text", text: "the user said " + answer }], details: {} };
    },
  });
}
`;

/** What pi's `undefined` looks like in the files. */
export const UNDEFINED = "<undefined>";

/** The prompt that makes the extension do these UI calls; the answers go to the file `out`. */
export function uiPrompt(out: string, calls: Json[][], together = false): string {
  return `/ui ${JSON.stringify({ out, calls, together })}`;
}

/** What the extension wrote, waited for. */
export async function recorded(cwd: string, name: string, timeoutMs = 5000): Promise<Json> {
  const text = await until(
    // It is there, and empty, a moment before its text is.
    async () => (await Deno.readTextFile(`${cwd}/${name}`).catch(() => "")) || undefined,
    timeoutMs,
    () => `no ${name} in ${cwd}: the extension has not learned its answers`,
  );
  return JSON.parse(text);
}

/** Puts the extension into a folder of extensions. */
export async function installDialogs(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/dialogs.ts`, DIALOG_EXTENSION);
}

/** An answer as a client sends it. */
export function answer(sessionId: string, request: JsonObject, response: JsonObject): JsonObject {
  return {
    type: "extension_ui_response",
    sessionId,
    requestId: String(at(request, "requestId")),
    response,
  };
}
