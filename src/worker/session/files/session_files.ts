// Finds, checks and lists pi's session files. Other files are refused before pi opens them, since pi overwrites a
// file that is not a session. Lists use a bounded reader, since pi's own reads every file whole.
import { JsonlDecoder, type Line } from "../../../protocol/jsonl.ts";
import type { StoredSession } from "../../../protocol/schema/results.ts";
import { cut } from "../../../base/text.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { FileFormat } from "../agent_port.ts";
import { newerKind } from "../file_check/entry_shape.ts";
import { isRecord, tryParseRecord } from "../../../base/json.ts";
import type { Outcome } from "../../../protocol/failures.ts";
import { headerOf, notASession, type SessionHeader } from "../file_check/session_header.ts";

/** Most bytes of a line that are parsed; longer ones (images) are counted by how they begin. */
const LINE_BYTES = 1024 * 1024;

/** Files that are read at the same time. */
const READERS = 8;

/** Characters of a first message that a list shows. */
const FIRST_MESSAGE_CHARS = 1_000;

/** Characters of other texts of a file that a list shows, more than any real one has; and kinds of newer entries. */
const [FIELD_CHARS, MOST_NEWER] = [4_096, 100];

/** Whether a file that begins with that text is a session file. */
export function isHeader(head: string): boolean {
  return headerOf(head.split("\n", 1)[0] ?? "") !== undefined;
}

async function* linesOf(files: Files, path: string): AsyncGenerator<Line> {
  const decoder = new JsonlDecoder(LINE_BYTES);
  for await (const chunk of files.chunks(path)) yield* decoder.push(chunk);
  yield* decoder.end();
}

/** The header of a session file; a failure when the file is something else. */
export async function readHeader(files: Files, path: string): Promise<Outcome<SessionHeader>> {
  for await (const line of linesOf(files, path)) {
    const header = line.kind === "line" ? headerOf(line.text) : undefined;
    if (header !== undefined) return { ok: true, value: header };
    break;
  }
  return { ok: false, failure: notASession(path) };
}

interface Tally {
  header: SessionHeader | undefined;
  name: string | undefined;
  firstMessage: string | undefined;
  messages: number;
  /** What only a newer pi knows. */
  readonly newer: Set<string>;
}

function count(tally: Tally, line: Line, format: FileFormat): void {
  // Only messages grow too long to be parsed.
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
  // A newer pi keeps its system prompt in the file; nobody said that.
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
    ...(tally.firstMessage === undefined ? {} : { firstMessage: tally.firstMessage }),
    ...(tally.newer.size === 0 ? {} : { newerEntries: [...tally.newer] }),
  };
}

/** Where session files are looked for. */
export interface SessionPlaces {
  readonly files: Files;
  /** Whether a canonical path may be read: of a folder in one of the folders, or where a link there leads. */
  allows(real: string): Promise<boolean>;
  /** A folder is there and cannot be read; the list goes on without it. */
  unreadable(folder: string, error: unknown): void;
}

async function canonical(files: Files, path: string): Promise<string | undefined> {
  // Where the sandbox denies the target of a link, Deno throws.
  return await files.realpath(path).catch(() => undefined);
}

async function namesIn({ files, unreadable }: SessionPlaces, folder: string): Promise<readonly string[]> {
  return await files.list(folder).catch((error) => {
    unreadable(folder, error);
    return [];
  });
}

/** The canonical path of a name in a canonical folder; nothing for a link that leads where nothing may be read. */
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
    // Canonical, like the files that sessions are known to drive.
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
 * @param limit most sessions to return; files beyond that are not read
 * @param wanted which of them, by their header
 * @param format what pi knows; what a file holds beyond that is named
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
    // A file that goes away or cannot be read is left out, like one that is not a session.
    const read = await Promise.all(
      batch.map(({ path, at }) => describe(files, path, at, format).catch(() => undefined)),
    );
    for (const session of read) {
      if (session === undefined || sessions.length >= limit || !await wanted(session)) continue;
      // A link that took the file's place meanwhile led the reader elsewhere.
      if (await canonical(files, session.sessionFile) === session.sessionFile) sessions.push(session);
    }
  }
  return sessions;
}

/** The folder itself and the folders in it: pi keeps a folder of sessions for each working directory. */
export async function sessionFolders(places: SessionPlaces, top: readonly string[]): Promise<string[]> {
  const { files } = places;
  const folders = new Set<string>();
  for (const named of top) {
    const folder = await canonical(files, named) ?? named;
    folders.add(folder);
    for (const name of await namesIn(places, folder)) {
      const path = await follow(places, folder, name);
      if (path === undefined || !await places.allows(path)) continue;
      if ((await files.stat(path).catch(() => undefined))?.kind === "directory") folders.add(path);
    }
  }
  return [...folders];
}

/**
 * Text of an assistant message.
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
