// The session of a `run`: a new one, or the one that the user names, live, parked or stored.
// Used by: src/cli/commands/run.ts.
import { defined } from "../../base/json.ts";
import { type Client, pages } from "../../client/mod.ts";
import type { StoredSession } from "../../protocol/mod.ts";
import type { Arguments } from "../arguments.ts";
import type { FoundServer } from "../find_server.ts";
import { CommandError, type Io, UsageError } from "../subcommand.ts";

/** A session that is there. */
export interface RunSession {
  readonly sessionId: string;
  /** Whether it was made for this run. */
  readonly made: boolean;
  readonly messageCount: number;
  /** As `provider/model`; undefined when it has none. */
  readonly model?: string;
}

interface Model {
  readonly provider: string;
  readonly modelId: string;
}

/** `provider/model`, of which the model may have slashes itself. Throws `UsageError`. */
export function modelOf(text: string | undefined): Model | undefined {
  if (text === undefined) return undefined;
  const slash = text.indexOf("/");
  const [provider, modelId] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash > 0 && modelId !== "") return { provider, modelId };
  throw new UsageError(`--model: expected provider/model such as anthropic/claude-sonnet-4-5, got "${text}"`);
}

/** Opens the session of that id, which may be stored only. */
async function existing(client: Client, sessionId: string): Promise<string> {
  try {
    await client.request("get_state", { sessionId });
    return sessionId;
  } catch (error) {
    if (!(error instanceof Error) || Reflect.get(error, "code") !== "session_not_found") throw error;
  }
  let stored: StoredSession | undefined;
  for await (const page of pages(client, "list_stored_sessions", { limit: 500 })) {
    stored = page.find((one) => one.sessionId === sessionId || one.liveSessionId === sessionId);
    if (stored !== undefined) break;
  }
  if (stored === undefined) {
    throw new CommandError(
      `there is no session "${sessionId}"; pi-server sessions lists those that there are, --new makes one`,
    );
  }
  return (await client.request("load_session", { sessionPath: stored.sessionPath })).sessionId;
}

/** Makes or opens the session that the flags name. */
export async function openSession(
  client: Client,
  found: FoundServer,
  parsed: Arguments,
  io: Io,
): Promise<RunSession> {
  const model = modelOf(parsed.text("model"));
  const named = parsed.text("session");
  const cwd = parsed.text("cwd");
  if (named === undefined) {
    // A server elsewhere has other folders: its own is meant unless --cwd names one there.
    const folder = found.local ? io.absolute(cwd ?? ".") : cwd;
    const name = parsed.text("name");
    const { sessionId, sessionInfo } = await client.request("create_session", {
      ...defined({ cwd: folder, sessionName: name }),
      ...(parsed.has("trust") ? { trustProject: true } : {}),
      ...model,
    });
    return { sessionId, made: true, ...aboutOf(sessionInfo) };
  }
  const sessionId = await existing(client, named);
  if (model !== undefined) await client.request("set_model", { sessionId, ...model });
  const state = await client.request("get_state", { sessionId });
  return { sessionId, made: false, ...aboutOf(state) };
}

function aboutOf(
  { messageCount, model }: { messageCount: number; model?: { provider: string; id: string } },
): Pick<RunSession, "messageCount" | "model"> {
  return { messageCount, ...(model === undefined ? {} : { model: `${model.provider}/${model.id}` }) };
}
