// Makes text from a model, a tool, a file or another client harmless for a terminal. Every text passes here once,
// when it enters the client: what is drawn holds no control character but line ends. Pure.

/** Sequences that a terminal would act on, whole; an unfinished one loses its first character below. */
const SEQUENCES =
  // deno-lint-ignore no-control-regex
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\x9d]*(?:\x07|\x1b\\|\x9c)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-Z\\^-~]/g;
const LINE_ENDS = /\r\n?|[\u2028\u2029\v\f\x85]/g;
/** Control characters but LF; marks that turn the direction of text around; characters without any width or use. */
const HIDDEN =
  // deno-lint-ignore no-control-regex
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const TAB = "    ";

/** The text with line ends alone left of its control characters. */
export function sanitize(text: string): string {
  const plain = text.isWellFormed() ? text : text.toWellFormed();
  return plain.replaceAll(SEQUENCES, "").replaceAll(LINE_ENDS, "\n").replaceAll("\t", TAB).replaceAll(
    HIDDEN,
    "",
  );
}

/** The same in one line, for names and titles. */
export function sanitizeLine(text: string): string {
  return sanitize(text).replaceAll(/\n+/g, " ").trim();
}

/** What may stand in a drawn line: colours and attributes, and the mark of the cursor. */
// deno-lint-ignore no-control-regex
const DRAWN = /\x1b\[[\d;]*m|\x1b_pi:c\x07/y;

/**
 * The drawn line without any sequence that this program does not draw itself. What is drawn was made harmless
 * before; this holds whatever a library does with it on the way.
 */
export function guardLine(line: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[\x00-\x1f\x7f-\x9f]/.test(line)) return line;
  let result = "";
  for (let at = 0; at < line.length;) {
    DRAWN.lastIndex = at;
    const match = DRAWN.exec(line);
    if (match !== null) {
      result += match[0];
      at = DRAWN.lastIndex;
      continue;
    }
    const unit = line.charCodeAt(at);
    if (unit >= 0x20 && (unit < 0x7f || unit > 0x9f)) result += line.charAt(at);
    at++;
  }
  return result;
}
