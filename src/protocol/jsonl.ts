// Does: decodes JSON Lines from bytes (docs/PROTOCOL.md#framing): splits at LF, strips one CR, ignores empty lines.
// Used by: the stdio transport and the client. Pure.
// Invariant: it never holds more than one frame. A chunk may end anywhere, also inside a UTF-8 character.

/** The decoder's result: a line of text, a line that is not UTF-8, or a line with too many bytes. */
export type Line =
  | { readonly kind: "line"; readonly text: string; readonly bytes: number }
  | { readonly kind: "malformed" }
  | { readonly kind: "too_large" };

const LF = 10;
const CR = 13;

/**
 * Incremental decoder.
 *
 * @example
 * ```ts
 * const decoder = new JsonlDecoder(1024);
 * const bytes = new TextEncoder().encode('{"type":"ping"}\n');
 * console.log([...decoder.push(bytes)]);
 * ```
 */
export class JsonlDecoder {
  readonly #frameBytes: number;
  // `ignoreBOM` keeps a byte order mark in the text, where JSON refuses it like any other stray character.
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #parts: Uint8Array[] = [];
  #size = 0;
  #discarding = false;

  /** @param frameBytes the most bytes of one line, without its line ending */
  constructor(frameBytes: number) {
    this.#frameBytes = frameBytes;
  }

  /** Takes the next bytes and yields complete lines. Keeps only a copy of the rest of the chunk. */
  *push(chunk: Uint8Array): Generator<Line> {
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(LF, start);
      if (end < 0) {
        const large = this.#keep(chunk.slice(start));
        if (large) yield { kind: "too_large" };
        return;
      }
      const large = this.#keep(chunk.subarray(start, end));
      if (large) yield { kind: "too_large" };
      const line = this.#finish();
      if (line !== undefined) yield line;
      start = end + 1;
    }
  }

  /** The end of the stream: a last line without LF counts as a line. */
  *end(): Generator<Line> {
    const line = this.#finish();
    if (line !== undefined) yield line;
  }

  /** Returns true when this part makes the line too large, once a line. */
  #keep(part: Uint8Array): boolean {
    if (this.#discarding) return false;
    this.#size += part.length;
    // One more byte may be the CR that #finish strips.
    if (this.#size > this.#frameBytes + 1) {
      this.#discarding = true;
      this.#parts = [];
      return true;
    }
    if (part.length > 0) this.#parts.push(part);
    return false;
  }

  #finish(): Line | undefined {
    const discarded = this.#discarding;
    let line = join(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    this.#discarding = false;
    if (discarded) return undefined;
    if (line[line.length - 1] === CR) line = line.subarray(0, -1);
    if (line.length === 0) return undefined;
    if (line.length > this.#frameBytes) return { kind: "too_large" };
    try {
      return { kind: "line", text: this.#utf8.decode(line), bytes: line.length };
    } catch {
      return { kind: "malformed" };
    }
  }
}

function join(parts: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const whole = new Uint8Array(parts.length === 0 ? 0 : size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
