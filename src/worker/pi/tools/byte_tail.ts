// Does: keeps the last bytes of a stream in one buffer.
// Used by: shell_output.ts. Invariant: a stream without end costs no memory beside the buffer.

/** Bytes of the first buffer. */
const FIRST_BYTES = 1024;

/** The last bytes of a stream: at least half of `most`, once there were so many. */
export class ByteTail {
  readonly #most: number;
  #buffer = new Uint8Array(FIRST_BYTES);
  #used = 0;

  /** @param most bytes of the buffer */
  constructor(most: number) {
    this.#most = most;
  }

  /** The bytes so far. The next `push` changes them. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#used);
  }

  push(piece: Uint8Array): void {
    const half = Math.floor(this.#most / 2);
    const part = piece.length > half ? piece.subarray(-half) : piece;
    if (part !== piece) this.#used = 0;
    const needed = this.#used + part.length;
    if (needed > this.#buffer.length) {
      this.#grow(Math.min(this.#most, Math.max(needed, 2 * this.#buffer.length)));
    }
    if (needed > this.#buffer.length) this.#keepLast(half - part.length);
    this.#buffer.set(part, this.#used);
    this.#used += part.length;
  }

  #grow(size: number): void {
    if (size <= this.#buffer.length) return;
    const grown = new Uint8Array(size);
    grown.set(this.bytes);
    this.#buffer = grown;
  }

  #keepLast(count: number): void {
    this.#buffer.copyWithin(0, this.#used - count, this.#used);
    this.#used = count;
  }
}
