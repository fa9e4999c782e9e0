// Does: opens the session that pi's arguments mean: a new one, one that is live, or one of pi's files.
// Used by: rpc_front.ts.
// Invariant: a session that another client drives is joined, never taken from it.
import { defined } from "../../../base/json.ts";
import type { Client } from "../../../client/mod.ts";
import { pages } from "../../../client/pages.ts";
import type { StoredSession } from "../../../protocol/generated/mod.ts";
import type { Arguments } from "../../arguments.ts";
import { CommandError, type Io } from "../../subcommand.ts";
import { chooseModel } from "./model_choice.ts";
import { namesOf } from "./pi_arguments.ts";

/** A session that is there. */
export interface OpenedSession {
  readonly sessionId: string;
  /** Whether it was made for this front, without a file. */
  readonly inMemory: boolean;
}

/** The tools of pi itself, in both engines. */
const BUILTIN: ReadonlySet<string> = new Set(["read", "bash", "edit", "write", "grep", "find", "ls"]);

/** Stored sessions of one request. */
const STORED_PAGE = 500;

type Fields = Record<string, unknown>;

/** The way to the session: the front subscribes before it is taken, so that it misses nothing of a new one. */
export type Opening =
  | {
    readonly kind: "create";
    readonly sessionId: string;
    readonly fields: Fields;
    readonly inMemory: boolean;
  }
  | { readonly kind: "join"; readonly sessionId: string };

/** Looks up which session is meant, and loads one of pi's files. */
export async function findOpening(
  client: Client,
  parsed: Arguments,
  io: Io,
  local: boolean,
): Promise<Opening> {
  const cwd = local ? io.cwd() : undefined;
  const named = parsed.text("session") ?? parsed.text("resume") ?? parsed.text("session-id") ??
    parsed.text("fork");
  if (named !== undefined) {
    const sessionId = await sessionNamed(client, named, io, local);
    if (sessionId !== undefined) return { kind: "join", sessionId: await copied(client, sessionId, parsed) };
    if (!parsed.has("session-id")) {
      throw new CommandError(`there is no session "${named}"; pi-server sessions lists those that there are`);
    }
  }
  if (parsed.has("continue")) {
    const { sessions } = await client.request("list_stored_sessions", {
      limit: 1,
      ...defined({ cwd }),
    });
    const [newest] = sessions;
    if (newest !== undefined) return { kind: "join", sessionId: await loaded(client, newest) };
  }
  const fields = await fieldsOf(client, parsed);
  const sessionId = parsed.text("session-id") ?? io.uuid();
  return {
    kind: "create",
    sessionId,
    fields: { ...defined({ cwd }), ...fields },
    inMemory: parsed.has("no-session"),
  };
}

/** The fields of `create_session`. */
async function fieldsOf(client: Client, parsed: Arguments): Promise<Fields> {
  const level = parsed.text("thinking");
  const name = parsed.text("name");
  const tools = parsed.text("tools");
  const chosen = await modelOf(client, parsed);
  const thinkingLevel = level ?? chosen.level;
  return {
    ...(chosen.provider === undefined ? {} : { provider: chosen.provider, modelId: chosen.modelId }),
    ...defined({ thinkingLevel, sessionName: name }),
    ...(parsed.has("no-tools") ? { tools: [] } : tools === undefined ? {} : { tools: namesOf(tools) }),
    ...(parsed.has("no-session") ? { inMemory: true } : {}),
    ...(parsed.has("approve")
      ? { trustProject: true }
      : parsed.has("no-approve")
      ? { trustProject: false }
      : {}),
  };
}

async function modelOf(
  client: Client,
  parsed: Arguments,
): Promise<{ provider?: string; modelId?: string; level?: string }> {
  const [pattern, provider] = [parsed.text("model"), parsed.text("provider")];
  if (pattern === undefined && provider === undefined) return {};
  const { models } = await client.request("get_available_models", {});
  if (pattern !== undefined) return { ...chooseModel(pattern, provider, models) };
  const first = models.find((model) => model.provider === provider);
  if (first === undefined) throw new CommandError(`--provider: no model of ${provider} has credentials`);
  return { provider: first.provider, modelId: first.id };
}

/** The live session of that name, after it was loaded if need be; undefined when there is none. */
async function sessionNamed(
  client: Client,
  named: string,
  io: Io,
  local: boolean,
): Promise<string | undefined> {
  if (/[\\/]/.test(named) || named.endsWith(".jsonl")) {
    return await loadedFile(client, local ? io.absolute(named) : named);
  }
  for await (const page of pages(client, "list_sessions")) {
    if (page.some(({ sessionId }) => sessionId === named)) return named;
  }
  const found: StoredSession[] = [];
  for await (const page of pages(client, "list_stored_sessions", { limit: STORED_PAGE })) {
    found.push(...page.filter((session) => session.sessionId.startsWith(named)));
  }
  if (found.length > 1 && !found.some((session) => session.sessionId === named)) {
    throw new CommandError(`"${named}" is the beginning of ${found.length} sessions; give more of the id`);
  }
  const stored = found.find((session) => session.sessionId === named) ?? found[0];
  return stored === undefined ? undefined : await loaded(client, stored);
}

async function loaded(client: Client, { liveSessionId, sessionPath }: StoredSession): Promise<string> {
  return liveSessionId ?? await loadedFile(client, sessionPath);
}

/** Loads a file, or joins the session that drives it. */
async function loadedFile(client: Client, sessionPath: string): Promise<string> {
  try {
    return (await client.request("load_session", { sessionPath })).sessionId;
  } catch (error) {
    const data: unknown = error instanceof Error ? Reflect.get(error, "data") : undefined;
    const driver: unknown = typeof data === "object" && data !== null
      ? Reflect.get(data, "sessionId")
      : undefined;
    if (
      error instanceof Error && Reflect.get(error, "code") === "session_in_use" && typeof driver === "string"
    ) {
      return driver;
    }
    throw error;
  }
}

/** With `--fork`, puts a copy of the history behind the session. */
async function copied(client: Client, sessionId: string, parsed: Arguments): Promise<string> {
  if (!parsed.has("fork")) return sessionId;
  const { subscribers } = await client.request("get_state", { sessionId });
  if (subscribers > 0) {
    throw new CommandError("--fork: other clients use this session, and would see it replaced by its copy");
  }
  await client.request("clone", { sessionId });
  return sessionId;
}

/** Sets what arguments say of a session that was there before, and the tools that `create_session` cannot name. */
export async function adjust(client: Client, opening: Opening, parsed: Arguments): Promise<void> {
  const { sessionId } = opening;
  if (opening.kind === "join") {
    const { provider, modelId, level } = await modelOf(client, parsed);
    if (provider !== undefined && modelId !== undefined) {
      await client.request("set_model", { sessionId, provider, modelId });
    }
    const thinking = parsed.text("thinking") ?? level;
    if (thinking !== undefined) {
      await client.request("set_thinking_level", { sessionId, level: thinking as "off" });
    }
    const name = parsed.text("name");
    if (name !== undefined) await client.request("set_session_name", { sessionId, name });
    const tools = parsed.text("tools");
    if (tools !== undefined) await client.request("set_tools", { sessionId, tools: namesOf(tools) });
    if (parsed.has("no-tools")) await client.request("set_tools", { sessionId, tools: [] });
  }
  const without = parsed.text("exclude-tools");
  if (without === undefined && !parsed.has("no-builtin-tools")) return;
  const { tools } = await client.request("get_tools", { sessionId });
  const left = new Set(without === undefined ? [] : namesOf(without));
  const kept = tools.filter((tool) => {
    const builtin = parsed.has("no-builtin-tools") && BUILTIN.has(tool.name);
    return tool.active && !left.has(tool.name) && !builtin;
  });
  await client.request("set_tools", { sessionId, tools: kept.map((tool) => tool.name) });
}
