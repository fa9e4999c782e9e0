// Does: reads a session file for the index, all of it or only what was appended, with a bounded reader.
// Used by: session_index.ts. Invariant: it writes nothing, and holds no more than one line of the file.
import { cut } from "../base/text.ts";
import { isRecord, tryParseRecord } from "../base/json.ts";
import type { FileFormat } from "../ipc/file_format.ts";
import { JsonlDecoder, type Line } from "../protocol/jsonl.ts";
import type { Files, FileStat } from "../runtime/runtime.ts";
import { newerKind } from "../worker/session/file_check/entry_shape.ts";
import { headerOf, type SessionHeader } from "../worker/session/file_check/session_header.ts";
import { textOf } from "../worker/session/files/session_files.ts";

/** The most bytes of a line that are parsed. Longer lines (images) are counted by their beginning. */
export const LINE_BYTES: number = 1024 * 1024;

/** Characters of a first message and of a last one that a list shows. */
const [FIRST_CHARS, LAST_CHARS] = [1_000, 300];

/** Characters of other texts in a list, more than any real one has. And the most kinds of newer entries. */
export const FIELD_CHARS = 4_096;
const MOST_NEWER = 100;

/** Bytes before the end of what was read that must be the same when reading goes on there. */
const TAIL_BYTES = 32;

/** Bytes up to which a file of the same size is read again, although its end is the same. */
const REREAD_BYTES = 16 * 1024 * 1024;

/** A file that changed less than this before it was read may change again without a trace in its times. */
const RACY_MS = 100;

/** What the index holds of one file. Plain data. */
export interface Row {
  readonly path: string;
  readonly size: number;
  readonly modifiedAt: number;
  readonly inode?: number;
  /** Whether the file changed right before it was read. */
  readonly racy?: true;
  /** Absent: the file is not a session. */
  readonly header?: SessionHeader;
  readonly name?: string;
  readonly first?: string;
  readonly last?: string;
  readonly messages: number;
  readonly costUsd: number;
  readonly model?: { readonly provider: string; readonly id: string };
  /** Kinds of entries that only a newer pi knows. */
  readonly newer?: readonly string[];
  /** The id of the last entry. */
  readonly lastId?: string;
  /** The last bytes in hexadecimal, if the file ends with a line end. Reading may go on after them. */
  readonly tail?: string;
}

type Tally = { -readonly [K in keyof Row]: Row[K] } & { kinds: Set<string> };

function onMessage(tally: Tally, message: unknown): void {
  // A newer pi keeps its system prompt in the file. It is not a message of the conversation.
  if (isRecord(message) && message["role"] === "system") return;
  tally.messages++;
  if (!isRecord(message)) return;
  const { role, usage, provider, model } = message;
  if (role === "assistant") {
    const cost = isRecord(usage) && isRecord(usage["cost"]) ? usage["cost"]["total"] : undefined;
    if (typeof cost === "number" && Number.isFinite(cost)) tally.costUsd += cost;
    if (typeof provider === "string" && typeof model === "string") {
      tally.model = { provider: cut(provider, FIELD_CHARS), id: cut(model, FIELD_CHARS) };
    }
  } else if (role !== "user") return;
  const text = textOf(message, FIRST_CHARS);
  if (text === "") return;
  if (role === "user") tally.first ??= cut(text, FIRST_CHARS);
  tally.last = cut(text, LAST_CHARS);
}

function onLine(tally: Tally, line: Line, format: FileFormat): void {
  // Only messages are too long to be parsed.
  if (line.kind === "too_large") {
    tally.messages++;
    delete tally.lastId;
  }
  if (line.kind !== "line") return;
  const entry = tryParseRecord(line.text);
  if (entry === undefined) return;
  const newer = newerKind(entry, format, tally.header?.version ?? 1);
  if (newer !== undefined && tally.kinds.size < MOST_NEWER) tally.kinds.add(cut(newer, FIELD_CHARS));
  const { type, id } = entry;
  if (typeof id === "string" && type !== "session") tally.lastId = id;
  if (type === "session_info") {
    const name = entry["name"];
    if (typeof name === "string" && name.trim() !== "") tally.name = cut(name.trim(), FIELD_CHARS);
    else delete tally.name;
  } else if (type === "message") onMessage(tally, entry["message"]);
}

/** Bytes in hexadecimal. */
function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a row still says what is in the file. */
export function isFresh(row: Row, { size, modifiedAt, inode }: FileStat): boolean {
  return row.racy !== true && row.size === size && row.modifiedAt === modifiedAt && row.inode === inode;
}

/**
 * Reads a file.
 *
 * @param now milliseconds since the epoch
 * @param before an older row of the file. If the file has only grown since, only the new part is read.
 */
export async function readRow(
  files: Files,
  path: string,
  stat: FileStat,
  format: FileFormat,
  now: number,
  before?: Row,
): Promise<Row> {
  const same = before !== undefined && before.inode === stat.inode && before.size === stat.size;
  // A small file that may have been rewritten at the same size is read again as a whole.
  const grown = before?.tail !== undefined && before.inode === stat.inode && before.size <= stat.size &&
    !(same && stat.size < REREAD_BYTES);
  if (grown) {
    const row = await read(files, path, stat, format, now, before);
    if (row !== undefined) return row;
  }
  const row = await read(files, path, stat, format, now);
  if (row === undefined) throw new Error(`${path} changes while it is read`);
  return row;
}

/** Undefined when the file no longer has the end of the older row. */
async function read(
  files: Files,
  path: string,
  stat: FileStat,
  format: FileFormat,
  now: number,
  before?: Row,
): Promise<Row | undefined> {
  const { size, modifiedAt, inode } = stat;
  const tally: Tally = {
    messages: 0,
    costUsd: 0,
    ...before,
    path,
    size,
    modifiedAt,
    kinds: new Set(before?.newer),
  };
  delete tally.racy;
  if (inode !== undefined) tally.inode = inode;
  const decoder = new JsonlDecoder(LINE_BYTES);
  const known = before?.tail ?? "";
  let skip = known.length / 2;
  let at = (before?.size ?? 0) - skip;
  let end = new Uint8Array(0);
  let isSession = true;
  const take = (line: Line): void => {
    if (tally.header !== undefined) return onLine(tally, line, format);
    const header = line.kind === "line" ? headerOf(line.text) : undefined;
    if (header === undefined) isSession = false;
    else {
      tally.header = { ...header, id: cut(header.id, FIELD_CHARS), cwd: cut(header.cwd, FIELD_CHARS) };
      if (header.version > format.version) tally.kinds.add(`version:${header.version}`);
    }
  };
  for await (const chunk of files.chunks(path, at)) {
    at += chunk.length;
    let bytes = chunk;
    if (skip > 0) {
      if (hexOf(chunk.subarray(0, skip)) !== known) return undefined;
      bytes = chunk.subarray(skip);
      skip = 0;
    }
    for (const line of decoder.push(bytes)) {
      take(line);
      if (!isSession) break;
    }
    if (!isSession) break;
    end = joinEnds(end, chunk);
  }
  if (skip > 0) return undefined;
  const ended = end.at(-1) === 10;
  if (isSession) { for (const line of decoder.end()) take(line); }
  const { kinds, tail: _tail, newer: _newer, ...row } = tally;
  // The file may have grown while it was read. Its size of before would hide that later.
  const exact = isSession && at !== size ? { size: at, racy: true as const } : {};
  return {
    ...row,
    ...exact,
    ...(now - modifiedAt < RACY_MS ? { racy: true as const } : {}),
    ...(kinds.size === 0 ? {} : { newer: [...kinds] }),
    ...(ended && isSession && tally.header !== undefined ? { tail: hexOf(end) } : {}),
  };
}

function joinEnds(end: Uint8Array, chunk: Uint8Array): Uint8Array<ArrayBuffer> {
  if (chunk.length >= TAIL_BYTES) return chunk.slice(-TAIL_BYTES);
  const both = new Uint8Array(end.length + chunk.length);
  both.set(end);
  both.set(chunk, end.length);
  return both.slice(-TAIL_BYTES);
}

const isCount = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value);
const isText = (value: unknown): boolean => value === undefined || typeof value === "string";

/** Whether a value from the index's file is a row, in all fields that are used. */
export function isRow(value: unknown): value is Row {
  if (!isRecord(value) || typeof value["path"] !== "string") return false;
  const {
    size,
    modifiedAt,
    inode,
    header,
    name,
    first,
    last,
    messages,
    costUsd,
    model,
    newer,
    lastId,
    tail,
  } = value;
  return [size, modifiedAt, messages, costUsd].every(isCount) && (inode === undefined || isCount(inode)) &&
    [name, first, last, lastId].every(isText) &&
    (header === undefined ||
      isRecord(header) && ["id", "cwd", "timestamp"].every((field) => typeof header[field] === "string") &&
        isCount(header["version"])) &&
    (model === undefined ||
      isRecord(model) && typeof model["provider"] === "string" && typeof model["id"] === "string") &&
    (newer === undefined || Array.isArray(newer) && newer.every((one) => typeof one === "string")) &&
    (tail === undefined || typeof tail === "string" && /^(?:[0-9a-f]{2}){1,32}$/.test(tail));
}
