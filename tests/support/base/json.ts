// JSON as the tests see it: what came over a wire is `unknown` until one of these looked at it. A missing or
// mistyped field is an error that shows the value, so that a failing test says what came.

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

/** A JSON object. */
export type JsonObject = { [key: string]: Json | undefined };

/** Whether the value is an object and no array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A short rendering for messages. */
export function brief(value: unknown, max = 400): string {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? String(value);
  return text.length > max ? `${text.slice(0, max)}… (${text.length} chars)` : text;
}

/** The object at the path, or an error that shows where the path ended. */
export function objectAt(value: unknown, ...path: (string | number)[]): JsonObject {
  const found = at(value, ...path);
  if (isObject(found)) return found;
  throw new Error(`expected an object at ${path.join(".") || "top"}, got ${brief(found)} in ${brief(value)}`);
}

/** The array at the path. */
export function arrayAt(value: unknown, ...path: (string | number)[]): Json[] {
  const found = at(value, ...path);
  if (Array.isArray(found)) return found;
  throw new Error(`expected an array at ${path.join(".")}, got ${brief(found)} in ${brief(value)}`);
}

/** The string at the path. */
export function stringAt(value: unknown, ...path: (string | number)[]): string {
  const found = at(value, ...path);
  if (typeof found === "string") return found;
  throw new Error(`expected a string at ${path.join(".")}, got ${brief(found)} in ${brief(value)}`);
}

/** The number at the path. */
export function numberAt(value: unknown, ...path: (string | number)[]): number {
  const found = at(value, ...path);
  if (typeof found === "number") return found;
  throw new Error(`expected a number at ${path.join(".")}, got ${brief(found)} in ${brief(value)}`);
}

/** The value at the path, undefined where the path ends early. */
export function at(value: unknown, ...path: (string | number)[]): Json | undefined {
  let here: unknown = value;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = Reflect.get(here, key);
  }
  return here as Json | undefined;
}

/** The text blocks of a message's content, joined. */
export function messageText(message: unknown): string {
  const content = at(message, "content");
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((block) => (at(block, "type") === "text" ? stringAt(block, "text") : "")).join("");
}
