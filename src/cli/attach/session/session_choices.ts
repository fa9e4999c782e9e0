// The sessions that a person can open, as lines of a list: live ones first, then parked, then those on disk alone.
import type { Client, DataMap, FieldsOf, ListCommand } from "../../../client/mod.ts";
import { pages, RequestError } from "../../../client/mod.ts";
import type { SessionInfo, StoredSession } from "../../../protocol/mod.ts";
import type { Choice } from "../dialogs/choice_list.ts";
import { sanitizeLine } from "../view/sanitize.ts";
import { nameOf } from "./session_name.ts";

/** A session that the server knows, or a file. */
export type SessionChoice =
  | { readonly kind: "known"; readonly session: SessionInfo }
  | { readonly kind: "stored"; readonly session: StoredSession };

/** Sessions that a person can choose from, and sessions of one answer. */
const [KNOWN_MOST, STORED_MOST, PAGE] = [1_000, 500, 250];

/** How long ago that was, in a word. */
export function agoOf(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** Lines of the sessions that the server knows. */
export function knownChoices(
  sessions: readonly SessionInfo[],
  asking: ReadonlySet<string>,
  now: number,
): Choice<SessionChoice>[] {
  const rank = ({ status }: SessionInfo): number => status === "live" ? 0 : 1;
  const sorted = [...sessions].sort((a, b) =>
    rank(a) - rank(b) ||
    (a.lastActivityAt < b.lastActivityAt ? 1 : a.lastActivityAt > b.lastActivityAt ? -1 : 0)
  );
  return sorted.map((session) => {
    const state = asking.has(session.sessionId)
      ? "asks you"
      : session.isStreaming || session.isCompacting
      ? "works"
      : session.status;
    const name = nameOf(session);
    const parts = [
      state,
      `${session.messageCount} messages`,
      agoOf(session.lastActivityAt, now),
      sanitizeLine(session.cwd),
      ...name === session.sessionId ? [] : [session.sessionId],
    ];
    return {
      value: { kind: "known", session },
      label: name,
      description: parts.filter((part) => part !== "").join(" · "),
    };
  });
}

/** Lines of session files that no session uses. */
export function storedChoices(files: readonly StoredSession[], now: number): Choice<SessionChoice>[] {
  return files.filter(({ liveSessionId }) => liveSessionId === undefined).map((session) => ({
    value: { kind: "stored", session },
    label: sanitizeLine(session.sessionName ?? session.firstMessage ?? "").slice(0, 200) || nameOf(session),
    description: `stored · ${session.messageCount} messages · ${agoOf(session.modifiedAt, now)} · ${
      sanitizeLine(session.cwd)
    }`,
  }));
}

/** The sessions of the first pages of a list, the latest of them first. */
async function first<N extends ListCommand>(
  client: Client,
  type: N,
  most: number,
): Promise<DataMap[N]["sessions"][number][]> {
  const found: DataMap[N]["sessions"][number][] = [];
  for await (const page of pages(client, type, { limit: PAGE } as FieldsOf<N>)) {
    found.push(...page);
    if (found.length >= most) break;
  }
  return found;
}

/** The latest of them. */
export async function sessionChoices(client: Client, now: number): Promise<Choice<SessionChoice>[]> {
  const stored = first(client, "list_stored_sessions", STORED_MOST).catch((error: unknown) => {
    // A token for some sessions sees no files.
    if (error instanceof RequestError && error.code === "forbidden") return [];
    throw error;
  });
  const [known, files, asking] = await Promise.all([
    first(client, "list_sessions", KNOWN_MOST),
    stored,
    client.request("list_pending_ui", {}),
  ]);
  const ids = new Set(asking.requests.map(({ sessionId }) => sessionId));
  const used = new Set(known.map(({ sessionFile }) => sessionFile));
  const unused = files.filter(({ sessionFile }) => !used.has(sessionFile));
  return [...knownChoices(known, ids, now), ...storedChoices(unused, now)];
}
