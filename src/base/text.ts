// Does: replaces halves of surrogate pairs, which strict JSON readers refuse. Pure.
// Used by: every encoder. Invariant: everything that leaves the server is encoded here.

/** U+FFFD, as a decoder of broken UTF-8 inserts it. */
export const REPLACEMENT: string = "\ufffd";

const BACKSLASH = 92;

/** Whether a UTF-16 code unit opens a surrogate pair. */
export function opensPair(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

/** Whether the third hexadecimal digit of `\udXXX` makes it a surrogate: 8, 9, or a to f. */
function isSurrogateDigit(unit: number): boolean {
  return unit === 56 || unit === 57 || (unit >= 97 && unit <= 102);
}

/**
 * The same JSON with U+FFFD in place of each half of a surrogate pair.
 *
 * @param json as JSON.stringify writes it: only a half is escaped as `\ud…`, a whole character never
 */
export function wellFormed(json: string): string {
  let at = json.indexOf("\\ud");
  if (at < 0) return json;
  const parts: string[] = [];
  let from = 0;
  for (; at >= 0; at = json.indexOf("\\ud", at + 3)) {
    let first = at;
    while (first > 0 && json.charCodeAt(first - 1) === BACKSLASH) first--;
    // After an odd number of backslashes it is ordinary text, such as source code.
    if ((at - first) % 2 === 1 || !isSurrogateDigit(json.charCodeAt(at + 3))) continue;
    parts.push(json.slice(from, at));
    from = at + 6;
  }
  if (parts.length === 0) return json;
  return [...parts, json.slice(from)].join(REPLACEMENT);
}

/** The JSON of a value for every client. Throws the errors of JSON.stringify: a circle, a BigInt. */
export function toJson(value: unknown): string {
  const json: string | undefined = JSON.stringify(value);
  return json === undefined ? "null" : wellFormed(json);
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Replaces each half of a surrogate pair in the strings of a value, in lists and plain objects. */
export function mend(root: unknown): void {
  if (!isPlain(root)) return;
  const seen = new Set<object>([root]);
  // A set is visited in the order of its growth.
  for (const holder of seen) {
    for (const name of Object.keys(holder)) {
      const value: unknown = Reflect.get(holder, name);
      if (typeof value === "string") {
        if (!value.isWellFormed()) Reflect.set(holder, name, value.toWellFormed());
      } else if (isPlain(value)) seen.add(value);
    }
  }
}

/** The beginning of a text: at most that many UTF-16 code units, without half a character at its end. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return text.slice(0, most > 0 && opensPair(text.charCodeAt(most - 1)) ? most - 1 : most);
}

/** The bytes of a well-formed text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // Both halves of a surrogate pair together take four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1;
  }
  return bytes;
}
