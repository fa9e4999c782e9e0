// Does: counts the values of a JSON text, and how deep they are nested, without parsing it.
// Used by: the protocol's codec, before it parses.

/** UTF-16 code units up to which a text is not counted, because it cannot hold much. */
const SMALL = 4_096;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [LIST, OBJECT, LIST_END, OBJECT_END] = [0x5b, 0x7b, 0x5d, 0x7d];

/** The index behind the string that begins with the quote at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1);; end = text.indexOf('"', end + 1)) {
    if (end < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
}

/**
 * How many values a text has. Undefined for more than `mostValues`, or for lists and objects more than `mostDeep` deep.
 * Zero for a small text.
 */
export function valuesOf(text: string, mostValues: number, mostDeep: number): number | undefined {
  if (text.length <= SMALL) return 0;
  let [values, depth] = [0, 0];
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    at++;
    if (code === COMMA) values++;
    else if (code === LIST || code === OBJECT) {
      values++;
      depth++;
    } else if (code === LIST_END || code === OBJECT_END) depth--;
    else continue;
    if (values > mostValues || depth > mostDeep) return undefined;
  }
  return values;
}
