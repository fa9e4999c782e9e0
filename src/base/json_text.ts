// Does: reads JSON as people write it: with a byte order mark, comments and trailing commas; names the place of a
// fault. Used by: src/worker/pi for the files of pi's users.
// Invariant: a fault never quotes the text, which may hold a key.

/** A place in a text, both counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What was read, or where it cannot be read. */
export type JsonText =
  | {
    readonly ok: true;
    readonly value: unknown;
    /** The first comma that stands before a closing bracket. */
    readonly trailingComma?: Place;
    /** Whether the text is JSON without any of what this allows. */
    readonly strict: boolean;
  }
  | { readonly ok: false; readonly at: Place; readonly what: string };

/** Nested brackets that are read; JSON.parse itself ends the thread's stack far beyond. */
const DEPTH = 500;
const BOM = "\ufeff";

class Fault extends Error {
  readonly offset: number;

  constructor(what: string, offset: number) {
    super(what);
    this.offset = offset;
  }
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const BLANK = /(?:[ \t\r\n]+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;

class Reader {
  readonly #text: string;
  #at: number;
  trailingComma: number | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#at = text.startsWith(BOM) ? 1 : 0;
  }

  read(): unknown {
    const value = this.#value(0);
    this.#blank();
    if (this.#at < this.#text.length) this.#fail("there is more behind the end of the value");
    return value;
  }

  #fail(what: string): never {
    throw new Fault(this.#at >= this.#text.length ? "the text ends too early" : what, this.#at);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #blank(): void {
    this.#match(BLANK);
  }

  #take(character: string): boolean {
    this.#blank();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): unknown {
    if (depth > DEPTH) this.#fail(`more than ${DEPTH} brackets are nested`);
    if (this.#take("{")) return this.#object(depth);
    if (this.#take("[")) return this.#list(depth);
    if (this.#text[this.#at] === '"') return this.#string();
    const scalar = this.#match(SCALAR);
    if (scalar === "") this.#fail("a value is expected here");
    return JSON.parse(scalar);
  }

  #string(): string {
    const found = this.#match(STRING);
    if (found === "") {
      this.#fail("this text in quotes does not end, or holds a character that must be escaped");
    }
    return JSON.parse(found);
  }

  #object(depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    this.#items("}", () => {
      if (this.#text[this.#at] !== '"') this.#fail("a name in double quotes is expected here");
      const name = this.#string();
      if (!this.#take(":")) this.#fail('":" is expected here');
      entries.push([name, this.#value(depth + 1)]);
    });
    return Object.fromEntries(entries);
  }

  #list(depth: number): unknown[] {
    const values: unknown[] = [];
    this.#items("]", () => values.push(this.#value(depth + 1)));
    return values;
  }

  #items(end: string, item: () => void): void {
    let comma: number | undefined;
    let first = true;
    while (!this.#take(end)) {
      if (!first && comma === undefined) this.#fail(`"," or "${end}" is expected here`);
      item();
      first = false;
      this.#blank();
      const at = this.#at;
      comma = this.#take(",") ? at : undefined;
    }
    if (comma !== undefined) this.trailingComma ??= comma;
  }
}

function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}

/** Reads the text; what JSON itself allows takes the fast way. */
export function readJsonText(text: string): JsonText {
  try {
    return { ok: true, value: JSON.parse(text), strict: true };
  } catch {
    // The reader below finds the place.
  }
  const reader = new Reader(text);
  try {
    const value = reader.read();
    const { trailingComma } = reader;
    return {
      ok: true,
      value,
      strict: false,
      ...(trailingComma === undefined ? {} : { trailingComma: placeOf(text, trailingComma) }),
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { ok: false, at: placeOf(text, error.offset), what: error.message };
  }
}
