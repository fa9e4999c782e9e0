// Reads fields of what the server sent without trusting their kind. Messages of pi are plain records here. Pure.

/** A record of unknown fields. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value has named fields. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field that should be text; else the empty text. */
export function text(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : "";
}

/** A field that should be a number. */
export function number(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === "number" ? value : undefined;
}

/** A field that should have fields itself. */
export function fields(of: Fields, name: string): Fields {
  const value = of[name];
  return isFields(value) ? value : {};
}

/** The records in a field that should be a list. */
export function list(of: Fields, name: string): readonly Fields[] {
  const value = of[name];
  return Array.isArray(value) ? value.filter(isFields) : [];
}

/** The blocks of a message's content, which may be a text alone. */
export function blocks(message: Fields): readonly Fields[] {
  const { content } = message;
  return typeof content === "string" ? [{ type: "text", text: content }] : list(message, "content");
}

/** A value as JSON for people; of what is none, its kind. */
export function json(value: unknown): string {
  try {
    return JSON.stringify(value, null, 2) ?? String(value);
  } catch {
    return "(cannot be shown)";
  }
}
