// Does: keeps the rows of the index in files of the state folder, so that a later start need not read every session.
// Used by: session_index.ts. Invariant: the files are a copy of what is on disk anyway: without them all is read again.
import { errorMessage } from "../base/error_message.ts";
import { isRecord, tryParse } from "../base/json.ts";
import type { Engine } from "../protocol/pi_package.ts";
import type { Files } from "../runtime/runtime.ts";
import { isRow, type Row } from "./row.ts";

/** Incremented when this server could misread an older index. */
const FORMAT = 1;

/** Files of the index. A change of one session writes one of them. */
const SHARDS = 16;

/** The most bytes of a file that is read. */
const MOST_BYTES = 256 * 1024 * 1024;

export interface IndexStoreParts {
  readonly files: Files;
  readonly folder: string;
  /** Rows name what that engine does not know. */
  readonly engine: Engine;
  warn(message: string, fields: Record<string, unknown>): void;
}

/** The number of the file that holds a path. */
function shardOf(path: string): number {
  let hash = 0;
  for (let index = 0; index < path.length; index++) hash = (hash * 31 + path.charCodeAt(index)) | 0;
  return Math.abs(hash % SHARDS);
}

/** The files of one index. */
export class IndexStore {
  readonly #parts: IndexStoreParts;
  readonly #dirty = new Set<number>();
  #warned = false;

  constructor(parts: IndexStoreParts) {
    this.#parts = parts;
  }

  /** Whether a save would write anything. */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** All rows. A file that is damaged, or of another format or engine, counts as empty. */
  async load(): Promise<Row[]> {
    const { files, engine } = this.#parts;
    const rows: Row[] = [];
    for (let shard = 0; shard < SHARDS; shard++) {
      const path = this.#path(shard);
      try {
        const found = await files.stat(path);
        if (found === undefined || found.size > MOST_BYTES) continue;
        const stored = tryParse(await files.readPrivate(path));
        if (!isRecord(stored) || stored["format"] !== FORMAT || stored["engine"] !== engine) continue;
        const list = Array.isArray(stored["rows"]) ? stored["rows"] : [];
        for (const row of list) if (isRow(row) && shardOf(row.path) === shard) rows.push(row);
      } catch (error) {
        this.#warn("a part of the index of sessions cannot be read, and is made again", path, error);
      }
    }
    return rows;
  }

  /** A row of that path has come, changed or gone. */
  touch(path: string): void {
    this.#dirty.add(shardOf(path));
  }

  /** Writes the files whose rows have changed. */
  async save(rows: Iterable<Row>): Promise<void> {
    const { files, engine } = this.#parts;
    const dirty = new Map([...this.#dirty].map((shard): [number, Row[]] => [shard, []]));
    this.#dirty.clear();
    for (const row of rows) dirty.get(shardOf(row.path))?.push(row);
    for (const [shard, list] of dirty) {
      const path = this.#path(shard);
      try {
        await files.writePrivate(path, `${JSON.stringify({ format: FORMAT, engine, rows: list })}\n`);
      } catch (error) {
        this.#dirty.add(shard);
        this.#warn(
          "the index of sessions cannot be saved; a later start reads the sessions again",
          path,
          error,
        );
      }
    }
  }

  #path(shard: number): string {
    const { files, folder } = this.#parts;
    return files.join(folder, `index-${shard.toString(16)}.json`);
  }

  /** Once, because every change tries again. */
  #warn(message: string, file: string, error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#parts.warn(message, { file, error: errorMessage(error) });
  }
}
