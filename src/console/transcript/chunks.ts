// Cuts a growing Markdown text into chunks that no longer change, so that each delta renders the last chunk alone.
// A finished text is cut the same way, therefore nothing moves when a stream ends. Pure.

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const LIST = /^\s*(?:[-*+]|\d{1,9}[.)])\s/;
/** A definition that other chunks may use keeps the whole text together. */
const DEFINITION = /^ {0,3}\[[^\]\n]{1,200}\]:\s/m;
/** A chunk grows to this many characters at most before it is cut at the next line. */
const CHUNK_CHARS = 20_000;

/** A code block whose end has not come yet. */
export interface OpenCode {
  readonly language: string;
  readonly code: string;
}

/** A text that comes in pieces. */
export class ChunkedText {
  readonly #chunks: string[] = [];
  #tail = "";
  /** How much of the tail has been looked at, up to a line's start. */
  #seen = 0;
  #fence: string | undefined;
  /** Whether the line before the next one is blank. */
  #blank = false;
  #inList = false;

  constructor(text = "") {
    if (text !== "") this.append(text);
  }

  /** What is complete. */
  get chunks(): readonly string[] {
    return this.#chunks;
  }

  /** The last chunk, which the next piece changes. */
  get tail(): string {
    return this.#tail;
  }

  /** The code block at the end that is still open. */
  get openCode(): OpenCode | undefined {
    if (this.#fence === undefined) return undefined;
    const end = this.#tail.indexOf("\n");
    const info = FENCE.exec(this.#tail.slice(0, Math.max(0, end)))?.[2];
    return info === undefined ? undefined : { language: info.trim(), code: this.#tail.slice(end + 1) };
  }

  /** Takes the next piece. */
  append(piece: string): void {
    this.#tail += piece;
    for (;;) {
      const end = this.#tail.indexOf("\n", this.#seen);
      if (end < 0) return;
      const start = this.#seen;
      const line = this.#tail.slice(start, end);
      this.#seen = end + 1;
      this.#line(line, start);
    }
  }

  /** Takes a whole line of the tail that begins there. */
  #line(line: string, start: number): void {
    const fence = FENCE.exec(line);
    if (this.#fence !== undefined) {
      const closes = fence?.[1]?.startsWith(this.#fence) === true && (fence[2] ?? "").trim() === "";
      if (!closes) return;
      this.#fence = undefined;
      this.#blank = false;
      if (!this.#inList) this.#cut(this.#seen);
      return;
    }
    if (line.trim() === "") {
      this.#blank = true;
      return;
    }
    const outside = !/^\s/.test(line) && !(this.#inList && LIST.test(line));
    if ((this.#blank || this.#tail.length > CHUNK_CHARS) && outside) this.#cut(start);
    this.#blank = false;
    if (fence?.[1] !== undefined) {
      // A block of its own is its own chunk, unless an item of a list holds it.
      if (!this.#inList || outside) this.#cut(this.#seen - line.length - 1);
      this.#fence = fence[1];
    } else if (LIST.test(line)) this.#inList = true;
    else if (outside) this.#inList = false;
  }

  #cut(at: number): void {
    if (at <= 0 || (DEFINITION.test(this.#tail) && this.#tail.length < CHUNK_CHARS)) return;
    this.#chunks.push(this.#tail.slice(0, at));
    this.#tail = this.#tail.slice(at);
    this.#seen = Math.max(0, this.#seen - at);
    this.#inList = false;
  }
}
