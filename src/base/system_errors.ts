// Does: names the refusals of the system that the server answers in words, on every runtime.
// Used by: the worker's files and the runtime. Invariant: no description of an error throws. Imports nothing.

const CODES = {
  missing: ["ENOENT", "ENOTDIR"],
  denied: ["EACCES", "EPERM", "EROFS", "NotCapable", "PermissionDenied"],
  "name too long": ["ENAMETOOLONG"],
  "not in the sandbox": ["NotCapable"],
} as const;

function textAt(error: unknown, name: "code" | "name"): string {
  try {
    return error instanceof Error ? String(Reflect.get(error, name) ?? "") : "";
  } catch {
    return "";
  }
}

/** The code of a system error in Node's API. Empty without one. */
export function codeOf(error: unknown): string {
  return textAt(error, "code");
}

/** Whether the system refused for that reason. Deno's sandbox throws errors by name, some without a code. */
export function isSystemError(error: unknown, reason: keyof typeof CODES): boolean {
  const codes: readonly string[] = CODES[reason];
  return codes.includes(codeOf(error)) || codes.includes(textAt(error, "name"));
}

/** The result, or undefined when the file does not exist. Other errors are thrown. */
export async function orMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isSystemError(error, "missing")) return undefined;
    throw error;
  }
}
