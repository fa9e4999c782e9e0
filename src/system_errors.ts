// Names the refusals of the system that the server answers in words, whatever the runtime throws for them. Pure.

const CODES = {
  missing: ["ENOENT", "ENOTDIR"],
  denied: ["EACCES", "EPERM", "EROFS"],
  "name too long": ["ENAMETOOLONG"],
} as const;

/** Deno's sandbox throws errors with a name of their own, without a code. */
const DENO_DENIED = ["NotCapable", "PermissionDenied"];

/** The code that Node's API gives an error of the system; empty where there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error ? String(Reflect.get(error, "code")) : "";
}

/** Whether the system refused for that reason. */
export function isSystemError(error: unknown, reason: keyof typeof CODES): boolean {
  const codes: readonly string[] = CODES[reason];
  if (codes.includes(codeOf(error))) return true;
  return reason === "denied" && error instanceof Error && DENO_DENIED.includes(error.name);
}
