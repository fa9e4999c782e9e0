// Waiting in tests: every wait has an end, and its error says what was there instead.

/** The promise's value, or an error with `message` after `ms`. */
export async function deadline<T>(promise: Promise<T>, ms: number, message: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out after ${Math.round(ms)} ms: ${message()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until the condition gives something other than undefined or false. */
export async function until<T>(
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  ms: number,
  message: () => string,
): Promise<T> {
  const end = performance.now() + ms;
  while (true) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`timed out after ${ms} ms: ${message()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Resolves after that many milliseconds: for the contract's own times alone, never in place of a condition. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
