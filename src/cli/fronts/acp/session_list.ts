// Does: lists the sessions of the server and those stored on its disk as one list, page by page, and finds one by id.
// Used by: agent.ts.
import type { ListSessionsResponse, SessionInfo as ListedSession } from "@agentclientprotocol/sdk";
import type { Client, SessionInfo, StoredSession } from "../../../client/mod.ts";
import { pages } from "../../../client/pages.ts";
import { invalid, notFound } from "./errors.ts";

/** Sessions of a page. */
const PAGE = 50;
/** Stored sessions of one request. */
const STORED_PAGE = 500;

interface Listed extends ListedSession {
  readonly updatedAt: string;
}

/** Newest first; sessions of one moment by their ids. */
function compare(
  a: Pick<Listed, "updatedAt" | "sessionId">,
  b: Pick<Listed, "updatedAt" | "sessionId">,
): number {
  if (a.updatedAt !== b.updatedAt) return a.updatedAt < b.updatedAt ? 1 : -1;
  return a.sessionId < b.sessionId ? -1 : a.sessionId > b.sessionId ? 1 : 0;
}

/** The place of a session in the list. The next page begins behind it, whatever has been added before. */
function cursorOf({ updatedAt, sessionId }: Listed): string {
  return `${updatedAt} ${sessionId}`;
}

function placeOf(cursor: string): Pick<Listed, "updatedAt" | "sessionId"> {
  const [, updatedAt, sessionId] = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (\S+)$/.exec(cursor) ?? [];
  if (updatedAt !== undefined && sessionId !== undefined) return { updatedAt, sessionId };
  throw invalid(`the cursor "${cursor.slice(0, 100)}" is none of this list; begin without a cursor`);
}

/** The stored sessions; none for a token that is for some sessions alone. */
async function storedSessions(client: Client, cwd?: string): Promise<readonly StoredSession[]> {
  const fields = { limit: STORED_PAGE, ...(cwd === undefined ? {} : { cwd }) };
  const stored: StoredSession[] = [];
  try {
    for await (const page of pages(client, "list_stored_sessions", fields)) stored.push(...page);
    return stored;
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, "code") === "forbidden") return [];
    throw error;
  }
}

/** Those that are live or parked. */
async function liveSessions(client: Client): Promise<readonly SessionInfo[]> {
  const live: SessionInfo[] = [];
  for await (const page of pages(client, "list_sessions")) live.push(...page);
  return live;
}

/** One page of the sessions, live, parked and stored. */
export async function listSessions(
  client: Client,
  cwd: string | undefined,
  cursor: string | undefined,
): Promise<ListSessionsResponse> {
  const after = cursor === undefined ? undefined : placeOf(cursor);
  const [live, stored] = await Promise.all([liveSessions(client), storedSessions(client, cwd)]);
  const firstWords = new Map(stored.map(({ sessionFile, firstMessage }) => [sessionFile, firstMessage]));
  const files = new Set(live.map(({ sessionFile }) => sessionFile));
  const all: Listed[] = [
    ...live.filter((one) => cwd === undefined || one.cwd === cwd).map((one) => ({
      sessionId: one.sessionId,
      cwd: one.cwd,
      title: one.sessionName ?? firstWords.get(one.sessionFile ?? "") ?? null,
      updatedAt: one.lastActivityAt,
    })),
    ...stored.filter((one) => one.liveSessionId === undefined && !files.has(one.sessionFile)).map((one) => ({
      sessionId: one.sessionId,
      cwd: one.cwd,
      title: one.sessionName ?? one.firstMessage ?? null,
      updatedAt: one.modifiedAt,
    })),
  ].sort(compare);
  const rest = after === undefined ? all : all.filter((one) => compare(one, after) > 0);
  const sessions = rest.slice(0, PAGE);
  const last = sessions.at(-1);
  return {
    sessions,
    ...(rest.length > PAGE && last !== undefined ? { nextCursor: cursorOf(last) } : {}),
  };
}

/** The server's id of the session that the editor means: live, parked, or stored and then taken up. */
export async function findSession(client: Client, id: string): Promise<string> {
  if (!/^(?!\.{1,2}$)[\w.-]{1,128}$/.test(id)) throw notFound(id);
  try {
    await client.request("get_state", { sessionId: id });
    return id;
  } catch (error) {
    if (!(error instanceof Error) || Reflect.get(error, "code") !== "session_not_found") throw error;
  }
  const stored = (await storedSessions(client)).find((one) => one.sessionId === id);
  if (stored === undefined) throw notFound(id);
  if (stored.liveSessionId !== undefined) return stored.liveSessionId;
  return (await client.request("load_session", { sessionPath: stored.sessionPath })).sessionId;
}
