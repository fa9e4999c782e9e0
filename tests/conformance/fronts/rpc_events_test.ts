// The events and dialogs of pi's own RPC mode and ours, in the same scenes against the same scripted model: the same
// kinds in the same order, and ours hold at least what pi's hold. What differs on purpose stands in the tables here and
// in docs/PI.md#pis-own-rpc-mode.
import { assertEquals } from "@std/assert";
import { at, brief, isObject, type Json, type JsonObject } from "../../support/base/json.ts";
import { answer, installDialogs, uiPrompt } from "../../support/extensions/dialog_extension.ts";
import {
  calls,
  Gate,
  hang,
  type ModelRequest,
  status,
  type Step,
  text,
} from "../../support/model/model_server.ts";
import { differences, normalized, PiRpc } from "../../support/fronts/pi_rpc.ts";
import { Home, ON_1_6 } from "../../support/server/server_process.ts";
import { asksForSummary } from "../../support/model/summaries.ts";
import { deadline, until } from "../../support/base/wait.ts";
import type { Wire } from "../../support/wire/wire_client.ts";
import { Bench, conformance, TARGET } from "../suite.ts";

/** Kinds that ours alone has. */
const OURS: ReadonlyMap<string, string> = new Map([
  ["model_changed", "pi has no event for a change of the model"],
  ["bash_output", "pi 0.73 sends no output while a command of a client runs"],
  ["session_replaced", "pi's client hears of a replacement in the answer alone"],
  ["extension_ui_resolved", "several clients see one dialog, and hear that it is over"],
  ...(ON_1_6 ? [] : [["agent_settled", "pi 0.73 has no such event"] as const]),
]);

interface Known {
  readonly type: string;
  readonly path: string;
  readonly reason: string;
}

/** Fields of pi's events that ours lack or have otherwise. A path with `*` at its end covers what is below it. */
const KNOWN: readonly Known[] = [
  ...["usage*", "message.usage*", "message.stopReason", "assistantMessageEvent.partial.*"].map((path) => ({
    type: "message_update",
    path,
    reason: "an answer so far changes while it is passed on, so each side shows another moment of it",
  })),
];

/** Names of ours, and the fields that they have for pi's. */
const RENAMED: Readonly<Record<string, (event: JsonObject) => JsonObject>> = {
  bash_output: ({ commandId: _, chunk }) => ({ type: "bash_execution_update", delta: chunk ?? null }),
  extension_ui_request: ({ requestId: _, ...rest }) => rest,
};

/** What a record of pi's is compared by. */
function theirs(event: JsonObject): JsonObject | undefined {
  if (isSystem(event) || event.type === "tool_execution_update") return undefined;
  // Of such an event the number of pieces depends on time, and all of them together are compared.
  if (event.type === "bash_execution_update") return { type: event.type, delta: event.delta ?? null };
  const { id: _, ...rest } = event;
  if (event.type === "extension_ui_request") return rest;
  if (event.type !== "agent_end") return event;
  const { messages } = event;
  return {
    ...event,
    messages: Array.isArray(messages) ? messages.filter((one) => !isSystemMessage(one)) : [],
  };
}

const isSystemMessage = (message: unknown): boolean => at(message, "role") === "system";
const isSystem = ({ message }: JsonObject): boolean => isSystemMessage(message);

/** Our full form as pi's RPC mode of that version writes it. */
function own(event: JsonObject): JsonObject | undefined {
  const type = String(event.type);
  if (type === "tool_execution_update") return undefined;
  if (OURS.has(type) && !(ON_1_6 && type === "bash_output")) return undefined;
  const rename = RENAMED[type];
  if (rename !== undefined) return rename(event);
  if (type !== "message_update" || !ON_1_6) return event;
  const update = event.assistantMessageEvent;
  if (!isObject(update)) return event;
  const { partial, ...rest } = update;
  const content = at(partial, "content");
  const call = Array.isArray(content) ? content[Number(update.contentIndex)] : undefined;
  const of = update.type === "toolcall_start"
    ? { id: at(call, "id") ?? null, toolName: at(call, "name") ?? null }
    : {};
  return { type, usage: at(event, "message", "usage") ?? null, assistantMessageEvent: { ...rest, ...of } };
}

/** Joins the pieces of a shell's output, which come as they come. */
function joined(events: readonly JsonObject[]): JsonObject[] {
  const list: JsonObject[] = [];
  for (const event of events) {
    const last = list.at(-1);
    if (event.type === "bash_execution_update" && last?.type === event.type) {
      last.delta = `${last.delta}${event.delta}`;
    } else list.push({ ...event });
  }
  return list;
}

/** One of the two programs. */
interface Side {
  readonly home: Home;
  readonly events: () => JsonObject[];
  request(command: JsonObject): Promise<JsonObject>;
  /** Resolves when something like it has come after the first `from` events. */
  comes(fits: (event: JsonObject) => boolean, from: number): Promise<JsonObject>;
  /** Resolves when a run is over that ends that often; pi 0.73 has no event for it. */
  settled(from: number, ends?: number): Promise<unknown>;
  /** Answers a question of an extension. */
  reply(asked: JsonObject, answer: JsonObject): Promise<void>;
}

type Play = (side: Side, from: number) => Promise<void>;

const prompt = (message: string, ends = 1): Play => async (side, from) => {
  const response = await side.request({ type: "prompt", message });
  assertEquals(response.success, true, brief(response));
  await side.settled(from, ends);
};

const command = (...commands: JsonObject[]): Play => async (side) => {
  for (const one of commands) {
    const response = await side.request(one);
    assertEquals(response.success, true, brief(response));
  }
};

const QUESTIONS: readonly (readonly [call: Json[], response: JsonObject])[] = [
  [["select", "Pick", ["A", "B"]], { value: "B" }],
  [["confirm", "Sure?", "Really?"], { confirmed: true }],
  [["input", "Name", "who"], { value: "me" }],
  [["editor", "Text", "before"], { value: "after" }],
  [["select", "Pick", ["A", "B"]], { cancelled: true }],
];
const NOTICES: Json[][] = [
  ["notify", "said", "warning"],
  ["setStatus", "key", "text"],
  ["setWidget", "key", ["a", "b"], { placement: "belowEditor" }],
  ["setTitle", "title"],
  ["setEditorText", "typed"],
];

const dialogs: Play = async (side, from) => {
  const asks = QUESTIONS.map(([call]) => call);
  const sent = side.request({ type: "prompt", message: uiPrompt("answers.json", [...NOTICES, ...asks]) });
  let at = from;
  for (const [[method], response] of QUESTIONS) {
    const asked = await side.comes((event) => event.method === method, at);
    at = side.events().indexOf(asked) + 1;
    await side.reply(asked, response);
  }
  await sent;
};

/** The gate of each program's held answer. */
const held = new Map<string, Gate>();

const queue: Play = async (side, from) => {
  const name = `held-${side.home.dir}`;
  await side.request({ type: "prompt", message: name });
  await side.comes((event) => event.type === "message_update", from);
  await side.request({ type: "steer", message: "left" });
  await side.request({ type: "follow_up", message: "right" });
  held.get(name)?.open();
  await side.settled(from);
};

const abort: Play = async (side, from) => {
  await side.request({ type: "prompt", message: "never-ends" });
  await side.comes((event) => event.type === "message_update", from);
  await side.request({ type: "abort" });
  await side.settled(from);
};

/** The scenes, in order. */
const SCENES: readonly (readonly [name: string, play: Play])[] = [
  ["a prompt", prompt("Hello there")],
  ["a tool", prompt("please use-tool now")],
  [
    "a name and a level",
    command({ type: "set_session_name", name: "N" }, { type: "set_thinking_level", level: "high" }),
  ],
  ["a shell", command({ type: "bash", command: "echo one; echo two >&2" })],
  ["a retry", prompt("fails-once please", 2)],
  ["a refusal", prompt("always-refused please")],
  ["messages that wait", queue],
  ["an abort", abort],
  ["dialogs and notices", dialogs],
  ["a compaction", command({ type: "compact" })],
  ["a prompt after it", prompt("Hello again")],
  ["an error of an extension", command({ type: "prompt", message: "/throws" })],
  ["an entry of an extension", command({ type: "prompt", message: "/keeps" })],
];

let failures = 0;

function answerOf(request: ModelRequest): Step {
  const said = request.userText;
  if (asksForSummary(request)) return text(["the gist of it"]);
  if (said.includes("use-tool") && request.toolResults.length === 0) {
    return calls([{ name: "bash", args: { command: "echo from the tool" } }], ["Let me see. "]);
  }
  if (said.includes("always-refused")) return status(400, "not that");
  // Each of the two programs asks twice.
  if (said.includes("fails-once")) {
    return failures++ % 2 === 0 ? status(529, "overloaded_error") : text(["at last"]);
  }
  if (said.includes("never-ends")) return hang(["It goes "]);
  const gate = held.get(said);
  if (gate !== undefined) return text(["It ", "waits"], { gate });
  return text(["You said ", "words"], { thinking: "hm" });
}

async function furnish(home: Home): Promise<void> {
  await installDialogs(`${home.agentDir}/extensions`);
  await home.extension(
    "acts",
    `export default (pi) => {
       pi.registerCommand("throws", { description: "Throws", handler: async () => { throw new Error("thrown") } });
       pi.registerCommand("keeps", { description: "Keeps", handler: async () => pi.appendEntry("kept", { a: 1 }) });
     }`,
  );
  const path = `${home.agentDir}/settings.json`;
  const settings: JsonObject = JSON.parse(await Deno.readTextFile(path));
  // Without it pi 0.73 leaves the first retries to the SDK of the provider, unseen. We do so for every session.
  const retry = { enabled: true, maxRetries: 2, baseDelayMs: 1, provider: { maxRetries: 0 } };
  await Deno.writeTextFile(path, JSON.stringify({ ...settings, retry }));
  await home.folder("project");
  held.set(`held-${home.dir}`, new Gate());
}

function piSide(child: PiRpc, home: Home): Side {
  return {
    home,
    events: () => [...child.events],
    request: (one) => child.request(one),
    comes: (fits, from) => child.event(fits, from),
    async settled(from, ends = 1) {
      if (ON_1_6) return await child.event(({ type }) => type === "agent_settled", from);
      const over = (): boolean =>
        child.events.slice(from).filter(({ type }) => type === "agent_end").length >= ends;
      await until(over, 30_000, () => `the end of a run of pi's; ${brief(child.events.slice(from), 600)}`);
    },
    reply: ({ id }, response) => child.send({ type: "extension_ui_response", id: id ?? null, ...response }),
  };
}

function ourSide(wire: Wire, home: Home): Side {
  const events = (): JsonObject[] => wire.events("ours");
  const comes: Side["comes"] = (fits, from) =>
    until(
      () => events().slice(from).find(fits),
      30_000,
      () => `an event; ${brief(events().slice(from), 600)}`,
    );
  return {
    home,
    events,
    request: (one) => wire.request({ ...one, sessionId: "ours" }, 30_000),
    comes,
    settled: (from) => comes(({ type }) => type === "agent_settled", from),
    async reply(asked, response) {
      const method = response.cancelled === true ? "cancelled" : String(asked.method);
      const { cancelled: _, ...rest } = response;
      await wire.ok(answer("ours", asked, { method, ...rest }));
    },
  };
}

const covers = (known: string, path: string): boolean =>
  known.endsWith("*") ? path.startsWith(known.slice(0, -1)) : known === path;

/** How the events of one scene differ. */
function compared(name: string, pi: Side, ours: Side, from: readonly [number, number]): string[] {
  const clean = (
    side: Side,
    start: number,
    of: (event: JsonObject) => JsonObject | undefined,
  ): JsonObject[] => joined(side.events().slice(start).map(of).filter((event) => event !== undefined));
  const [expected, actual] = [clean(pi, from[0], theirs), clean(ours, from[1], own)];
  const kinds = (events: readonly JsonObject[]): string => events.map(({ type }) => type).join(" ");
  if (kinds(expected) !== kinds(actual)) {
    return [`${name}:\n  pi:   ${kinds(expected)}\n  ours: ${kinds(actual)}`];
  }
  return expected.flatMap((event, index) => {
    const type = String(event.type);
    const found = differences(
      timeless(normalized(event, pi.home)),
      timeless(normalized(actual[index], ours.home)),
    );
    return found.filter(({ path }) => {
      return !KNOWN.some((one) => one.type === type && covers(one.path, path));
    }).map(({ path, what }) => `${name}, ${type} ${path}: ${what}`);
  });
}

/** Without what depends on the time that something took, and on the lengths of the homes' names. */
function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless);
  if (!isObject(value)) return value;
  const TIMES = ["durationMs", "wall_time_seconds", "estimatedTokensAfter", "tokensBefore"];
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, TIMES.includes(key) ? typeof each : timeless(each)]),
  );
}

if (TARGET === "sources") {
  conformance(
    "parity: our events and dialogs hold at least what pi's own RPC mode sends, in its order",
    async () => {
      await using bench = await Bench.make();
      bench.model.handler = answerOf;
      const theirHome = await Home.make(bench.model.url);
      try {
        for (const home of [bench.home, theirHome]) await furnish(home);
        await using child = new PiRpc(theirHome, `${theirHome.root}/project`);
        await bench.start();
        const wire = await bench.connect();
        await wire.ok(
          { type: "create_session", sessionId: "ours", cwd: `${bench.home.root}/project` },
          60_000,
        );
        await wire.ok({ type: "subscribe", sessionId: "ours", updates: "full" });
        const [pi, ours] = [piSide(child, theirHome), ourSide(wire, bench.home)];
        await pi.request({ type: "get_state" });
        const faults: string[] = [];
        for (const [name, play] of SCENES) {
          const from = [pi.events().length, ours.events().length] as const;
          // One after the other, since the model fails for each of them once.
          await deadline(play(pi, from[0]), 40_000, () => `${name} of pi's`);
          await deadline(play(ours, from[1]), 40_000, () => `${name} of ours`);
          await ours.request({ type: "get_state" });
          await pi.request({ type: "get_state" });
          faults.push(...compared(name, pi, ours, from));
        }
        assertEquals(faults, [], faults.join("\n"));
        const rows = [
          ...[...OURS].map(([type, reason]) => `${type.padEnd(24)}${reason}`),
          ...KNOWN.map(({ type, path, reason }) => `${`${type} ${path}`.padEnd(24)}${reason}`),
        ];
        console.log(["events that pi's RPC mode does not have, and known differences:", ...rows].join("\n"));
        await bench.judge();
      } finally {
        await theirHome.remove();
      }
    },
  );
}
