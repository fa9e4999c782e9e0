// What was parsed from JSON, or comes from elsewhere untyped, looked at safely. Pure.

/** Whether a value has named fields: an object, and no array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
