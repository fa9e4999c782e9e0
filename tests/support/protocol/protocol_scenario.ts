// The scenario behind the examples of docs/PROTOCOL.md: a real server and a scripted model, every command once and
// every event at least once. Keeps what crossed the wire; scripts/gen/gen_protocol.ts makes the page of it.

import { arrayAt, at, brief, isObject, type JsonObject, stringAt } from "../base/json.ts";
import { ANTHROPIC, calls, hang, ModelServer, OPENAI, status, text } from "../model/model_server.ts";
import type { Replacement } from "./protocol_plain.ts";
import { Home, ServerProcess } from "../server/server_process.ts";
import { withSummary } from "../model/summaries.ts";
import type { Wire } from "../wire/wire_client.ts";

/** A command and its response. */
export interface Exchange {
  readonly command: JsonObject;
  readonly response: JsonObject;
}

/** Everything that the page shows. */
export interface Recording {
  readonly greeting: JsonObject;
  /** A command that was refused. */
  readonly refusal: Exchange;
  readonly exchanges: ReadonlyMap<string, Exchange>;
  /** Messages by the type of the event. */
  readonly events: ReadonlyMap<string, JsonObject>;
  readonly replacements: readonly Replacement[];
}

/** What the trusted project brings along: a tool, a command that asks, one that fails. */
const EXTENSION = `
export default function (pi) {
  pi.registerTool({
    name: "greet", label: "Greet", description: "Greets someone",
    parameters: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
    async execute(_id, { name }, _signal, onUpdate) {
      onUpdate?.({ content: [{ type: "text", text: "Hel" }], details: {} });
      return { content: [{ type: "text", text: "Hello, " + name }], details: {} };
    },
  });
  pi.registerCommand("deploy", {
    description: "Asks where to",
    handler: async (_args, ctx) => {
      await ctx.ui.select("Deploy to", ["staging", "production"], { timeout: 60_000 });
    },
  });
  pi.registerCommand("broken", {
    description: "Fails",
    handler: async () => { throw new Error("This command is broken"); },
  });
}
`;
const TEMPLATE = "---\ndescription: Reviews a file\n---\nReview $1 and name its worst line.\n";
const SKILL = "---\nname: tidy\ndescription: Tidies up a folder\n---\nMove what is old to attic/.\n";

const DEMO = "demo";
const NOTES = "notes";
const OLD = "old";

/** Which of several events of a type is shown, where the first is not the best one. */
const PICKS: Readonly<Record<string, (event: JsonObject) => boolean>> = {
  message_start: (event) => at(event, "message", "role") === "assistant",
  message_update: (event) => at(event, "assistantMessageEvent", "type") === "text_delta",
  message_end: (event) => at(event, "message", "role") === "assistant",
  queue_update: (event) => arrayAt(event, "followUp").length > 0,
  session_replaced: (event) => event.reason === "fork",
};

/** One connection, and what is worth keeping of it. */
class Recorder {
  readonly wire: Wire;
  readonly exchanges = new Map<string, Exchange>();

  constructor(wire: Wire) {
    this.wire = wire;
  }

  /** Sends a command, which must succeed, and keeps it with its response. */
  async show(command: JsonObject): Promise<JsonObject> {
    const type = String(command.type);
    const sent = { id: `${type}-1`, ...command };
    const response = await this.wire.request(sent, 60_000);
    if (response.success !== true) throw new Error(`${type} failed: ${brief(response)}`);
    if (this.exchanges.has(type)) throw new Error(`${type} is shown twice`);
    this.exchanges.set(type, { command: sent, response });
    return response;
  }

  /** A turn that is not shown. */
  async turn(sessionId: string, message: string): Promise<void> {
    await this.wire.ok({ type: "prompt", sessionId, message, waitFor: "settled" }, 30_000);
    await this.wire.event(sessionId, "agent_settled");
  }

  /** The message that shows each type of event. */
  events(): Map<string, JsonObject> {
    const found = new Map<string, JsonObject>();
    for (const message of this.wire.messages) {
      if (message.type === "response" || message.type === "server_ready") continue;
      const event = message.type === "event" && isObject(message.event) ? message.event : message;
      const type = String(event.type);
      if (!found.has(type) && (PICKS[type]?.(event) ?? true)) found.set(type, message);
    }
    return found;
  }
}

/** What the scenario needs at hand. */
interface Scene {
  readonly model: ModelServer;
  readonly home: Home;
  readonly recorder: Recorder;
}

async function furnish(home: Home): Promise<void> {
  const project = `${await home.folder(DEMO)}/.pi`;
  for (const name of ["extensions", "prompts", "skills/tidy"]) {
    await Deno.mkdir(`${project}/${name}`, { recursive: true });
  }
  await Deno.writeTextFile(`${project}/extensions/guide.ts`, EXTENSION);
  await Deno.writeTextFile(`${project}/prompts/review.md`, TEMPLATE);
  await Deno.writeTextFile(`${project}/skills/tidy/SKILL.md`, SKILL);
  for (const name of [NOTES, OLD]) await home.folder(name);
  await Deno.mkdir(`${home.agentDir}/sessions`);
  const path = `${home.agentDir}/settings.json`;
  const settings: JsonObject = JSON.parse(await Deno.readTextFile(path));
  // Keeps few tokens when compacting, so that a short session has something to summarize.
  const compaction = { enabled: true, keepRecentTokens: 10, reserveTokens: 1000 };
  await Deno.writeTextFile(path, JSON.stringify({ ...settings, compaction }));
}

/** Versions, a session in a trusted project, a subscription. */
async function opening({ recorder, home }: Scene): Promise<void> {
  await recorder.show({
    type: "hello",
    protocolVersions: ["1.0"],
    client: { name: "example", version: "1.2.3" },
  });
  await recorder.show({ type: "ping" });
  await recorder.show({ type: "get_schema", command: "set_session_name" });
  await recorder.show({
    type: "create_session",
    sessionId: DEMO,
    cwd: `${home.root}/${DEMO}`,
    thinkingLevel: "low",
    trustProject: true,
  });
  await recorder.show({ type: "subscribe", sessionId: DEMO, updates: "delta" });
  await recorder.show({ type: "list_sessions" });
  await recorder.show({ type: "set_budget", sessionId: DEMO, maxUsd: 5, maxTurns: 200, onExceed: "abort" });
  await recorder.show({ type: "get_metrics" });
  await recorder.show({ type: "health_check" });
  await recorder.show({ type: "list_nodes" });
  // This server is in no cluster. tests/conformance/cluster/cluster_test.ts gets this answer from one.
  recorder.exchanges.set("drain_node", {
    command: { id: "drain_node-1", type: "drain_node", node: "b" },
    response: {
      ...{ id: "drain_node-1", type: "response", command: "drain_node", success: true },
      ...{ protocolVersion: "1.0", data: { node: "b", draining: true } },
    },
  });
}

/** A turn with a tool, and what can be asked of it. */
async function conversation({ recorder, model }: Scene): Promise<void> {
  const { wire } = recorder;
  model.script(
    "Greet Ada",
    calls([{ name: "greet", args: { name: "Ada" } }], ["I will greet her."]),
    text(["I have ", "greeted Ada."], { thinking: "The tool has done it." }),
  );
  await recorder.show({ type: "prompt", sessionId: DEMO, message: "Greet Ada", waitFor: "settled" });
  await wire.event(DEMO, "agent_settled");
  const types = [
    "get_last_assistant_text",
    "get_session_stats",
    "get_context_usage",
    "get_commands",
    "get_skills",
    "get_tools",
    "list_session_files",
  ];
  for (const type of types) await recorder.show({ type, sessionId: DEMO });
  await recorder.show({ type: "get_messages", sessionId: DEMO, limit: 2 });
  await recorder.show({ type: "set_session_name", sessionId: DEMO, name: "Greetings" });
  await recorder.show({ type: "dismiss_interrupted", sessionId: DEMO });
  await recorder.show({ type: "get_state", sessionId: DEMO });
}

/** A turn that hangs: what is refused, what is queued, and its end. */
async function control({ recorder, model }: Scene): Promise<Exchange> {
  const { wire } = recorder;
  const of = { sessionId: DEMO };
  model.script("Think hard", hang());
  await wire.ok({ type: "prompt", ...of, message: "Think hard" });
  await wire.event(DEMO, "message_update", PICKS.message_update);
  const command = { id: "7", type: "prompt", ...of, message: "And now?" };
  const refusal = { command, response: await wire.refused("agent_busy", command) };
  await recorder.show({ type: "steer", ...of, message: "Look at the tests first" });
  await recorder.show({ type: "follow_up", ...of, message: "Then write a summary" });
  await recorder.show({ type: "clear_queue", ...of });
  await recorder.show({ type: "abort", ...of });
  await wire.event(DEMO, "agent_settled");
  await recorder.show({ type: "bash", ...of, command: "echo hello" });
  wire.send({ type: "bash", id: "sleeper", ...of, command: "echo awake; sleep 60" });
  await wire.event(DEMO, "bash_output", (event) => event.commandId === "sleeper");
  await recorder.show({ type: "abort_bash", ...of });
  await wire.response("sleeper");
  return refusal;
}

/** pi cannot write its file, since a folder stands in its place, until that is gone. */
async function storageTrouble({ wire }: Recorder): Promise<void> {
  const file = stringAt(await wire.ok({ type: "get_state", sessionId: DEMO }), "sessionFile");
  await Deno.rename(file, `${file}.aside`);
  await Deno.mkdir(file);
  await wire.ok({ type: "bash", sessionId: DEMO, command: "true" });
  await wire.event(DEMO, "storage_error");
  await Deno.remove(file);
  await Deno.rename(`${file}.aside`, file);
}

/** An error that a retry mends, a compaction, dialogs, an extension that fails. */
async function incidents({ recorder, model }: Scene): Promise<void> {
  const { wire } = recorder;
  const of = { sessionId: DEMO };
  await recorder.show({ type: "set_auto_retry", ...of, enabled: true });
  model.script("Try again", status(500, "The model is out of order"), text(["It worked."]));
  await recorder.turn(DEMO, "Try again");
  await recorder.show({ type: "abort_retry", ...of });
  await recorder.show({ type: "set_auto_compaction", ...of, enabled: false });
  await withSummary(
    model,
    () => text(["Ada was greeted."]),
    () => recorder.show({ type: "compact", ...of, customInstructions: "Keep the names" }),
  );
  await recorder.show({ type: "abort_compaction", ...of });
  await wire.ok({ type: "prompt", ...of, message: "/deploy" });
  const request = await wire.event(DEMO, "extension_ui_request");
  await recorder.show({ type: "list_pending_ui", ...of });
  await recorder.show({
    type: "extension_ui_response",
    ...of,
    requestId: stringAt(request, "event", "requestId"),
    response: { method: "select", value: "staging" },
  });
  await wire.event(DEMO, "extension_ui_resolved");
  await wire.ok({ type: "prompt", ...of, message: "/broken" });
  await wire.event(DEMO, "extension_error");
  await storageTrouble(recorder);
}

/** Models, levels, modes, tools. */
async function settings({ recorder }: Scene): Promise<void> {
  const of = { sessionId: DEMO };
  await recorder.show({ type: "get_available_models", ...of });
  await recorder.show({ type: "set_model", ...of, ...ANTHROPIC });
  await recorder.show({ type: "cycle_model", ...of, direction: "forward" });
  await recorder.wire.ok({ type: "set_model", ...of, ...OPENAI });
  await recorder.show({ type: "set_thinking_level", ...of, level: "high" });
  await recorder.show({ type: "cycle_thinking_level", ...of });
  await recorder.show({ type: "get_available_thinking_levels", ...of });
  await recorder.show({ type: "set_steering_mode", ...of, mode: "all" });
  await recorder.show({ type: "set_follow_up_mode", ...of, mode: "one-at-a-time" });
  await recorder.show({ type: "set_tools", ...of, tools: ["read", "greet"] });
  await recorder.show({ type: "reload", ...of });
}

/** Runs a command with a long output; the reference to it. */
async function longOutput({ wire }: Recorder, of: { sessionId: string }): Promise<string> {
  await wire.ok({ type: "bash", ...of, command: "seq 400" });
  const data = await wire.ok({ type: "get_messages", ...of, limit: 1 });
  const output = new TextEncoder().encode(stringAt(data, "messages", 0, "output"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", output));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The tree of a session, and all ways to another one. */
async function history({ recorder, model, home }: Scene): Promise<void> {
  const { wire } = recorder;
  const of = { sessionId: NOTES };
  await wire.ok({ type: "create_session", ...of, cwd: `${home.root}/${NOTES}` });
  await recorder.show({ type: "switch_session", ...of });
  await recorder.show({ type: "unsubscribe", ...of });
  await wire.ok({ type: "subscribe", ...of });
  model.script("First question", text(["First answer"]));
  model.script("Second question", text(["Second answer"]));
  await recorder.turn(NOTES, "First question");
  await recorder.turn(NOTES, "Second question");
  const forkable = arrayAt(await recorder.show({ type: "get_fork_messages", ...of }), "data", "messages");
  const second = stringAt(forkable, 1, "entryId");
  await recorder.show({ type: "get_tree", ...of });
  await recorder.show({ type: "get_entries", ...of, scope: "branch", limit: 1 });
  await recorder.show({ type: "get_content", ...of, ref: await longOutput(recorder, of), length: 24 });
  await recorder.show({ type: "navigate_tree", ...of, targetId: second, options: { summarize: false } });
  await recorder.show({ type: "export_html", ...of, outputPath: "notes.html" });
  const before = stringAt(await wire.ok({ type: "get_state", ...of }), "sessionFile");
  await recorder.show({ type: "fork", ...of, entryId: second });
  await recorder.turn(NOTES, "Second question");
  await recorder.show({ type: "clone", ...of });
  await recorder.show({ type: "new_session", ...of });
  await recorder.show({ type: "switch_session_file", ...of, sessionPath: before });
}

/** A session that is left, found on disk, and taken up again. */
async function stored({ recorder, model, home }: Scene): Promise<void> {
  const { wire } = recorder;
  const cwd = `${home.root}/${OLD}`;
  await wire.ok({ type: "create_session", sessionId: OLD, cwd });
  await wire.ok({ type: "subscribe", sessionId: OLD });
  await wire.ok({ type: "set_budget", sessionId: OLD, maxTurns: 1 });
  model.script("Remember this", text(["I will."]));
  await recorder.turn(OLD, "Remember this");
  await recorder.show({ type: "delete_session", sessionId: OLD });
  const found = await recorder.show({ type: "list_stored_sessions", cwd, limit: 10 });
  const sessionPath = stringAt(found, "data", "sessions", 0, "sessionPath");
  await recorder.show({ type: "search", query: "remember", sessions: [sessionPath] });
  await recorder.show({ type: "archive_session", sessionPath });
  await recorder.show({ type: "unarchive_session", sessionPath });
  await recorder.show({ type: "rename_stored_session", sessionPath, sessionName: "An old one" });
  const other = sessionPath.replace(/\.jsonl$/, "-copy.jsonl");
  await Deno.copyFile(sessionPath, other);
  await recorder.show({ type: "delete_stored_session", sessionPath: other });
  await recorder.show({ type: "load_session", sessionId: OLD, sessionPath });
  await wire.ok({ type: "subscribe", sessionId: OLD });
  const damaged = sessionPath.replace(/\.jsonl$/, "-damaged.jsonl");
  await Deno.writeTextFile(damaged, `${await Deno.readTextFile(sessionPath)}{"type":"mess`);
  await wire.ok({ type: "switch_session_file", sessionId: OLD, sessionPath: damaged });
  await wire.event(OLD, "session_file_repaired");
}

/** A token for a client that only watches, and its end. */
async function access({ recorder }: Scene): Promise<void> {
  const made = await recorder.show({
    type: "mint_token",
    role: "observe",
    sessions: [DEMO],
    label: "Wall display",
    ttlMs: 3_600_000,
  });
  await recorder.show({ type: "list_tokens" });
  await recorder.show({ type: "revoke_token", tokenId: stringAt(made, "data", "tokenId") });
}

/** Runs the whole scenario against the sources. */
export async function record(): Promise<Recording> {
  await using model = new ModelServer();
  const home = await Home.make(model.url);
  try {
    await furnish(home);
    const args = ["--root", `${home.agentDir}/sessions`];
    await using server = await ServerProcess.start(home, { args, target: "sources" });
    const recorder = new Recorder(await server.connect());
    const scene = { model, home, recorder };
    try {
      await opening(scene);
      await conversation(scene);
      const refusal = await control(scene);
      for (const part of [incidents, settings, history, stored, access]) await part(scene);
      server.signal("SIGTERM");
      await recorder.wire.closed;
      return {
        greeting: recorder.wire.messages[0] ?? {},
        refusal,
        exchanges: recorder.exchanges,
        events: recorder.events(),
        replacements: replacementsOf(home),
      };
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\nstderr:\n${server.stderr}`);
    }
  } finally {
    await home.remove();
  }
}

/** Temporary folders as those of a user; also as pi makes a folder's name of them. */
function replacementsOf(home: Home): Replacement[] {
  const dashed = (path: string) => path.slice(1).replaceAll("/", "-");
  const shown: Replacement[] = [
    [home.root, "/home/me/projects"],
    [home.agentDir, "/home/me/.pi/agent"],
    [home.dir, "/home/me"],
  ];
  return shown.flatMap(([from, to]): Replacement[] => [[from, to], [dashed(from), dashed(to)]]);
}
