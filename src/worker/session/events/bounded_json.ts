// Does: writes the newest items of a history as JSON of a bounded size, one item at a time. Pure.
// Used by: handlers that return much. An item that is too large alone is written with its texts cut.
// Invariant: the JSON of the whole history never exists in memory.
import { ANSWER_BYTES } from "../../../governor/limits.ts";
import { isRecord } from "../../../base/json.ts";
import { cut, toJson } from "../../../base/text.ts";

/** UTF-16 units that remain of each text of an oversized item, and of all its texts together. */
const CUT_CHARS = 4_096;
const CUT_TOTAL_CHARS = 64 * 1024;
/** The most values, and the most levels, that remain of an oversized item. */
const CUT_VALUES = 1_000;
const CUT_DEPTH = 8;

/**
 * UTF-16 units of a text that is an answer by itself. With three bytes for each, the answer is still bounded.
 */
const TEXT_CHARS = ANSWER_BYTES / 4;

const encoder = new TextEncoder();

/**
 * A lower bound for the UTF-16 units of a value's JSON, found without writing it.
 *
 * @param most where counting stops; the result is then above it
 */
export function leastUnits(value: unknown, most: number): number {
  let units = 0;
  const open: unknown[] = [value];
  // An object counts once, so that a circle ends.
  const seen = new Set<object>();
  while (open.length > 0 && units <= most) {
    const next = open.pop();
    units++;
    if (typeof next === "string") units += next.length + 1;
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    if (Array.isArray(next)) { for (const item of next) open.push(item); }
    else {
      for (const name of Object.keys(next)) {
        units += name.length + 3;
        open.push(Reflect.get(next, name));
      }
    }
  }
  return units;
}

/** The newest items of a list whose JSON fits. */
export interface Newest {
  /** JSON of the array. */
  readonly text: string;
  /** Index of the first item in it. */
  readonly start: number;
}

/**
 * Writes the newest items that fit, oldest first. Throws the errors of JSON.stringify.
 *
 * @param least writes the short form of an item when no room is left for whole ones
 */
export function newestJson(items: readonly unknown[], most = ANSWER_BYTES, least?: Shortened): Newest {
  const texts: string[] = [];
  const whole = least === undefined ? most : most * WHOLE_SHARE;
  let bytes = 2;
  let start = items.length;
  for (; start > 0; start--) {
    const item = items[start - 1];
    let text = itemJson(item, whole);
    let size = encoder.encode(text).length + 1;
    if (least !== undefined && bytes + size > whole) {
      text = toJson(least(item));
      size = encoder.encode(text).length + 1;
    }
    if (bytes + size > most && texts.length > 0) break;
    bytes += size;
    texts.push(text);
  }
  return { text: `[${texts.reverse().join(",")}]`, start };
}

/** Makes the short form of an item. */
export type Shortened = (item: unknown) => unknown;

/** The share of an answer for whole items, where a short form exists. */
const WHOLE_SHARE = 3 / 4;

/** The items that `newestJson` can write at most, as a list that does not keep the others alive. */
export function newestOf(
  items: readonly unknown[],
  start: number,
  end: number,
  most = ANSWER_BYTES,
): readonly unknown[] {
  let first = end;
  for (let units = 0; first > start && units <= most; first--) {
    const size = leastUnits(items[first - 1], most);
    // An oversized item takes the room of its short form.
    units += size > most ? 1 : size;
  }
  return items.slice(first, end);
}

/** A text within the limit of an answer, and whether its end is missing. */
export function boundedText(text: string | null): { text: string | null; truncated: boolean } {
  if (text === null || text.length <= TEXT_CHARS) return { text, truncated: false };
  const fits = text.length <= ANSWER_BYTES && encoder.encode(toJson(text)).length <= ANSWER_BYTES;
  return fits ? { text, truncated: false } : { text: cut(text, TEXT_CHARS), truncated: true };
}

function itemJson(item: unknown, most: number): string {
  if (leastUnits(item, most) <= most) {
    const text = toJson(item);
    if (encoder.encode(text).length <= most) return text;
  }
  const short = shortened(item);
  return toJson(isRecord(short) ? { ...short, oversized: true } : short);
}

/** A copy of a value with its long texts cut. Images lose their data, because half an image shows nothing. */
function shortened(root: unknown): unknown {
  const left = { chars: CUT_TOTAL_CHARS, values: CUT_VALUES };
  const copy = (value: unknown, depth: number): unknown => {
    left.values--;
    if (typeof value === "string") {
      const text = cut(value, Math.min(CUT_CHARS, Math.max(0, left.chars)));
      left.chars -= text.length;
      return text;
    }
    if (typeof value === "function") return undefined;
    if (typeof value !== "object" || value === null) return value;
    if (depth > CUT_DEPTH) return null;
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const item of value) {
        if (left.values <= 0) break;
        items.push(copy(item, depth + 1));
      }
      return items;
    }
    const fields: Record<string, unknown> = {};
    for (const name of Object.keys(value)) {
      if (left.values <= 0) break;
      if (name.length > CUT_CHARS) continue;
      const field: unknown = Reflect.get(value, name);
      const picture = name === "data" && typeof field === "string" && field.length > CUT_CHARS;
      fields[name] = picture ? "" : copy(field, depth + 1);
    }
    return fields;
  };
  return copy(root, 0);
}
