// Parity with pi's own RPC mode: one script drives `pi --mode rpc` and us, against one scripted model, and
// our data must hold at least what pi's holds, with equal values. What differs on purpose stands in ONE table. The
// sources alone are compared: the other builds answer the same, as the rest of the suite shows.

import { assert, assertEquals } from "@std/assert";
import { at, brief, isObject, type JsonObject, stringAt } from "../../support/base/json.ts";
import {
  ANTHROPIC,
  calls,
  type ModelRequest,
  OTHER,
  type Step,
  text,
  writeModels,
} from "../../support/model/model_server.ts";
import { differences, listOf, normalized, PiRpc } from "../../support/fronts/pi_rpc.ts";
import { Home, ON_1_6 } from "../../support/server/server_process.ts";
import { asksForSummary } from "../../support/model/summaries.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { Bench, conformance, TARGET } from "../suite.ts";

interface Known {
  command: string;
  path: string;
  reason: string;
}

/** Differences from pi 1.6, whose clients see what they see of the older one. */
const OF_NEXT: readonly Known[] = [
  { command: "get_state", path: "messageCount", reason: "the newer pi counts its system prompt" },
  { command: "get_session_stats", path: "totalMessages", reason: "the newer pi counts its system prompt" },
];

/** What has the output of a client's shell, and where. */
const SHELLS = [["bash", ""], ["get_messages", "messages[]."]] as const;

/** Differences from pi 0.73 alone. */
const OF_FIRST: readonly Known[] = SHELLS.map(([command, place]) => ({
  command,
  path: `${place}output`,
  reason: "pi 0.73 counts the empty text behind the last line break as one of the 2,000 lines",
}));

/** Every known difference: command, path in pi's data, why. A path with `*` at its end covers what is below it. */
const KNOWN: readonly Known[] = [
  { command: "get_state", path: "sessionId", reason: "ours is the wire id, which outlives pi's" },
  { command: "get_session_stats", path: "sessionId", reason: "ours is the wire id, which outlives pi's" },
  ...["get_state", "cycle_model"].map((command) => ({
    command,
    path: "model.baseUrl",
    reason: "a model on the wire has no URL, headers or keys (docs/PROTOCOL.md#sessions)",
  })),
  {
    command: "get_available_models",
    path: "models[].baseUrl",
    reason: "a model on the wire has no URL, headers or keys (docs/PROTOCOL.md#sessions)",
  },
  {
    command: "set_model",
    path: "*",
    reason: "ours is data.model, beside room for more; pi's is the model itself",
  },
  { command: "switch_session", path: "", reason: "ours is switch_session_file; the data is the same" },
  {
    command: "export_html",
    path: "path",
    reason: "ours is absolute, in the session's cwd; pi's as it was given",
  },
  ...SHELLS.map(([command, place]) => ({
    command,
    path: `${place}fullOutputPath`,
    reason: "our logs are in a private folder, pi's in the shared temporary one",
  })),
  ...(ON_1_6 ? OF_NEXT : OF_FIRST),
];

/** One command on both sides; where they have other names or need ids of their own, `pi` says what pi gets. */
interface Pair {
  ours: Make;
  pi?: Make;
}
type Make = JsonObject | ((side: Side) => JsonObject);

/** One of the two programs that are compared. */
interface Side {
  readonly home: Home;
  request(command: JsonObject): Promise<JsonObject>;
  settled(message: string): Promise<void>;
  /** The last data of a command. */
  readonly last: Map<string, JsonObject>;
}

const fork = (side: Side): JsonObject => {
  const messages = listOf(side.last.get("get_fork_messages") ?? {}, "messages");
  return { type: "fork", entryId: stringAt(messages.at(-1), "entryId") };
};
const file = (side: Side) => stringAt(side.last.get("get_state"), "data", "sessionFile");
const same = (...types: string[]): Pair[] => types.map((type) => ({ ours: { type } }));

const READS = same(
  "get_state",
  "get_messages",
  "get_session_stats",
  "get_last_assistant_text",
  "get_fork_messages",
  "get_commands",
);

/** The script; a string is a prompt that is taken to its end. */
const SCRIPT: readonly (string | Pair)[] = [
  ...READS,
  ...same("get_available_models"),
  "Hello there",
  ...READS,
  "please use-tool now",
  ...READS,
  { ours: { type: "set_session_name", name: "A name 😀" } },
  { ours: { type: "bash", command: "echo out; echo err >&2; exit 3" } },
  { ours: { type: "bash", command: "seq 1 3000" } },
  ...same("get_state", "get_messages"),
  { ours: { type: "set_model", ...OTHER } },
  ...same("get_state", "cycle_thinking_level"),
  { ours: { type: "set_model", ...ANTHROPIC } },
  { ours: { type: "set_thinking_level", level: "high" } },
  ...same("get_state", "cycle_thinking_level", "cycle_model", "get_state", "cycle_model", "cycle_model"),
  { ours: { type: "set_steering_mode", mode: "all" } },
  { ours: { type: "set_follow_up_mode", mode: "all" } },
  { ours: { type: "set_auto_compaction", enabled: false } },
  { ours: { type: "set_auto_retry", enabled: false } },
  ...same("get_state", "abort", "abort_retry", "abort_bash"),
  ...(ON_1_6 ? same("get_available_thinking_levels", "clear_queue") : []),
  "/greet you",
  "/skill:baking bread",
  ...READS,
  { ours: { type: "compact", customInstructions: "Be short" } },
  ...READS,
  "after the compaction",
  ...READS,
  { ours: { type: "export_html", outputPath: "parity.html" } },
  { ours: fork },
  ...READS,
  "on the fork",
  ...same("clone"),
  ...READS,
  ...same("new_session"),
  // Ours keeps its model; the newer pi goes back to the default.
  { ours: { type: "set_model", ...ANTHROPIC } },
  ...READS,
  "in the new one",
  ...same("get_state"),
  {
    ours: (side) => ({ type: "switch_session_file", sessionPath: file(side) }),
    pi: (side) => ({ type: "switch_session", sessionPath: file(side) }),
  },
  ...READS,
  { ours: { type: "fork", entryId: "nope" } },
  { ours: { type: "set_session_name", name: "   " } },
];

/** The same answer for the same question from any client: words are counted, since the homes' paths differ in length. */
function answerOf(request: ModelRequest): Step {
  if (asksForSummary(request)) return text(["the gist of it"]);
  if (request.userText.includes("use-tool") && request.toolResults.length === 0) {
    return calls([{ name: "bash", args: { command: "echo from the tool" } }], ["Let me see. "]);
  }
  const words = request.userText.split(/\s+/).length;
  return text(["You said ", `${words} words`], { thinking: "hm" });
}

async function furnish(home: Home): Promise<void> {
  const put = async (path: string, content: string) => {
    await Deno.mkdir(`${home.agentDir}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeTextFile(`${home.agentDir}/${path}`, content);
  };
  await put("prompts/greet.md", "---\ndescription: Greets\n---\nGreet $1 nicely\n");
  await put("skills/baking/SKILL.md", "---\nname: baking\ndescription: Bakes\n---\nPreheat.\n");
  await put(
    "extensions/e.ts",
    'export default function (pi) { pi.registerCommand("act", { description: "Acts", handler: async () => {} }); }',
  );
}

function oursOver(wire: Wire, home: Home): Side {
  const request = (command: JsonObject) => wire.request({ ...command, sessionId: "ours" }, 30_000);
  const settled = async (message: string) => {
    const response = await request({ type: "prompt", message, waitFor: "settled" });
    assertEquals(response.success, true, brief(response));
  };
  return { home, request, settled, last: new Map() };
}

async function asked(side: Side, make: Make): Promise<{ name: string; response: JsonObject }> {
  const command = typeof make === "function" ? make(side) : make;
  const name = stringAt(command, "type");
  const response = await side.request(command);
  side.last.set(name, response);
  return { name, response };
}

const used = new Set<number>();

function isKnown(command: string, path: string): boolean {
  const index = KNOWN.findIndex((known) =>
    known.command === command && (known.path === path || known.path === "*")
  );
  if (index >= 0) used.add(index);
  return index >= 0;
}

/**
 * Without what the newer pi shows beyond ours: its system prompt; and without a time, and a
 * count that takes in the system prompt, which names the home's folders.
 */
function withoutNews(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((each) => at(each, "role") !== "system").map(withoutNews);
  }
  if (!isObject(value)) return value;
  const { estimatedTokensAfter: _, durationMs: _ms, ...rest } = value;
  return Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, withoutNews(each)]));
}

/** What ours lacks, once the known differences are taken away. */
async function compared(pi: Side, ours: Side, step: Pair): Promise<string[]> {
  const theirs = await asked(pi, step.pi ?? step.ours);
  const own = await asked(ours, step.ours);
  if (theirs.name !== own.name) isKnown(theirs.name, "");
  if (theirs.response.success !== own.response.success) {
    return [`${theirs.name}: pi ${brief(theirs.response)}, we ${brief(own.response)}`];
  }
  const [expected, actual] = [
    normalized(theirs.response.data ?? {}, pi.home),
    normalized(own.response.data ?? {}, ours.home),
  ];
  const found = differences(ON_1_6 ? withoutNews(expected) : expected, actual).filter(({ path }) =>
    !isKnown(theirs.name, path)
  );
  return found.map(({ path, what }) => `${theirs.name} ${path}: ${what}`);
}

/** A model's answer in a `set_model` is one level deeper with us. */
function setModelAgrees(pi: Side, ours: Side): string[] {
  const theirs = normalized(at(pi.last.get("set_model"), "data"), pi.home);
  const own = normalized(at(ours.last.get("set_model"), "data", "model"), ours.home);
  return differences(theirs, own).filter(({ path }) => path !== "baseUrl").map(({ path }) =>
    `set_model ${path}`
  );
}

if (TARGET === "sources") {
  conformance("parity: our data holds at least what pi's own RPC mode answers", async () => {
    await using bench = await Bench.make();
    bench.model.handler = answerOf;
    const theirHome = await Home.make(bench.model.url);
    try {
      for (const home of [bench.home, theirHome]) {
        await writeModels(home.agentDir, bench.model.url);
        await furnish(home);
        await Deno.mkdir(`${home.agentDir}/sessions`);
        await home.folder("project");
      }
      await using child = new PiRpc(theirHome, `${theirHome.root}/project`);
      const pi: Side = {
        home: theirHome,
        request: (command) => child.request(command),
        settled: (message) => child.settled(message),
        last: new Map(),
      };
      await bench.start(["--root", `${bench.home.agentDir}/sessions`]);
      const wire = await bench.connect();
      await wire.ok({ type: "create_session", sessionId: "ours", cwd: `${bench.home.root}/project` });
      const ours = oursOver(wire, bench.home);
      const faults: string[] = [];
      for (const step of SCRIPT) {
        if (typeof step === "string") await Promise.all([pi.settled(step), ours.settled(step)]);
        else faults.push(...await compared(pi, ours, step));
      }
      faults.push(...setModelAgrees(pi, ours));
      assertEquals(faults, []);
      const stale = KNOWN.filter((_, index) => !used.has(index));
      assert(stale.length === 0, `no longer different, take it out of the table: ${brief(stale)}`);
      const rows = KNOWN.map(({ command, path, reason }) =>
        `${command.padEnd(22)}${path.padEnd(18)}${reason}`
      );
      console.log(["known differences from pi's RPC mode:", ...rows].join("\n"));
      await bench.judge();
    } finally {
      await theirHome.remove();
    }
  });
}
