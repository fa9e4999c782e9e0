// Does: writes the newest or the oldest items of a history as JSON of a bounded size, one item at a time. Pure.
// Used by: handlers that return much. An item that is too large alone has its texts cut, or goes by reference.
// Invariant: the JSON of the whole history never exists in memory.
import { ANSWER_BYTES, BLOCK_CHARS, LEAST_BLOCK_CHARS } from "../../../governor/limits.ts";
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

/** UTF-16 units of a reference, at least. */
const LEAST_REF_UNITS = 100;

/** The lengths to which texts are shortened by reference, one after the other, until the item fits. */
const BLOCKS = [BLOCK_CHARS, 4_096, LEAST_BLOCK_CHARS];

const encoder = new TextEncoder();

/**
 * A lower bound for the UTF-16 units of a value's JSON, found without writing it.
 *
 * @param most where counting stops; the result is then above it
 * @param block units that a text counts at most, since a longer one goes by reference
 */
export function leastUnits(value: unknown, most: number, block = Infinity): number {
  let units = 0;
  const open: unknown[] = [value];
  // An object counts once, so that a circle ends.
  const seen = new Set<object>();
  while (open.length > 0 && units <= most) {
    const next = open.pop();
    units++;
    if (typeof next === "string") units += Math.min(next.length, block) + 1;
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

/** Puts references in the place of large texts. */
export interface Referring {
  /** The item with a reference in the place of each text above `block` UTF-16 units. */
  shortened(item: unknown, block?: number): unknown;
  /** What remains of an item that goes by reference as a whole. */
  whole(item: unknown): unknown;
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
export function newestJson(
  items: readonly unknown[],
  most = ANSWER_BYTES,
  least?: Shortened,
  refs?: Referring,
): Newest {
  const texts: string[] = [];
  const whole = least === undefined ? most : most * WHOLE_SHARE;
  let bytes = 2;
  let start = items.length;
  for (; start > 0; start--) {
    const item = items[start - 1];
    let text = itemJson(item, whole, refs);
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

/** The oldest items of a list whose JSON fits, and their number. At least one. */
export function oldestJson(
  items: readonly unknown[],
  most = ANSWER_BYTES,
  refs?: Referring,
): { readonly text: string; readonly count: number } {
  const texts: string[] = [];
  let bytes = 2;
  for (const item of items) {
    const text = itemJson(item, most, refs);
    const size = encoder.encode(text).length + 1;
    if (bytes + size > most && texts.length > 0) break;
    bytes += size;
    texts.push(text);
  }
  return { text: `[${texts.join(",")}]`, count: texts.length };
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
  refs = false,
): readonly unknown[] {
  let first = end;
  for (let units = 0; first > start && units <= most; first--) units += room(items[first - 1], most, refs);
  return items.slice(first, end);
}

/** The items that `oldestJson` can write at most. */
export function oldestOf(
  items: readonly unknown[],
  start: number,
  end: number,
  most = ANSWER_BYTES,
  refs = false,
): readonly unknown[] {
  let last = start;
  for (let units = 0; last < end && units <= most; last++) units += room(items[last], most, refs);
  return items.slice(start, last);
}

/** A lower bound of what an item takes. An oversized item takes the room of its short form. */
function room(item: unknown, most: number, refs: boolean): number {
  const size = leastUnits(item, most, refs ? LEAST_REF_UNITS : undefined);
  return size > most ? 1 : size;
}

/** A text within the limit of an answer, and whether its end is missing. */
export function boundedText(text: string | null): { text: string | null; truncated: boolean } {
  if (text === null || text.length <= TEXT_CHARS) return { text, truncated: false };
  const fits = text.length <= ANSWER_BYTES && encoder.encode(toJson(text)).length <= ANSWER_BYTES;
  return fits ? { text, truncated: false } : { text: cut(text, TEXT_CHARS), truncated: true };
}

/** The JSON of a value, if it fits. */
export function fittingJson(value: unknown, most: number): string | undefined {
  if (leastUnits(value, most) > most) return undefined;
  const text = toJson(value);
  return encoder.encode(text).length <= most ? text : undefined;
}

/** An item with references, in the longest form that fits. */
export function referredJson(item: unknown, most: number, refs: Referring): string {
  for (const block of BLOCKS) {
    const text = fittingJson(refs.shortened(item, block), most);
    if (text !== undefined) return text;
  }
  return toJson(refs.whole(item));
}

function itemJson(item: unknown, most: number, refs?: Referring): string {
  if (refs !== undefined) return referredJson(item, most, refs);
  const text = fittingJson(item, most);
  if (text !== undefined) return text;
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
