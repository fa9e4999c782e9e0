// Reads fields of messages and events, whose shape is pi's: each reader takes what has the right kind and makes the
// text harmless on the way. Pure.
import { sanitize } from "../view/sanitize.ts";

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object of that name; an empty one where there is none. */
export function fieldsOf(value: unknown, name: string): Fields {
  const found = isFields(value) ? value[name] : undefined;
  return isFields(found) ? found : {};
}

/** The list of that name; an empty one where there is none. */
export function listOf(value: unknown, name: string): readonly unknown[] {
  const found = isFields(value) ? value[name] : undefined;
  return Array.isArray(found) ? found : [];
}

/** The text of that name, as it came: for ids and for comparing. */
export function rawText(value: unknown, name: string): string | undefined {
  const found = isFields(value) ? value[name] : undefined;
  return typeof found === "string" ? found : undefined;
}

/** The text of that name, harmless; empty where there is none. */
export function textOf(value: unknown, name: string): string {
  return sanitize(rawText(value, name) ?? "");
}

/** The number of that name. */
export function numberOf(value: unknown, name: string): number | undefined {
  const found = isFields(value) ? value[name] : undefined;
  return typeof found === "number" ? found : undefined;
}

/** Whether the field of that name is `true`. */
export function isOn(value: unknown, name: string): boolean {
  return isFields(value) && value[name] === true;
}

/** The text blocks of a content, which is a text or a list of blocks, and how many images there are. */
export function contentOf(content: unknown): { readonly text: string; readonly images: number } {
  if (typeof content === "string") return { text: sanitize(content), images: 0 };
  if (!Array.isArray(content)) return { text: "", images: 0 };
  const texts: string[] = [];
  let images = 0;
  for (const block of content) {
    const type = rawText(block, "type");
    if (type === "text") texts.push(textOf(block, "text"));
    else if (type === "image") images++;
  }
  return { text: texts.join("\n"), images };
}
