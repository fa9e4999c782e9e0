// Does: tells code from comments and strings in TypeScript, without a parser.
// Used by: check_sources.ts (imports, machine words) and check_text.ts (references, English).
// Invariant: `maskText` keeps every character's place, so that an index of the mask is one of the text.

/** The line of a character, from 1. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** A comment, a string without holes, a piece of a template, or a regular expression where a value may stand. */
const TOKENS =
  /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?<=(?:^|[=(,:;!&|?{}[+\n]|return|=>)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*|[`{}]/g;

/** A comment, or a piece of a string or template, as it stands in the source. */
export interface Piece {
  readonly kind: "comment" | "string";
  readonly text: string;
  readonly line: number;
}

/** Blanks comments, regular expressions and the inside of strings; every character keeps its place. */
export function maskText(text: string): string {
  return scan(text, () => {});
}

/** The comments and strings of a source, in order. */
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  scan(text, (kind, start, end) => {
    pieces.push({ kind, text: text.slice(start, end), line: lineAt(text, start) });
  });
  return pieces;
}

/** Walks over a source, reports each piece and returns the masked text. */
function scan(text: string, report: (kind: Piece["kind"], start: number, end: number) => void): string {
  const blank = (piece: string): string => piece.replaceAll(/[^\n]/g, " ");
  let result = "";
  let at = 0;
  /** For each open template, how many braces are open in its current hole. */
  const holes: number[] = [];
  const endOfTemplate = (from: number): number => {
    const match = /(?:\\[^]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y;
    match.lastIndex = from;
    return match.test(text) ? match.lastIndex : text.length;
  };
  const readTemplate = (from: number): number => {
    const end = endOfTemplate(from);
    const close = text[end - 1] === "{" ? "${" : "`";
    if (close === "${") holes.push(0);
    report("string", from, end - close.length);
    result += blank(text.slice(from, end - close.length)) + close;
    return end;
  };
  while (at < text.length) {
    TOKENS.lastIndex = at;
    const match = TOKENS.exec(text);
    if (match === null) return result + text.slice(at);
    const token = match[0];
    result += text.slice(at, match.index);
    at = match.index + token.length;
    const open = holes.at(-1);
    if (token === "`") {
      result += token;
      at = readTemplate(at);
    } else if (token === "{") {
      if (open !== undefined) holes[holes.length - 1] = open + 1;
      result += token;
    } else if (token === "}") {
      result += token;
      if (open === 0) {
        holes.pop();
        at = readTemplate(at);
      } else if (open !== undefined) holes[holes.length - 1] = open - 1;
    } else if (token.startsWith("/")) {
      if (/^\/[/*]/.test(token)) report("comment", match.index, at);
      result += blank(token);
    } else {
      report("string", match.index + 1, at - 1);
      result += token.charAt(0) + blank(token.slice(1, -1)) + token.charAt(0);
    }
  }
  return result;
}
