// Does: holds the output of a shell command: its last lines for the answer, and all of it in a log when it is long.
// Used by: shell.ts. Uses: shell_log.ts. It joins characters and escape sequences that a read has cut.
// Invariant: it holds little more than it shows, and takes output only as fast as the log does.
import { isAscii } from "node:buffer";
import { pi } from "../engines/packages.ts";
import { ByteTail } from "./byte_tail.ts";
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

/** The most bytes in memory. Above that, half of them are dropped. */
const KEPT_BYTES = 4 * MOST_BYTES;

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
/** What was decoded and encoded again keeps each mark of its byte order. */
const keptDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The output of one command. */
export class ShellOutput {
  readonly #logs: ShellLogs;
  readonly #cleaner: Cleaner | undefined;
  readonly #decoder = new TextDecoder();
  readonly #tail = new ByteTail(KEPT_BYTES);
  /** Whether the decoder may hold a part of a character, or has seen nothing yet. */
  #decoding = true;
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

  /**
   * Takes a piece. `taken` resolves when the log has it. The caller sends the next piece only then, and may use the
   * bytes of the piece again.
   *
   * @returns the text for clients; empty unless it is cleaned
   */
  push(piece: Uint8Array): { text: string; taken: Promise<void> } {
    // A flood is mostly ASCII, whose bytes need no copy.
    const plain = !this.#decoding && isAscii(piece);
    if (plain && this.#cleaner === undefined) return { text: "", taken: this.#add(piece, piece) };
    const decoded = this.#decoder.decode(piece, { stream: true });
    this.#decoding = piece.length > 0 ? (piece[piece.length - 1] ?? 0) >= 0x80 : this.#decoding;
    const text = this.#cleaner?.push(decoded) ?? decoded;
    const bytes = plain && text === decoded ? piece : encoder.encode(text);
    if (this.#cleaner === undefined) return { text: "", taken: this.#add(bytes, piece) };
    return { text, taken: this.#add(bytes, bytes) };
  }

  /** Ends the output. Resolves with the last text when the log is complete. */
  async end(): Promise<string> {
    const decoded = this.#decoder.decode();
    const rest = this.#cleaner === undefined ? decoded : this.#cleaner.push(decoded) + this.#cleaner.end();
    const bytes = encoder.encode(rest);
    await this.#add(bytes, this.#cleaner === undefined ? new Uint8Array() : bytes);
    if (typeof this.#log === "object") await this.#log.close();
    return rest;
  }

  /** The last lines, within pi's bounds. */
  show(): Shown {
    const truncated = this.#truncated;
    const totalLines = this.#breaks + (this.#line > 0 ? 1 : 0);
    const bounds = { totalLines, totalBytes: this.#bytes, maxLines: MOST_LINES, maxBytes: MOST_BYTES };
    const kept = this.#tail.bytes;
    if (!truncated) {
      const content = textOf(kept);
      const whole = pi.truncateTail(content);
      return {
        content,
        lastLine: totalLines,
        truncation: { ...whole, ...bounds, content, truncated: false, truncatedBy: null },
      };
    }
    // With an empty line at the end, pi would show nothing of a long line before it.
    const end = endOfText(kept);
    let empty = -1;
    for (const byte of kept.subarray(end)) if (byte === LF) empty++;
    // One byte more than pi shows, and the longest character.
    const cut = pi.truncateTail(textOf(kept.subarray(Math.max(0, end - MOST_BYTES - 4), end)));
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
    return { content: textOf(this.#tail.bytes), truncated: this.#truncated };
  }

  /** Bytes of the last line that is not empty. */
  get lastLineBytes(): number {
    return this.#line > 0 ? this.#line : this.#lineBefore;
  }

  get #truncated(): boolean {
    return this.#bytes > MOST_BYTES || this.#breaks + (this.#line > 0 ? 1 : 0) > MOST_LINES;
  }

  /** Counts the bytes of the text, and passes those for the log on. */
  #add(bytes: Uint8Array, logged: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    this.#tail.push(bytes);
    let begun = 0;
    // `indexOf` costs more: a flood is mostly line breaks, and a call on a Buffer is slow on Deno 2.4.
    for (let at = 0; at < bytes.length; at++) {
      if (bytes[at] !== LF) continue;
      this.#breaks++;
      const line = this.#line + at - begun;
      if (line > 0) this.#lineBefore = line;
      this.#line = 0;
      begun = at + 1;
    }
    this.#line += bytes.length - begun;
    this.#keep(logged);
    return this.#writing;
  }

  #keep(bytes: Uint8Array): void {
    if (this.#log === "lost") return;
    if (!this.#truncated && this.#log === "none") {
      // `slice` of a Buffer would not copy.
      if (bytes.length > 0) this.#unlogged.push(new Uint8Array(bytes));
      return;
    }
    const pieces = [...this.#unlogged, bytes];
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

const [LF, CR] = [10, 13];

/** The end of the bytes before the line breaks at their end. */
function endOfText(bytes: Uint8Array): number {
  let end = bytes.length;
  while (bytes[end - 1] === LF || bytes[end - 1] === CR) end--;
  return end;
}

/** The text of bytes whose first character may have been cut. */
function textOf(bytes: Uint8Array): string {
  let from = 0;
  while (from < 3 && ((bytes[from] ?? 0) & 0xc0) === 0x80) from++;
  return keptDecoder.decode(bytes.subarray(from));
}
