// The cases of the command table (`table_test.ts`): for each command of the schema one input that must be accepted
// and one that must be refused, with the code. Each side is made for a fresh session; `type` is added, and
// `sessionId` where the command needs one.

import { arrayAt, type JsonObject, stringAt } from "../support/base/json.ts";
import { ANTHROPIC, text } from "../support/model/model_server.ts";
import { uiPrompt } from "../support/extensions/dialog_extension.ts";
import type { Wire } from "../support/wire/wire_client.ts";
import { type Bench, settled } from "./suite.ts";

/** What a case may use: a fresh session, the connection that watches it, the bench around both. */
export interface Scene {
  readonly bench: Bench;
  readonly wire: Wire;
  readonly id: string;
  readonly cwd: string;
}

type Make = (scene: Scene) => JsonObject | Promise<JsonObject>;

/** One command's row. */
export interface Case {
  readonly good: Make;
  readonly bad: { readonly code: string; readonly make: Make };
  /** Only a node of a cluster accepts it: cluster_test.ts has that side. */
  readonly inCluster?: true;
}

const nothing: Make = () => ({});
const same = (fields: JsonObject): Make => () => fields;
const refuses = (code: string, make: Make) => ({ code, make });
/** A field that the command doesn't have. */
const unknownField = refuses("invalid_params", same({ surprise: true }));
/** A session that there isn't. */
const noSession = refuses("session_not_found", same({ sessionId: "no-such-session" }));
/** A version that the session has long left or never had. */
const wrongVersion = refuses("version_conflict", same({ ifSessionVersion: 999 }));
const invalid = (fields: JsonObject) => refuses("invalid_params", same(fields));

/** Takes one turn, so that the session has a user message, an answer and a file; the session's state then. */
async function talked({ bench, wire, id }: Scene, said = "said"): Promise<JsonObject> {
  const marker = bench.name("case");
  bench.model.script(marker, text([said]));
  await settled(wire, id, marker);
  return await wire.ok({ type: "get_state", sessionId: id });
}

/** The file of another session, which is deleted: pi's file stays, nothing drives it. */
async function storedFile(scene: Scene): Promise<string> {
  const other = await scene.bench.session(scene.wire);
  const state = await talked({ ...scene, id: other.id });
  await scene.wire.ok({ type: "delete_session", sessionId: other.id });
  return stringAt(state, "sessionFile");
}

/** SHA-256 of a text, in hexadecimal digits. */
async function hashOf(words: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(words));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function firstUserEntry(scene: Scene): Promise<string> {
  await talked(scene);
  const data = await scene.wire.ok({ type: "get_fork_messages", sessionId: scene.id });
  return stringAt(arrayAt(data, "messages"), 0, "entryId");
}

/** A file in the session's folder that is not a session. */
async function plainFile({ cwd }: Scene): Promise<string> {
  await Deno.writeTextFile(`${cwd}/plain.txt`, "no session\n");
  return `${cwd}/plain.txt`;
}

async function openDialog({ wire, id }: Scene): Promise<string> {
  await wire.ok({
    type: "prompt",
    sessionId: id,
    message: uiPrompt("case.json", [["confirm", "Sure?", "Yes?"]]),
  });
  return stringAt(await wire.event(id, "extension_ui_request"), "event", "requestId");
}

const SERVER_CASES: Record<string, Case> = {
  hello: {
    good: same({ protocolVersions: ["1.0"], client: { name: "table", version: "1" } }),
    bad: refuses("unsupported_protocol_version", same({ protocolVersions: ["9.0"] })),
  },
  ping: { good: nothing, bad: unknownField },
  get_schema: { good: same({ command: "prompt" }), bad: invalid({ command: "no_such_command" }) },
  get_metrics: { good: nothing, bad: unknownField },
  health_check: { good: nothing, bad: unknownField },
  list_nodes: { good: nothing, bad: unknownField },
  drain_node: {
    good: same({ node: "none" }),
    bad: refuses("node_not_found", same({ node: "none" })),
    inCluster: true,
  },
  list_sessions: { good: nothing, bad: invalid({ sessionId: 7 }) },
  create_session: {
    good: ({ bench, cwd }) => ({ sessionId: bench.name("made"), cwd, inMemory: true, sessionName: "Made" }),
    bad: refuses("session_exists", ({ id, cwd }) => ({ sessionId: id, cwd })),
  },
  delete_session: { good: nothing, bad: noSession },
  switch_session: { good: nothing, bad: noSession },
  subscribe: { good: same({ updates: "full", events: ["agent_settled"] }), bad: noSession },
  unsubscribe: { good: nothing, bad: invalid({ sessionId: "a/b" }) },
  list_stored_sessions: { good: same({ limit: 5 }), bad: invalid({ limit: 0 }) },
  search: { good: same({ query: "Hello" }), bad: invalid({}) },
  archive_session: {
    good: async (scene) => ({ sessionPath: await storedFile(scene) }),
    bad: refuses("path_not_found", ({ cwd }) => ({ sessionPath: `${cwd}/missing.jsonl` })),
  },
  unarchive_session: {
    good: async (scene) => ({ sessionPath: await storedFile(scene) }),
    bad: refuses("path_forbidden", same({ sessionPath: "/etc/passwd" })),
  },
  rename_stored_session: {
    good: async (scene) => ({ sessionPath: await storedFile(scene), sessionName: "A name" }),
    bad: refuses(
      "invalid_params",
      async (scene) => ({ sessionPath: await storedFile(scene), sessionName: "  " }),
    ),
  },
  delete_stored_session: {
    good: async (scene) => ({ sessionPath: await storedFile(scene) }),
    bad: refuses("not_a_session_file", async (scene) => ({ sessionPath: await plainFile(scene) })),
  },
  load_session: {
    good: async (scene) => ({ sessionId: scene.bench.name("loaded"), sessionPath: await storedFile(scene) }),
    bad: refuses("path_not_found", ({ cwd }) => ({ sessionPath: `${cwd}/missing.jsonl` })),
  },
  mint_token: {
    good: same({ role: "observe", sessions: ["table"], ttlMs: 60_000 }),
    bad: invalid({ role: "admin", sessions: ["table"], ttlMs: 60_000 }),
  },
  list_tokens: { good: nothing, bad: invalid({ sessionId: "a/b" }) },
  revoke_token: { good: same({ tokenId: "never-minted" }), bad: invalid({ tokenId: "" }) },
  list_pending_ui: { good: ({ id }) => ({ sessionId: id }), bad: invalid({ sessionId: "a/b" }) },
};

const SESSION_CASES: Record<string, Case> = {
  prompt: { good: same({ message: "Hello" }), bad: invalid({ message: "" }) },
  steer: { good: same({ message: "Hello" }), bad: invalid({ message: "/ui {}" }) },
  follow_up: {
    good: same({ message: "Hello" }),
    bad: invalid({ message: "Hello", images: [{ type: "text" }] }),
  },
  abort: { good: nothing, bad: noSession },
  clear_queue: { good: nothing, bad: noSession },
  get_state: { good: nothing, bad: noSession },
  get_messages: {
    good: async (scene) => (await talked(scene), { limit: 1 }),
    bad: invalid({ limit: "all" }),
  },
  set_session_name: { good: same({ name: "Named" }), bad: invalid({ name: "   " }) },
  get_last_assistant_text: { good: async (scene) => (await talked(scene), {}), bad: unknownField },
  get_session_stats: { good: async (scene) => (await talked(scene), {}), bad: unknownField },
  get_context_usage: { good: async (scene) => (await talked(scene), {}), bad: unknownField },
  get_available_models: { good: nothing, bad: unknownField },
  set_model: {
    good: same({ ...ANTHROPIC }),
    bad: refuses("model_not_found", same({ provider: ANTHROPIC.provider, modelId: "constructor" })),
  },
  cycle_model: { good: same({ direction: "backward" }), bad: invalid({ direction: "sideways" }) },
  set_thinking_level: { good: same({ level: "minimal" }), bad: invalid({ level: "ultra" }) },
  cycle_thinking_level: { good: nothing, bad: wrongVersion },
  get_available_thinking_levels: { good: nothing, bad: unknownField },
  set_steering_mode: { good: same({ mode: "all" }), bad: invalid({ mode: "some" }) },
  set_follow_up_mode: { good: same({ mode: "one-at-a-time" }), bad: invalid({ mode: true }) },
  bash: { good: same({ command: "echo hi" }), bad: invalid({ command: 7 }) },
  abort_bash: { good: nothing, bad: noSession },
  compact: {
    good: async (scene) => {
      // A newer pi refuses to compact what it would keep anyway.
      await talked(scene, "a long answer ".repeat(20));
      await talked(scene, "the recent answer ".repeat(20));
      return { customInstructions: "Be short" };
    },
    bad: invalid({ customInstructions: 7 }),
  },
  abort_compaction: { good: nothing, bad: noSession },
  set_auto_compaction: { good: same({ enabled: false }), bad: invalid({ enabled: "no" }) },
  set_budget: {
    good: same({ maxUsd: 1.5, maxTurns: 100, onExceed: "abort" }),
    bad: invalid({ maxTurns: 1.5 }),
  },
  set_auto_retry: { good: same({ enabled: false }), bad: invalid({}) },
  abort_retry: { good: nothing, bad: noSession },
  dismiss_interrupted: { good: nothing, bad: noSession },
  extension_ui_response: {
    good: async (scene) => ({
      requestId: await openDialog(scene),
      response: { method: "confirm", confirmed: true },
    }),
    bad: refuses("ui_request_not_found", same({ requestId: "never", response: { method: "cancelled" } })),
  },
};

const HISTORY_CASES: Record<string, Case> = {
  new_session: { good: nothing, bad: wrongVersion },
  switch_session_file: {
    good: async (scene) => ({ sessionPath: await storedFile(scene) }),
    bad: refuses("not_a_session_file", async (scene) => ({ sessionPath: await plainFile(scene) })),
  },
  fork: {
    good: async (scene) => ({ entryId: await firstUserEntry(scene) }),
    bad: refuses("entry_not_found", async (scene) => (await talked(scene), { entryId: "__proto__" })),
  },
  clone: { good: async (scene) => (await talked(scene), {}), bad: wrongVersion },
  get_fork_messages: { good: async (scene) => (await talked(scene), {}), bad: unknownField },
  get_entries: {
    good: async (
      scene,
    ) => (await talked(scene), { since: await firstUserEntry(scene), limit: 2, refs: true }),
    bad: refuses("entry_not_found", async (scene) => (await talked(scene), { before: "constructor" })),
  },
  get_content: {
    good: async (scene) => {
      const words = "a long answer ".repeat(100);
      await talked(scene, words);
      return { ref: await hashOf(words), offset: 2, length: 12 };
    },
    bad: refuses("content_not_found", same({ ref: "0".repeat(64) })),
  },
  get_tree: { good: async (scene) => (await talked(scene), {}), bad: unknownField },
  navigate_tree: {
    good: async (scene) => ({ targetId: await firstUserEntry(scene), options: { summarize: false } }),
    bad: refuses("entry_not_found", async (scene) => (await talked(scene), { targetId: "constructor" })),
  },
  export_html: {
    good: async (scene) => (await talked(scene), { outputPath: "out.html" }),
    bad: refuses(
      "path_forbidden",
      async (scene) => (await talked(scene), { outputPath: "/tmp/not-here.html" }),
    ),
  },
  get_commands: { good: nothing, bad: unknownField },
  get_skills: { good: nothing, bad: unknownField },
  get_tools: { good: nothing, bad: unknownField },
  set_tools: { good: same({ tools: ["read", "bash"] }), bad: invalid({ tools: ["read", "no_such_tool"] }) },
  list_session_files: { good: async (scene) => (await talked(scene), {}), bad: unknownField },
  reload: { good: nothing, bad: wrongVersion },
};

/** By command. A `Map`, since a command's name is data. */
export const CASES: ReadonlyMap<string, Case> = new Map(
  Object.entries({ ...SERVER_CASES, ...SESSION_CASES, ...HISTORY_CASES }),
);
