// Does: holds the output of a shell command: its last lines for the answer, and all of it in a log when it is long.
// Used by: shell.ts. Uses: shell_log.ts. It joins characters and escape sequences that a read has cut.
// Invariant: it holds little more than it shows, and takes output only as fast as the log does.
import { pi } from "../engines/packages.ts";
import type { ShellLog, ShellLogs } from "./shell_log.ts";

/** pi's description of a cut text. */
type Truncation = ReturnType<typeof pi.truncateTail>;

/** The output so far. */
export interface Shown {
  readonly content: string;
  readonly truncation: Truncation;
  /** Number of the last line that is shown. Only empty lines follow it. */
  readonly lastLine: number;
  readonly fullOutputPath?: string;
}

const { DEFAULT_MAX_BYTES: MOST_BYTES, DEFAULT_MAX_LINES: MOST_LINES } = pi;

/** The most characters in memory. Above that, half of them are dropped. */
const KEPT_CHARS = 4 * MOST_BYTES;

/**
 * An escape sequence (ECMA-48): a string such as a title or a link, a control sequence such as a colour, or a short
 * one. stripVTControlCharacters of Deno 2.4 does not know links.
 */
const SEQUENCE =
  // deno-lint-ignore no-control-regex
  /\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]/g;
/** One that may go on in the next read. */
// deno-lint-ignore no-control-regex
const OPEN_SEQUENCE = /(?:\x1b[\]PX^_][^\x07\x1b\x9c]*\x1b?|(?:\x1b\[|\x9b)[0-?]*[ -/]*|\x1b[ -/]*)$/;
/** A longer sequence is not waited for. */
const SEQUENCE_CHARS = 4096;

/** What pi takes out of the output of a client's command, as it breaks a terminal: control and format characters. */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\x00-\x08\x0b-\x1f\ufff9-\ufffb]/g;

/** Takes terminal sequences and control characters out of a text that comes in pieces. */
export class Cleaner {
  #open = "";

  /** The complete text of this piece and the rest of the last one. */
  push(piece: string): string {
    const text = this.#open + piece;
    const from = Math.max(0, text.length - SEQUENCE_CHARS);
    const open = OPEN_SEQUENCE.exec(text.slice(from));
    const end = open === null ? text.length : from + open.index;
    this.#open = text.slice(end);
    return clean(text.slice(0, end));
  }

  /** The rest that waited for more. */
  end(): string {
    const text = this.#open;
    this.#open = "";
    return clean(text);
  }
}

function clean(text: string): string {
  return text.replaceAll(SEQUENCE, "").replaceAll(UNPRINTABLE, "");
}

const encoder = new TextEncoder();

/** The output of one command. */
export class ShellOutput {
  readonly #logs: ShellLogs;
  readonly #cleaner: Cleaner | undefined;
  readonly #decoder = new TextDecoder();
  #tail = "";
  #bytes = 0;
  #breaks = 0;
  /** Bytes of the open line, and of the last line before it that is not empty. */
  #line = 0;
  #lineBefore = 0;
  /** The bytes that go into the log when it begins. */
  #unlogged: Uint8Array[] = [];
  #log: ShellLog | "none" | "lost" = "none";
  #writing: Promise<void> = Promise.resolve();

  /** @param cleaned whether to remove terminal sequences; the log holds the shown text */
  constructor(logs: ShellLogs, cleaned: boolean) {
    this.#logs = logs;
    this.#cleaner = cleaned ? new Cleaner() : undefined;
  }

  /** Takes a piece. `taken` resolves when the log has it. The caller sends the next piece only then. */
  push(piece: Uint8Array): { text: string; taken: Promise<void> } {
    const decoded = this.#decoder.decode(piece, { stream: true });
    return this.#add(this.#cleaner?.push(decoded) ?? decoded, piece);
  }

  /** Ends the output. Resolves with the last text when the log is complete. */
  async end(): Promise<string> {
    const decoded = this.#decoder.decode();
    const rest = this.#cleaner === undefined ? decoded : this.#cleaner.push(decoded) + this.#cleaner.end();
    const { text, taken } = this.#add(rest, new Uint8Array());
    await taken;
    if (typeof this.#log === "object") await this.#log.close();
    return text;
  }

  /** The last lines, within pi's bounds. */
  show(): Shown {
    const truncated = this.#truncated;
    const totalLines = this.#breaks + (this.#line > 0 ? 1 : 0);
    const bounds = { totalLines, totalBytes: this.#bytes, maxLines: MOST_LINES, maxBytes: MOST_BYTES };
    if (!truncated) {
      const whole = pi.truncateTail(this.#tail);
      return {
        content: this.#tail,
        lastLine: totalLines,
        truncation: { ...whole, ...bounds, content: this.#tail, truncated: false, truncatedBy: null },
      };
    }
    // With an empty line at the end, pi would show nothing of a long line before it.
    const text = withoutEmptyLines(this.#tail);
    const empty = this.#tail.slice(text.length).replaceAll("\r", "").length - 1;
    const cut = pi.truncateTail(wholeCharacters(text.slice(-MOST_BYTES - 1)));
    const truncatedBy = cut.truncatedBy ?? (this.#bytes > MOST_BYTES ? "bytes" : "lines");
    const path = typeof this.#log === "object" ? this.#log.path : undefined;
    return {
      content: cut.content,
      truncation: { ...cut, ...bounds, truncated, truncatedBy },
      lastLine: totalLines - Math.max(0, empty),
      ...(path === undefined ? {} : { fullOutputPath: path }),
    };
  }

  /** The whole output once it has ended. Past the bytes it is the beginning and the end of the log. */
  async whole(most: number): Promise<{ content: string; truncated: boolean }> {
    if (typeof this.#log === "object") return await this.#log.read(most);
    return { content: this.#tail, truncated: this.#truncated };
  }

  /** Bytes of the last line that is not empty. */
  get lastLineBytes(): number {
    return this.#line > 0 ? this.#line : this.#lineBefore;
  }

  get #truncated(): boolean {
    return this.#bytes > MOST_BYTES || this.#breaks + (this.#line > 0 ? 1 : 0) > MOST_LINES;
  }

  #add(text: string, raw: Uint8Array): { text: string; taken: Promise<void> } {
    const bytes = encoder.encode(text);
    this.#bytes += bytes.length;
    this.#tail += text;
    if (this.#tail.length > KEPT_CHARS) this.#tail = wholeCharacters(this.#tail.slice(-KEPT_CHARS / 2));
    let begun = 0;
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, begun)) {
      this.#breaks++;
      const line = this.#line + at - begun;
      if (line > 0) this.#lineBefore = line;
      this.#line = 0;
      begun = at + 1;
    }
    this.#line += bytes.length - begun;
    this.#keep(this.#cleaner === undefined ? raw : bytes);
    return { text, taken: this.#writing };
  }

  #keep(bytes: Uint8Array): void {
    if (this.#log === "lost") return;
    if (bytes.length > 0) this.#unlogged.push(bytes);
    if (!this.#truncated && this.#log === "none") return;
    const pieces = this.#unlogged;
    this.#unlogged = [];
    this.#writing = this.#writing.then(() => this.#store(pieces));
  }

  async #store(pieces: readonly Uint8Array[]): Promise<void> {
    if (this.#log === "none") this.#log = await this.#logs.begin() ?? "lost";
    for (const piece of pieces) {
      if (this.#log === "lost") return;
      if (!await this.#log.append(piece)) this.#log = "lost";
    }
  }
}

const LF = 10;

/** Removes line breaks at the end. A regular expression would be slow with many of them in the middle. */
function withoutEmptyLines(text: string): string {
  let end = text.length;
  while (text[end - 1] === "\n" || text[end - 1] === "\r") end--;
  return text.slice(0, end);
}

/** Drops half a character at the beginning. */
function wholeCharacters(text: string): string {
  return /^[\udc00-\udfff]/.test(text) ? text.slice(1) : text;
}
