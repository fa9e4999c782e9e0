// Does: finds, checks and lists pi's session files, with a bounded reader.
// Used by: the session builder and the handlers. pi reads every file whole (docs/PI.md#session-files).
// Invariant: pi never opens a file that is not a session, because it would overwrite the file.
import { JsonlDecoder, type Line } from "../../../protocol/jsonl.ts";
import type { StoredSession } from "../../../protocol/schema/results.ts";
import { cut } from "../../../base/text.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { FileFormat } from "../../../ipc/file_format.ts";
import { newerKind } from "../file_check/entry_shape.ts";
import { defined, isRecord, tryParseRecord } from "../../../base/json.ts";
import { failure } from "../../../protocol/errors.ts";
import type { Outcome } from "../../../protocol/failures.ts";
import type { PathGuard } from "./path_guard.ts";
import { headerOf, notASession, type SessionHeader } from "../file_check/session_header.ts";

/** The most bytes of a line that are parsed. Longer lines (images) are counted by their beginning. */
const LINE_BYTES = 1024 * 1024;

/** Files that are read at the same time. */
const READERS = 8;

/** Characters of a first message that a list shows. */
const FIRST_MESSAGE_CHARS = 1_000;

/** Characters of other texts in a list, more than any real one has. And the most kinds of newer entries. */
const [FIELD_CHARS, MOST_NEWER] = [4_096, 100];

/** Whether a file with this beginning is a session file. */
export function isHeader(head: string): boolean {
  return headerOf(head.split("\n", 1)[0] ?? "") !== undefined;
}

async function* linesOf(files: Files, path: string): AsyncGenerator<Line> {
  const decoder = new JsonlDecoder(LINE_BYTES);
  for await (const chunk of files.chunks(path)) yield* decoder.push(chunk);
  yield* decoder.end();
}

/** The header of a session file, or a failure. */
export async function readHeader(files: Files, path: string): Promise<Outcome<SessionHeader>> {
  for await (const line of linesOf(files, path)) {
    const header = line.kind === "line" ? headerOf(line.text) : undefined;
    if (header !== undefined) return { ok: true, value: header };
    break;
  }
  return { ok: false, failure: notASession(path) };
}

/** The canonical form of pi's own path of a session file, which may not exist yet. */
export async function canonicalFile(
  files: Pick<Files, "realpath" | "parent" | "join">,
  path: string,
): Promise<string> {
  const folder = await files.realpath(files.parent(path)).catch(() => undefined);
  return folder === undefined ? path : files.join(folder, path.slice(files.parent(path).length));
}

/** Checks that the file of a parked session has not moved. A link may have replaced it or its folder. */
export async function unmovedFile(
  files: Pick<Files, "stat">,
  guard: Pick<PathGuard, "real">,
  kept: string,
  sessionFile: string,
): Promise<Outcome<string>> {
  const real = await guard.real(sessionFile);
  const kind = real === kept ? (await files.stat(real))?.kind ?? "file" : "link";
  if (kind === "file") return { ok: true, value: real };
  const sentence = kind === "link"
    ? `${sessionFile} leads to ${real} and not to ${kept} as when the session was parked`
    : `${sessionFile} is not a regular file`;
  return {
    ok: false,
    failure: failure("path_forbidden", `${sentence}; put the file back, or delete the session`),
  };
}

interface Tally {
  header: SessionHeader | undefined;
  name: string | undefined;
  firstMessage: string | undefined;
  messages: number;
  /** Kinds of entries that only a newer pi knows. */
  readonly newer: Set<string>;
}

function count(tally: Tally, line: Line, format: FileFormat): void {
  // Only messages are too long to be parsed.
  if (line.kind === "too_large") tally.messages++;
  if (line.kind !== "line") return;
  const entry = tryParseRecord(line.text);
  const newer = newerKind(entry, format, tally.header?.version ?? 1);
  if (newer !== undefined && tally.newer.size < MOST_NEWER) tally.newer.add(cut(newer, FIELD_CHARS));
  if (entry?.["type"] === "session_info") {
    const name = entry["name"];
    tally.name = typeof name === "string" && name.trim() !== "" ? name.trim() : undefined;
  }
  if (entry?.["type"] !== "message") return;
  const message = entry["message"];
  // A newer pi keeps its system prompt in the file. It is not a message of the conversation.
  if (isRecord(message) && message["role"] === "system") return;
  tally.messages++;
  if (tally.firstMessage !== undefined || !isRecord(message) || message["role"] !== "user") return;
  const text = textOf(message);
  if (text !== "") tally.firstMessage = cut(text, FIRST_MESSAGE_CHARS);
}

async function describe(
  files: Files,
  path: string,
  modifiedAt: number,
  format: FileFormat,
): Promise<StoredSession | undefined> {
  const tally: Tally = {
    header: undefined,
    name: undefined,
    firstMessage: undefined,
    messages: 0,
    newer: new Set(),
  };
  for await (const line of linesOf(files, path)) {
    if (tally.header === undefined) {
      tally.header = line.kind === "line" ? headerOf(line.text) : undefined;
      if (tally.header === undefined) return undefined;
      const { version } = tally.header;
      if (version > format.version) tally.newer.add(`version:${version}`);
    } else count(tally, line, format);
  }
  if (tally.header === undefined) return undefined;
  const { id, cwd, timestamp } = tally.header;
  return {
    sessionId: cut(id, FIELD_CHARS),
    ...(tally.name === undefined ? {} : { sessionName: cut(tally.name, FIELD_CHARS) }),
    sessionFile: path,
    sessionPath: path,
    cwd: cut(cwd, FIELD_CHARS),
    createdAt: cut(timestamp, FIELD_CHARS),
    modifiedAt: new Date(modifiedAt).toISOString(),
    messageCount: tally.messages,
    ...defined({ firstMessage: tally.firstMessage }),
    ...(tally.newer.size === 0 ? {} : { newerEntries: [...tally.newer] }),
  };
}

/** The folders that are searched for session files. */
export interface SessionPlaces {
  readonly files: Files;
  /** Whether pi's folders, or a link in them, allow to read a canonical path. */
  allows(real: string): Promise<boolean>;
  /** Reports a folder that cannot be read. The list goes on without it. */
  unreadable(folder: string, error: unknown): void;
}

async function canonical(files: Files, path: string): Promise<string | undefined> {
  // Deno throws when the sandbox denies the target of a link.
  return await files.realpath(path).catch(() => undefined);
}

async function namesIn({ files, unreadable }: SessionPlaces, folder: string): Promise<readonly string[]> {
  return await files.list(folder).catch((error) => {
    unreadable(folder, error);
    return [];
  });
}

/** The canonical path of a name in a canonical folder. Undefined for a link to a path that must not be read. */
async function follow(places: SessionPlaces, folder: string, name: string): Promise<string | undefined> {
  const { files, allows } = places;
  const path = files.join(folder, name);
  const link = await files.readLink(path).catch(() => "");
  if (link === undefined) return path;
  const real = await canonical(files, path);
  return real !== undefined && await allows(real) ? real : undefined;
}

async function candidates(
  places: SessionPlaces,
  folders: readonly string[],
): Promise<{ path: string; at: number }[]> {
  const { files } = places;
  const found = new Map<string, number>();
  for (const named of folders) {
    // Canonical, like the files that sessions drive.
    const folder = await canonical(files, named) ?? named;
    for (const name of await namesIn(places, folder)) {
      const path = name.endsWith(".jsonl") ? await follow(places, folder, name) : undefined;
      if (path === undefined) continue;
      const stat = await files.stat(path).catch(() => undefined);
      if (stat?.kind === "file") found.set(path, stat.modifiedAt);
    }
  }
  return [...found].map(([path, at]) => ({ path, at })).sort((a, b) => b.at - a.at);
}

/**
 * Session files in the given folders, newest first.
 *
 * @param limit the most sessions to return; further files are not read
 * @param wanted selects files by their header
 * @param format what the loaded pi knows; the list names everything else
 */
export async function listSessions(
  places: SessionPlaces,
  folders: readonly string[],
  limit: number,
  wanted: (session: StoredSession) => Promise<boolean>,
  format: FileFormat,
): Promise<StoredSession[]> {
  const { files } = places;
  const waiting = await candidates(places, folders);
  const sessions: StoredSession[] = [];
  while (waiting.length > 0 && sessions.length < limit) {
    const batch = waiting.splice(0, READERS);
    // A file that disappears or cannot be read is left out, like one that is not a session.
    const read = await Promise.all(
      batch.map(({ path, at }) => describe(files, path, at, format).catch(() => undefined)),
    );
    for (const session of read) {
      if (session === undefined || sessions.length >= limit || !await wanted(session)) continue;
      // A link that replaced the file meanwhile led the reader elsewhere.
      if (await canonical(files, session.sessionFile) === session.sessionFile) sessions.push(session);
    }
  }
  return sessions;
}

/**
 * The text of an assistant message.
 *
 * @param most UTF-16 units that are enough; a caller that shows fewer gets no copy of the whole text
 */
export function textOf(message: Record<string, unknown>, most = Infinity): string {
  const content = message["content"];
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  let text = "";
  for (const block of content) {
    if (isRecord(block) && block["type"] === "text") text += String(block["text"]).slice(0, most + 1);
    if (text.length > most) break;
  }
  return text;
}
