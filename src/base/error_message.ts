// Does: describes any thrown value: a value without a prototype, a symbol, an error whose message throws.
// Used by: every folder. Invariant: it never throws, and imports nothing.

/** The most characters of a message. */
const MOST_CHARS = 16_384;

const UNPRINTABLE = "an error that cannot be printed";

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  // Also `Symbol(…)`, which template strings refuse.
  const text: unknown = String(value);
  return typeof text === "string" ? text : UNPRINTABLE;
}

function guarded(read: () => string | undefined): string | undefined {
  try {
    const text = read();
    return text === undefined || text === "" ? undefined : text.slice(0, MOST_CHARS);
  } catch {
    return undefined;
  }
}

/** The message of an error, or the value as text. */
export function errorMessage(error: unknown): string {
  return guarded(() => {
    const message: unknown = error instanceof Error ? error.message : error;
    const text = textOf(message);
    return text === "" && error instanceof Error ? textOf(error.name) : text;
  }) ?? UNPRINTABLE;
}

/** Whether code that expects normal errors can print it, by its message and stack or by `String`. */
export function isPrintable(error: unknown): boolean {
  if (typeof error === "symbol") return false;
  return guarded(() => {
    if (!(error instanceof Error)) return `${error}.`;
    return typeof error.message === "string" && (error.stack === undefined || typeof error.stack === "string")
      ? "error"
      : undefined;
  }) !== undefined;
}

/** The stack of an error, else its message. */
export function errorStack(error: unknown): string {
  const stack = guarded(() => {
    const found: unknown = error instanceof Error ? error.stack : undefined;
    return typeof found === "string" ? found : undefined;
  });
  return stack ?? errorMessage(error);
}
