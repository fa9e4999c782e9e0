// `pi-server rpc` beside pi's own RPC mode: one script drives both, each with a home and a scripted model of its own,
// and what they write must be equal but for ids, times and paths. What differs on purpose stands in ONE table.

import { assert, assertEquals } from "@std/assert";
import { programOf, variables } from "../../support/server/command_line.ts";
import { installDialogs } from "../../support/extensions/dialog_extension.ts";
import { arrayAt, at, brief, isObject, type JsonObject, stringAt } from "../../support/base/json.ts";
import {
  ANTHROPIC,
  calls,
  Gate,
  hang,
  ModelServer,
  OTHER,
  status,
  text,
  writeModels,
} from "../../support/model/model_server.ts";
import { normalized, PiRpc } from "../../support/fronts/pi_rpc.ts";
import { Home, ON_1_6 } from "../../support/server/server_process.ts";
import { asksForSummary } from "../../support/model/summaries.ts";
import { until } from "../../support/base/wait.ts";
import { conformance, TARGET } from "../suite.ts";

/** One program, with its own home and model. */
interface Side {
  readonly name: "pi" | "ours";
  readonly home: Home;
  readonly model: ModelServer;
  readonly rpc: PiRpc;
  /** The response to a command, by its words. */
  ask(command: JsonObject): Promise<JsonObject>;
  /** Waits for the next record of that type. */
  record(type: string): Promise<JsonObject>;
  idle(): Promise<void>;
  last: JsonObject;
}

interface Step {
  readonly name: string;
  /** Scripts the model of a side. */
  readonly model?: (model: ModelServer) => void;
  readonly run: (side: Side) => Promise<void>;
}

/** Where a record differs on purpose: step, what, and why. `*` is every step. */
const KNOWN: readonly { step: string; what: RegExp; reason: string }[] = [
  {
    step: "*",
    what: /(?:model|models\[\]|response\.data)\.baseUrl$/,
    reason: "a model on the wire has no address",
  },
  ...(ON_1_6
    ? [{
      step: "*",
      what: /\.(messageCount|totalMessages|estimatedTokensAfter)$/,
      reason: "pi counts its system prompt",
    }]
    : []),
  ...(TARGET === "node" ? [] : [{
    step: "garbage",
    what: /^response\.error$/,
    reason: "each runtime has its own words for bad JSON, and pi runs on Node",
  }]),
];

const project = (home: Home): string => `${home.root}/project`;

async function furnish(home: Home, model: ModelServer): Promise<void> {
  await writeModels(home.agentDir, model.url);
  await installDialogs(`${home.agentDir}/extensions`);
  await Deno.mkdir(`${home.agentDir}/prompts`, { recursive: true });
  await Deno.writeTextFile(
    `${home.agentDir}/prompts/greet.md`,
    "---\ndescription: Greets\n---\nGreet $1 nicely\n",
  );
  // The provider's own library retries unseen under pi. With us it does not unless the settings say so.
  await Deno.writeTextFile(
    `${home.agentDir}/settings.json`,
    JSON.stringify({ retry: { baseDelayMs: 200, provider: { maxRetries: 0 } } }),
  );
  await home.folder("project");
}

async function startSide(name: Side["name"], args: readonly string[] = []): Promise<Side & AsyncDisposable> {
  const model = new ModelServer();
  const home = await Home.make();
  await furnish(home, model);
  const own = programOf();
  const rpc = new PiRpc(
    home,
    project(home),
    name === "pi" ? undefined : { program: own.program, args: own.args, env: variables(home) },
  );
  void args;
  let seen = 0;
  const side: Side & AsyncDisposable = {
    name,
    home,
    model,
    rpc,
    last: {},
    ask: async (command) => side.last = await rpc.request(command, 60_000),
    record: async (type) => {
      const found = await rpc.message((message) => message.type === type, seen);
      seen = rpc.messages.indexOf(found) + 1;
      return found;
    },
    idle: async () => {
      await until(
        async () => {
          const state = await rpc.request({ type: "get_state" });
          return at(state, "data", "isStreaming") === false && at(state, "data", "isCompacting") === false;
        },
        30_000,
        () => `${name} to be idle: ${brief(rpc.messages.slice(-3))} ${rpc.stderr}`,
      );
      seen = rpc.messages.length;
    },
    async [Symbol.asyncDispose]() {
      await rpc[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
      await home.remove();
    },
  };
  return side;
}

const ask = (command: JsonObject) => async (side: Side): Promise<void> => void await side.ask(command);

async function prompted(side: Side, message: string): Promise<void> {
  await side.ask({ type: "prompt", message });
  await side.record("agent_end");
}

const READS: readonly Step[] = [
  "get_state",
  "get_messages",
  "get_session_stats",
  "get_last_assistant_text",
  "get_fork_messages",
  "get_commands",
].map((type) => ({ name: type, run: ask({ type }) }));

const gates = new WeakMap<ModelServer, Gate>();
function gated(model: ModelServer, marker: string): void {
  const gate = new Gate();
  gates.set(model, gate);
  model.script(marker, text(["one ", "two"], { gate }), text(["then three"]), text(["and four"]));
}

const STEPS: readonly Step[] = [
  ...READS,
  { name: "models", run: ask({ type: "get_available_models" }) },
  {
    name: "prompt",
    model: (model) => model.script("hello-there", text(["Hel", "lo ", "wörld 😀"], { thinking: "hm" })),
    run: (side) => prompted(side, "hello-there"),
  },
  {
    name: "tool call",
    model: (model) =>
      model.script(
        "use-a-tool",
        calls([{ name: "bash", args: { command: "echo from the tool" } }], ["Let me see. "]),
        calls([{ name: "write", args: { path: "a.txt", content: "x\ny\n" } }]),
        calls([{ name: "edit", args: { path: "a.txt", edits: [{ oldText: "y", newText: "z" }] } }]),
        text(["done"]),
      ),
    run: (side) => prompted(side, "use-a-tool"),
  },
  ...READS,
  {
    name: "steer and follow up",
    model: (model) => gated(model, "hold-on"),
    run: async (side) => {
      await side.ask({ type: "prompt", message: "hold-on" });
      await side.record("message_update");
      await side.ask({ type: "prompt", message: "too early" });
      await side.ask({ type: "steer", message: "hold-on, left" });
      await side.ask({ type: "follow_up", message: "hold-on, and then" });
      await side.ask({ type: "prompt", message: "hold-on, right", streamingBehavior: "steer" });
      gates.get(side.model)?.open();
      await side.record("agent_end");
    },
  },
  ...READS.slice(0, 2),
  {
    name: "abort",
    model: (model) => model.script("never-ends", hang()),
    run: async (side) => {
      await side.ask({ type: "prompt", message: "never-ends" });
      await side.record("message_update");
      await side.ask({ type: "abort" });
    },
  },
  {
    name: "retry",
    model: (model) => model.script("try-again", status(500, "overloaded"), text(["at last"])),
    run: async (side) => {
      await side.ask({ type: "prompt", message: "try-again" });
      await side.record("auto_retry_start");
      await side.record("agent_end");
    },
  },
  {
    name: "error of the model",
    model: (model) => model.script("bad-request", status(400, "that is wrong")),
    run: (side) => prompted(side, "bad-request"),
  },
  {
    name: "template",
    model: (m) => m.script("Greet you", text(["hi"])),
    run: (side) => prompted(side, "/greet you"),
  },
  { name: "bash", run: ask({ type: "bash", command: "echo out; echo err >&2; exit 3" }) },
  { name: "set_session_name", run: ask({ type: "set_session_name", name: "A name 😀" }) },
  { name: "set_session_name of blanks", run: ask({ type: "set_session_name", name: "  " }) },
  { name: "set_model", run: ask({ type: "set_model", ...OTHER }) },
  {
    name: "set_model that is not there",
    run: ask({ type: "set_model", provider: "unknown", modelId: "none" }),
  },
  { name: "back", run: ask({ type: "set_model", ...ANTHROPIC }) },
  { name: "set_thinking_level", run: ask({ type: "set_thinking_level", level: "high" }) },
  ...["cycle_thinking_level", "cycle_model", "cycle_model"].map((type) => ({
    name: type,
    run: ask({ type }),
  })),
  { name: "set_steering_mode", run: ask({ type: "set_steering_mode", mode: "all" }) },
  { name: "set_follow_up_mode", run: ask({ type: "set_follow_up_mode", mode: "all" }) },
  { name: "set_auto_retry", run: ask({ type: "set_auto_retry", enabled: false }) },
  { name: "set_auto_compaction", run: ask({ type: "set_auto_compaction", enabled: false }) },
  ...["abort", "abort_retry", "abort_bash"].map((type) => ({ name: type, run: ask({ type }) })),
  ...READS,
  { name: "compact", run: ask({ type: "compact", customInstructions: "Be short" }) },
  ...READS,
  {
    name: "dialogs",
    run: async (side) => {
      const calls = [
        ["notify", "shown", "warning"],
        ["setStatus", "k", "v"],
        ["select", "Which?", ["a", "b"]],
        [
          "confirm",
          "Sure?",
          "really",
        ],
        ["input", "Name?", "your name"],
        ["editor", "Text", "before"],
      ];
      const asking = side.ask({
        type: "prompt",
        message: `/ui ${JSON.stringify({ out: "dialogs.json", calls })}`,
      });
      for (const answer of [{ value: "b" }, { confirmed: true }, { value: "me" }, { cancelled: true }]) {
        const asked = await dialog(side);
        await side.rpc.line(JSON.stringify({ type: "extension_ui_response", id: asked.id, ...answer }));
      }
      const response = await asking;
      const file = `${project(side.home)}/dialogs.json`;
      side.last = {
        response,
        answers: JSON.parse(
          await until(() => Deno.readTextFile(file).catch(() => undefined), 15_000, () => file),
        ),
      };
    },
  },
  {
    name: "fork",
    run: async (side) => {
      const found = await side.ask({ type: "get_fork_messages" });
      await side.ask({
        type: "fork",
        entryId: stringAt(arrayAt(found, "data", "messages").at(-1), "entryId"),
      });
    },
  },
  ...READS,
  { name: "clone", run: ask({ type: "clone" }) },
  { name: "fork of nothing", run: ask({ type: "fork", entryId: "nope" }) },
  {
    name: "switch",
    run: async (side) => {
      const file = stringAt(await side.ask({ type: "get_state" }), "data", "sessionFile");
      await side.ask({ type: "new_session" });
      await side.ask({ type: "switch_session", sessionPath: file });
    },
  },
  ...READS,
  { name: "export_html", run: ask({ type: "export_html", outputPath: "out.html" }) },
  { name: "unknown", run: (side) => unanswered(side, { type: "no_such_command" }) },
  { name: "garbage", run: (side) => unanswered(side, "{ garbage") },
];

/** A dialog that waits for an answer. */
async function dialog(side: Side): Promise<JsonObject> {
  while (true) {
    const asked = await side.record("extension_ui_request");
    if (["select", "confirm", "input", "editor"].includes(String(asked.method))) return asked;
  }
}

/** A line whose response has no id. */
async function unanswered(side: Side, line: JsonObject | string): Promise<void> {
  const from = side.rpc.messages.length;
  await side.rpc.line(typeof line === "string" ? line : JSON.stringify(line));
  // The older pi leaves the id out.
  const { id: _, ...response } = await side.rpc.message((message) => message.type === "response", from);
  side.last = response;
}

/** What a side did in a step, without what must differ. */
async function done(side: Side, step: Step): Promise<{ records: unknown[]; last: unknown }> {
  side.last = {};
  step.model?.(side.model);
  const from = side.rpc.messages.length;
  await step.run(side);
  const { last } = side;
  await side.idle();
  const mine = side.rpc.messages.slice(from);
  // Of the newer pi's records, the older one lacks the last of a run.
  const left = ON_1_6 ? ["response"] : ["response", "agent_settled"];
  const records = mine.filter(({ type }) => !left.includes(String(type))).map(withoutAnswerSoFar);
  const plain = (value: unknown): unknown =>
    withoutIds(
      normalized(JSON.parse(JSON.stringify(value).replaceAll(side.model.url, "http://model")), side.home),
    );
  return { records: plain(records) as unknown[], last: plain(last) };
}

/**
 * Without the answer so far, which runs ahead of its event by as much as has come in at once. `message_end` has all.
 */
function withoutAnswerSoFar(record: JsonObject): JsonObject {
  if (record.type !== "message_update") return record;
  const { partial: _, ...update } = isObject(record.assistantMessageEvent)
    ? record.assistantMessageEvent
    : {};
  const { role, api, provider, model } = isObject(record.message) ? record.message : {};
  return {
    ...record,
    usage: undefined,
    message: { role, api, provider, model },
    assistantMessageEvent: update,
  };
}

/** Names of numbers that are times. */
const TIMES: ReadonlySet<string> = new Set(["durationMs", "wall_time_seconds"]);

/** The newer pi shows its system prompt as a message. */
function isNews(value: unknown): boolean {
  const role = at(value, "role") ?? at(value, "message", "role");
  return ON_1_6 && role === "system";
}

/** Ids of commands and dialogs are each side's own. */
function withoutIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((each) => !isNews(each)).map(withoutIds);
  if (!isObject(value)) return value;
  const kept = value.type === "response" || value.type === "extension_ui_request"
    ? { ...value, id: "<id>" }
    : value;
  return Object.fromEntries(
    Object.entries(kept).map(([name, each]) => [name, TIMES.has(name) ? "<ms>" : withoutIds(each)]),
  );
}

/** The paths at which two values differ, both ways. */
function differing(theirs: unknown, ours: unknown, path: string): string[] {
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    if (theirs.length !== ours.length) {
      const types = (list: unknown[]): unknown =>
        list.map((each) => at(each, "type") ?? at(each, "role") ?? "…");
      return [`${path}: ${brief(types(theirs), 600)} became ${brief(types(ours), 600)}`];
    }
    return theirs.flatMap((each, n) => differing(each, ours[n], `${path}[]`));
  }
  if (isObject(theirs) && isObject(ours)) {
    return [...new Set([...Object.keys(theirs), ...Object.keys(ours)])].flatMap((key) =>
      differing(theirs[key], ours[key], path === "" ? key : `${path}.${key}`)
    );
  }
  return Object.is(theirs, ours) ? [] : [`${path}: ${brief(theirs)} became ${brief(ours)}`];
}

const used = new Set<number>();
function isKnown(step: string, difference: string): boolean {
  const path = difference.slice(0, difference.indexOf(": "));
  const index = KNOWN.findIndex((known) =>
    (known.step === "*" || known.step === step) && known.what.test(path)
  );
  if (index >= 0) used.add(index);
  return index >= 0;
}

conformance("rpc: what it writes equals what pi's own RPC mode writes", async () => {
  await using pi = await startSide("pi");
  await using ours = await startSide("ours");
  for (const side of [pi, ours]) {
    side.model.handler = (request) => asksForSummary(request) ? text(["the gist"]) : undefined;
  }
  const faults: string[] = [];
  for (const step of STEPS) {
    const [theirs, own] = await Promise.all([done(pi, step), done(ours, step)]);
    const found = [
      ...differing(theirs.last, own.last, "response"),
      ...differing(theirs.records, own.records, "records"),
    ];
    faults.push(...found.filter((each) => !isKnown(step.name, each)).map((each) => `${step.name}: ${each}`));
  }
  assertEquals(faults, []);
  const stale = KNOWN.filter((_, index) => !used.has(index));
  assert(ON_1_6 || stale.length === 0, `no longer different, take it out of the table: ${brief(stale)}`);
});
