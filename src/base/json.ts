// Does: reads untyped values safely, and builds objects without their undefined fields.
// Used by: every room. Pure.

/** Whether a value has named fields: an object, and not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value of a JSON text; undefined for a text that is not JSON, and for no text. */
export function tryParse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The object of a JSON text; undefined for any other text, and for no text. */
export function tryParseRecord(text: string | undefined): Record<string, unknown> | undefined {
  const value = tryParse(text);
  return isRecord(value) ? value : undefined;
}

/** `T` with every field that may be undefined made optional. */
export type Defined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** The same fields without those that are undefined. Copies them; not for code that runs for each event. */
export function defined<const T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
