// Does: reads the lines of a file from its end, block by block, with bounded memory.
// Used by: stored_history.ts. Invariant: of a line above the bound it yields the place, and never holds the bytes.
import type { Files } from "../../runtime/runtime.ts";

/** Where a line is, and its bytes unless there are too many. */
export interface StoredLine {
  /** Of its first byte. */
  readonly offset: number;
  /** Bytes without the line end. */
  readonly length: number;
  readonly bytes?: Uint8Array;
}

/** Bytes of the first block. Each later one is twice as large, up to the most. */
const FIRST_BLOCK = 64 * 1024;
const MOST_BLOCK = 2 * 1024 * 1024;

const LF = 10;

/** The parts of one line, which come last first. */
class Parts {
  readonly #most: number;
  #parts: Uint8Array[] = [];
  length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(part: Uint8Array): void {
    this.length += part.length;
    if (this.length > this.#most) this.#parts = [];
    else this.#parts.push(part);
  }

  /** Ends the line that begins there. */
  end(offset: number): StoredLine {
    const { length } = this;
    const parts = this.#parts.reverse();
    this.#parts = [];
    this.length = 0;
    if (length > this.#most) return { offset, length };
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return { offset, length, bytes };
  }
}

/**
 * The lines that end before that place, last first, without empty ones. Throws when the file becomes shorter.
 *
 * @param end a line end, or the size of the file
 * @param most bytes of a line that is read
 */
export async function* linesBackwards(
  files: Pick<Files, "part">,
  path: string,
  end: number,
  most: number,
): AsyncGenerator<StoredLine> {
  const parts = new Parts(most);
  let size = FIRST_BLOCK;
  for (let at = end; at > 0;) {
    const start = Math.max(0, at - size);
    size = Math.min(MOST_BLOCK, size * 2);
    const block = await files.part(path, start, at - start);
    if (block.length < at - start) throw new Error(`${path} became shorter while it was read`);
    let stop = block.length;
    while (stop > 0) {
      const lf = block.lastIndexOf(LF, stop - 1);
      if (lf < 0) break;
      parts.add(block.subarray(lf + 1, stop));
      if (parts.length > 0) yield parts.end(start + lf + 1);
      stop = lf;
    }
    parts.add(block.subarray(0, stop));
    at = start;
  }
  if (parts.length > 0) yield parts.end(0);
}
