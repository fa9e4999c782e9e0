// Does: reads a session file line by line, within a memory limit, before pi opens it.
// Used by: file_checker.ts. Uses: file_lines.ts, entry_shape.ts, entry_chain.ts, file_damage.ts.
// Invariant: it writes nothing. pi would overwrite, skip or hang on the faults found here (docs/PI.md#session-files).
import { type Failure, failure } from "../../../protocol/errors.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { FileFormat } from "../../../ipc/file_format.ts";
import { type Hole, join, type Joins } from "./entry_chain.ts";
import { type Link, shapeOf } from "./entry_shape.ts";
import { type Found, holeOf, parseLine, typeOf, wholeIn } from "./file_damage.ts";
import { type FileLine, fileLines } from "./file_lines.ts";
import type { Outcome } from "../../../protocol/failures.ts";
import { headerOf, notASession, type SessionHeader } from "./session_header.ts";

/** Damage that can be repaired. */
export interface Damage extends Joins {
  /** Lines that are left out, with the reason. */
  readonly lost: ReadonlyMap<number, string>;
  /** Lines of which only the end is whole, and that end. */
  readonly rest: ReadonlyMap<number, string>;
}

/** A file that pi may open after the repair of its damage. */
export interface Inspected {
  readonly path: string;
  readonly header: SessionHeader;
  /** The size of the file that was read. */
  readonly size: number;
  readonly modifiedAt: number;
  readonly damage?: Damage;
}

export interface InspectorParts {
  readonly files: Files;
  readonly format: FileFormat;
  /** The limit of the worker's memory. */
  readonly memoryBytes: number;
}

/**
 * Bytes of memory that a worker needs for one character of a session file, from the open to the end of a prompt: for
 * text, entries, messages and request. V8 takes two bytes for a character in a text with one beyond Latin-1.
 */
const MEMORY_PER_CHARACTER = 10;
const MEMORY_PER_WIDE_CHARACTER = 20;

const MIB = 1024 * 1024;

/** The most entries of one branch. pi's time grows with the square of that number, and blocks the worker. */
const MOST_DEEP = 50_000;

/** Kinds of entries that a sentence names. */
const KINDS_NAMED = 5;

/** One reading of one file. */
class Reading {
  readonly #format: FileFormat;
  readonly links: Link[] = [];
  readonly holes: Hole[] = [];
  readonly lost = new Map<number, string>();
  readonly rest = new Map<number, string>();
  /** Kinds of entries that only a newer pi knows, with their first line. */
  readonly newer = new Map<string, number>();
  /** A broken line that was an edit of the context. Without it, pi sends again what the edit took out. */
  edit: number | undefined;
  header: SessionHeader | undefined;
  /** Entries that pi can work with. */
  entries = 0;

  constructor(format: FileFormat) {
    this.#format = format;
  }

  /** Takes the next line; false when the file is not a session. */
  take({ line, text }: FileLine): boolean {
    if (text.trim() === "") return true;
    if (this.header === undefined) {
      this.header = headerOf(text);
      const { version = 1 } = this.header ?? {};
      if (version > this.#format.version) this.newer.set(`version:${version}`, line);
      return this.header !== undefined;
    }
    const found = parseLine(text) ?? this.#broken(line, text);
    if (found !== undefined) this.#entry(line, found);
    return true;
  }

  /** Handles a line that does not parse. */
  #broken(line: number, text: string): Found | undefined {
    const found = wholeIn(text);
    const before = found === undefined ? text : text.slice(0, text.length - found.text.length);
    if (typeOf(before) === "context_edit") this.edit ??= line;
    this.holes.push(holeOf(line, before));
    if (found === undefined) this.lost.set(line, "is not JSON");
    else this.rest.set(line, found.text);
    return found;
  }

  #entry(line: number, { text, value }: Found): void {
    const shape = shapeOf(value, line, this.#format, this.header?.version ?? 1);
    if (shape.kind === "newer") {
      if (!this.newer.has(shape.what)) this.newer.set(shape.what, line);
    } else if (shape.kind === "nonsense") {
      this.holes.push(holeOf(line, text));
      this.rest.delete(line);
      this.lost.set(line, shape.why);
    } else {
      this.entries++;
      if (shape.kind === "entry") this.links.push(shape.link);
    }
  }
}

/** A file of a newer pi. */
function newerFile(path: string, newer: ReadonlyMap<string, number>, wayOut: string): Failure {
  const named = [...newer].slice(0, KINDS_NAMED).map(([what, line]) => `${what} (line ${line})`).join(", ");
  const more = newer.size > KINDS_NAMED ? ` and ${newer.size - KINDS_NAMED} more` : "";
  const sentence = `${path} holds entries that this server's pi does not know: ${named}${more}; ${wayOut}`;
  return failure("session_file_newer", sentence, { data: { newerEntries: [...newer.keys()] } });
}

function damaged(path: string, why: string): Failure {
  const sentence = `${path} cannot be opened: ${why}; restore it from a copy, or repair it by hand`;
  return failure("session_file_damaged", sentence);
}

function tooLarge(path: string, bytes: number, memoryBytes: number): Failure {
  const mib = (of: number): string => `${Math.ceil(of / MIB)} MiB`;
  const sentence =
    `${path} has ${mib(bytes)}, and a worker's memory of ${mib(memoryBytes)} is not enough for it; ` +
    "raise --max-host-memory-bytes, or start from a shorter session; get_entries reads it as it is";
  return failure("session_file_too_large", sentence, { data: { bytes, memoryBytes } });
}

function tooDeep(path: string, depth: number): Failure {
  const sentence = `${path} has a branch of ${depth} entries, and ${MOST_DEEP} are the most; ` +
    "start from a shorter session; get_entries reads it as it is";
  return failure("session_file_too_large", sentence, { data: { depth, mostDepth: MOST_DEEP } });
}

/** The verdict on a reading. */
function judge(path: string, reading: Reading, wayOut: string): Outcome<Damage | undefined> {
  const { links, holes, lost, rest, newer, edit, entries } = reading;
  if (newer.size > 0) return { ok: false, failure: newerFile(path, newer, wayOut) };
  if (edit !== undefined) {
    const why = `line ${edit} is damaged, and took something out of what the model is sent`;
    return { ok: false, failure: damaged(path, why) };
  }
  // A crash may have cut the very first entry. More lost lines mean another kind of file.
  if (lost.size > 1 && entries === 0) {
    return { ok: false, failure: damaged(path, `none of its ${lost.size} entries is whole`) };
  }
  const joined = join(links, holes);
  if (!joined.ok) return { ok: false, failure: damaged(path, joined.why) };
  const { parents, firstKept, depth } = joined;
  if (depth > MOST_DEEP) return { ok: false, failure: tooDeep(path, depth) };
  const whole = lost.size === 0 && rest.size === 0 && parents.size === 0 && firstKept.size === 0;
  return { ok: true, value: whole ? undefined : { lost, rest, parents, firstKept } };
}

/** Inspects a file. Its path must be canonical and allowed. */
export async function inspectFile(parts: InspectorParts, path: string): Promise<Outcome<Inspected>> {
  const { files, format, memoryBytes } = parts;
  const found = await files.stat(path);
  if (found?.kind !== "file") return { ok: false, failure: notASession(path) };
  const { size, modifiedAt } = found;
  const large: Outcome<never> = { ok: false, failure: tooLarge(path, size, memoryBytes) };
  // Refuses at once when the size alone is too large. Wide characters are counted line by line.
  if (size * MEMORY_PER_CHARACTER > memoryBytes) return large;
  const reading = new Reading(format);
  let needed = 0;
  for await (const line of fileLines(files, path)) {
    const { length } = line.text;
    needed += length * (/[^\0-\xff]/.test(line.text) ? MEMORY_PER_WIDE_CHARACTER : MEMORY_PER_CHARACTER);
    if (needed > memoryBytes) return large;
    if (!reading.take(line)) break;
  }
  const { header } = reading;
  if (header === undefined) return { ok: false, failure: notASession(path) };
  const judged = judge(path, reading, format.wayOut);
  if (!judged.ok) return judged;
  const damage = judged.value === undefined ? {} : { damage: judged.value };
  return { ok: true, value: { path, header, size, modifiedAt, ...damage } };
}
