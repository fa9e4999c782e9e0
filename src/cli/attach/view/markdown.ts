// Markdown of any length: a text is drawn in pieces that end at blank lines, and a piece that has not changed is not
// drawn again. So a long answer that streams costs the same at its end as at its beginning.
import { Markdown, wrapTextWithAnsi } from "@mariozechner/pi-tui";
import type { Style, Theme } from "./theme.ts";

/** From so many characters on a piece ends at the next blank line that may end it. */
const PIECE_CHARS = 1500;
/** A piece without such a line is drawn as plain text from here on. */
const PLAIN_CHARS = 16 * 1024;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/** Where inline markup begins anew: a row of a table, an item of a list, a quote, a heading. */
const NEW_UNIT = /^\s*(?:[|>#+-]|\*\s|\d+[.)])/;
/** Marks of lists and quotes, one in the other. */
const DEEP = /^[ \t]*(?:(?:[>*+-]|\d{1,9}[.)])[ \t]*){12}/;
const MOST_UNIT_CHARS = 8000;
const MOST_EMPHASIS = 150;
const MOST_BRACKETS = 100;
const MOST_OPEN_LINKS = 10;
const MOST_BACKTICKS = 300;

const count = (text: string, mark: RegExp): number => text.match(mark)?.length ?? 0;

/** Whether inline markup is such that the Markdown library reads it in time: it tries each mark with each other. */
function isTameUnit(unit: string): boolean {
  return unit.length <= MOST_UNIT_CHARS && !DEEP.test(unit) &&
    count(unit, /[*_~]/g) <= MOST_EMPHASIS && count(unit, /`/g) <= MOST_BACKTICKS &&
    count(unit, /\[/g) <= MOST_BRACKETS && count(unit, /\]\(/g) - count(unit, /\)/g) <= MOST_OPEN_LINKS;
}

/** Whether a text costs the Markdown library no more time than its length. */
function isTame(text: string): boolean {
  let fence = "";
  let unit = "";
  for (const line of text.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== "") {
      if (mark?.startsWith(fence)) fence = "";
      continue;
    }
    if (mark !== undefined) fence = mark;
    if (mark !== undefined || line.trim() === "" || NEW_UNIT.test(line)) {
      if (!isTameUnit(unit)) return false;
      unit = "";
    }
    unit += `${line}\n`;
  }
  return isTameUnit(unit);
}

/** The text in pieces, each complete Markdown by itself: never cut within a fence, a list item or a paragraph. */
export function piecesOf(text: string): string[] {
  if (text.length <= PIECE_CHARS) return [text];
  const pieces: string[] = [];
  let from = 0;
  let fence = "";
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\n", at);
    const next = end < 0 ? text.length : end + 1;
    const line = text.slice(at, next);
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined && fence === "") fence = mark;
    else if (
      fence !== "" && line.trim().startsWith(fence) && line.trim().replaceAll(fence.charAt(0), "") === ""
    ) fence = "";
    const blank = line.trim() === "" && fence === "";
    if (blank && next - from > PIECE_CHARS && next < text.length && !/\s/.test(text.charAt(next))) {
      pieces.push(text.slice(from, at));
      from = next;
    }
    at = next;
  }
  pieces.push(text.slice(from));
  return pieces;
}

interface Piece {
  readonly text: string;
  readonly width: number;
  readonly lines: readonly string[];
}

/** One text, drawn as Markdown. */
export class MarkdownText {
  readonly #theme: Theme;
  readonly #style: Style | undefined;
  #pieces: Piece[] = [];

  /** @param style of everything that Markdown gives no style of its own */
  constructor(theme: Theme, style?: Style) {
    this.#theme = theme;
    this.#style = style;
  }

  /** The lines of the text. */
  render(text: string, width: number): string[] {
    const pieces = piecesOf(text.trim());
    this.#pieces.length = Math.min(this.#pieces.length, pieces.length);
    const lines: string[] = [];
    pieces.forEach((piece, index) => {
      let known = this.#pieces[index];
      if (known === undefined || known.text !== piece || known.width !== width) {
        known = { text: piece, width, lines: this.#draw(piece, width) };
        this.#pieces[index] = known;
      }
      if (index > 0) lines.push("");
      for (const line of known.lines) lines.push(line);
    });
    return lines;
  }

  #draw(text: string, width: number): string[] {
    if (text.length <= PLAIN_CHARS && isTame(text)) {
      try {
        const style = this.#style === undefined ? undefined : { color: this.#style };
        return new Markdown(text, 0, 0, this.#theme.markdown, style).render(width).map((line) =>
          line.trimEnd()
        );
      } catch {
        // What overflows the stack of the Markdown library follows as plain text.
      }
    }
    return wrapPlain(text, width, this.#style);
  }
}

/** The lines of a text without any markup. */
export function wrapPlain(text: string, width: number, style: Style = (line) => line): string[] {
  return text.split("\n").flatMap((line) => wrapTextWithAnsi(style(line), width));
}
