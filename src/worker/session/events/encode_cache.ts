// What is asked for over and over and seldom changes, kept encoded: the JSON of an object, as long as its fields
// are the same, and dates. Pure.
import { toJson } from "../../../base/text.ts";

/** The JSON of an object that is put together anew each time it is asked for. */
export class EncodeCache {
  #last: object | undefined;
  #text = "";

  /** @param value what it has in common with the one before, field by field, decides whether it is encoded anew */
  of(value: object): string {
    if (this.#last === undefined || !sameFields(value, this.#last)) this.#text = toJson(value);
    this.#last = value;
    return this.#text;
  }
}

/** Two values that are the same thing, or objects of the same fields; an array or an object in them is looked into. */
function sameFields(a: object, b: object): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length || Array.isArray(a) !== Array.isArray(b)) return false;
  for (const name of names) {
    const [mine, theirs]: [unknown, unknown] = [Reflect.get(a, name), Reflect.get(b, name)];
    if (mine === theirs) continue;
    if (typeof mine !== "object" || typeof theirs !== "object" || mine === null || theirs === null) {
      return false;
    }
    if (!Object.hasOwn(b, name) || !sameFields(mine, theirs)) return false;
  }
  return true;
}

/** Dates in ISO 8601, of which the latest few are asked for again. */
export class Dates {
  readonly #known = new Map<number, string>();

  /** @param ms milliseconds since the epoch */
  of(ms: number): string {
    const known = this.#known.get(ms);
    if (known !== undefined) return known;
    if (this.#known.size >= 4) this.#known.clear();
    const text = new Date(ms).toISOString();
    this.#known.set(ms, text);
    return text;
  }
}
