// Does: keeps the JSON of an object until one of its fields changes, and the text of recent dates. Pure.
// Used by: session_state.ts. Clients poll this state, and it seldom changes.
import { toJson } from "../../../base/text.ts";

/** The JSON of an object that its caller builds again for each request. */
export class EncodeCache {
  #last: object | undefined;
  #text = "";

  /** @param value is compared with the last one, field by field, and encoded again when it differs */
  of(value: object): string {
    if (this.#last === undefined || !sameFields(value, this.#last)) this.#text = toJson(value);
    this.#last = value;
    return this.#text;
  }
}

/** Whether two objects have the same fields. Compares arrays and objects inside them too. */
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

/** Dates in ISO 8601. Keeps the latest few. */
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
