// Does: searches the messages of stored sessions for a text, file by file, within a time, and can go on where it ended.
// Used by: catalogue.ts. Invariant: it holds one line at a time, and starts no program: the thread may run none.
import { cut, toJson, utf8Bytes } from "../base/text.ts";
import { isRecord, tryParseRecord } from "../base/json.ts";
import type { Clock, Files } from "../runtime/runtime.ts";
import { headerOf, type SessionHeader } from "../worker/session/file_check/session_header.ts";
import { joined } from "../worker/session/file_check/file_lines.ts";
import { readHeader } from "../worker/session/files/session_files.ts";
import { FIELD_CHARS } from "./row.ts";
import type { SessionIndex } from "./session_index.ts";
import type { Visibility } from "./visibility.ts";

/** The most bytes of a line that is searched. A longer one holds an image or a file. */
const LINE_BYTES = 4 * 1024 * 1024;

/** Hits of one session, unless the client has named the sessions. */
const HITS_EACH = 3;

/** Characters before and behind a hit that its snippet shows. */
const AROUND = 100;

const LF = 10;

export interface SearcherParts {
  readonly index: SessionIndex;
  readonly visibility: Visibility;
  readonly clock: Clock;
  readonly files: Files;
}

/** What a search looks for. */
export interface SearchQuery {
  readonly text: string;
  /** Whether the client has named the sessions. */
  readonly named: boolean;
}

/** The bounds of one answer. */
export interface SearchBounds {
  readonly limit: number;
  readonly maxBytes: number;
  readonly withinMs: number;
}

/** What one answer holds, and where the search goes on. */
export interface Found {
  /** JSON of each hit. */
  readonly hits: readonly string[];
  /** Sessions that this answer has finished. */
  readonly searched: number;
  /** Lines that were too long. */
  readonly unsearched: number;
  readonly at: number;
  readonly offset: number;
}

/** The texts of a message, an entry or a tool's result that a person would look for. */
function textsOf(entry: Record<string, unknown>): { role: string; text: string } | undefined {
  const { type, message, summary } = entry;
  if (typeof summary === "string") return { role: String(type), text: summary };
  const of = type === "custom_message" ? entry : message;
  if (!isRecord(of) || (type !== "message" && type !== "custom_message")) return undefined;
  const { role, content, command, output } = of;
  if (role === "system") return undefined;
  const blocks = Array.isArray(content) ? content : [content];
  const texts = blocks.map((block) => isRecord(block) ? block["text"] : block);
  const text = [...texts, command, output].filter((one) => typeof one === "string").join("\n");
  return { role: typeof role === "string" ? role : "custom", text };
}

/** The search of one catalogue. */
export class Searcher {
  readonly #parts: SearcherParts;

  constructor(parts: SearcherParts) {
    this.#parts = parts;
  }

  /** Searches from that place on, until there are enough hits or the time is over. */
  async search(
    paths: readonly string[],
    query: SearchQuery,
    from: { readonly at: number; readonly offset: number },
    bounds: SearchBounds,
  ): Promise<Found> {
    const { clock, visibility } = this.#parts;
    const run = new Run(query, bounds, () => clock.monotonic());
    const folders = visibility.folders(() => clock.monotonic());
    let { at, offset } = from;
    let searched = 0;
    for (; at < paths.length && !run.over; at++, offset = 0) {
      const path = paths[at] ?? "";
      const header = await this.#headerOf(path);
      if (header === undefined || await folders(header.cwd) === undefined) continue;
      if (!await visibility.isInPlace(path)) continue;
      run.begin(path, header, this.#parts.index.get(path)?.row?.name, visibility.owners.get(path));
      const end = await run.file(this.#parts.files, path, offset).catch(() => undefined);
      if (end !== undefined) return { ...run.found, searched, at, offset: end };
      searched++;
    }
    return { ...run.found, searched, at, offset: 0 };
  }

  async #headerOf(path: string): Promise<SessionHeader | undefined> {
    const row = this.#parts.index.get(path)?.row;
    if (row !== undefined) return row.header;
    const header = await readHeader(this.#parts.files, path).catch(() => undefined);
    return header?.ok === true ? header.value : undefined;
  }
}

/** The search of one answer. */
class Run {
  readonly found = { hits: [] as string[], unsearched: 0 };
  readonly #query: SearchQuery;
  readonly #bounds: SearchBounds;
  readonly #now: () => number;
  readonly #until: number;
  readonly #text: string;
  /** The text as JSON holds it. */
  readonly #raw: string;
  #bytes = 0;
  #session: Record<string, unknown> = {};
  #ofSession = 0;

  constructor(query: SearchQuery, bounds: SearchBounds, now: () => number) {
    this.#query = query;
    this.#bounds = bounds;
    this.#now = now;
    this.#until = now() + bounds.withinMs;
    this.#text = query.text.toLowerCase();
    this.#raw = JSON.stringify(query.text).slice(1, -1).toLowerCase();
  }

  /** Whether there is room or time for no more. */
  get over(): boolean {
    const { limit, maxBytes } = this.#bounds;
    return this.found.hits.length >= limit || this.#bytes >= maxBytes || this.#now() >= this.#until;
  }

  begin(path: string, { id, cwd }: SessionHeader, name: string | undefined, owner: string | undefined): void {
    this.#ofSession = 0;
    this.#session = {
      sessionFile: path,
      sessionPath: path,
      sessionId: cut(id, FIELD_CHARS),
      ...(name === undefined ? {} : { sessionName: name }),
      ...(owner === undefined ? {} : { liveSessionId: owner }),
      cwd: cut(cwd, FIELD_CHARS),
    };
  }

  /** Searches a file from a line's beginning on. Returns where to go on, or undefined at the end of the file. */
  async file(files: Files, path: string, from: number): Promise<number | undefined> {
    const utf8 = new TextDecoder();
    let parts: Uint8Array[] = [];
    let size = 0;
    let next = from;
    for await (const chunk of files.chunks(path, from)) {
      let start = 0;
      for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
        size += end - start;
        if (size <= LINE_BYTES) this.#line(utf8.decode(joined([...parts, chunk.subarray(start, end)])));
        else this.found.unsearched++;
        next += size + 1;
        [parts, size, start] = [[], 0, end + 1];
        if (this.#enough) return undefined;
        if (this.found.hits.length >= this.#bounds.limit || this.#bytes >= this.#bounds.maxBytes) return next;
      }
      size += chunk.length - start;
      if (size > LINE_BYTES) parts = [];
      else if (start < chunk.length) parts.push(chunk.slice(start));
      // At the beginning of a line alone, so that the next answer does not read that line twice for nothing.
      if (size === chunk.length - start && this.over && next > from) return next;
    }
    if (size > 0 && size <= LINE_BYTES) this.#line(utf8.decode(joined(parts)));
    return undefined;
  }

  /** Whether the session has as many hits as one session may have. */
  get #enough(): boolean {
    return !this.#query.named && this.#ofSession >= HITS_EACH;
  }

  #line(line: string): void {
    // Another program may have written characters as escapes.
    if (!line.includes("\\u") && !line.toLowerCase().includes(this.#raw)) return;
    const entry = tryParseRecord(line);
    const found = entry === undefined || headerOf(line) !== undefined ? undefined : textsOf(entry);
    if (entry === undefined || found === undefined) return;
    const lower = found.text.toLowerCase();
    const at = lower.indexOf(this.#text);
    if (at < 0) return;
    // Some characters change their length in lower case, and places with it.
    const text = lower.length === found.text.length ? found.text : lower;
    const start = Math.max(0, at - AROUND);
    const { id, timestamp } = entry;
    const json = toJson({
      ...this.#session,
      ...(typeof id === "string" ? { entryId: cut(id, FIELD_CHARS) } : {}),
      role: cut(found.role, FIELD_CHARS),
      ...(typeof timestamp === "string" ? { timestamp: cut(timestamp, FIELD_CHARS) } : {}),
      snippet: text.slice(start, at + this.#text.length + AROUND),
      matchAt: at - start,
      matchLength: this.#text.length,
    });
    this.found.hits.push(json);
    this.#bytes += utf8Bytes(json);
    this.#ofSession++;
  }
}
