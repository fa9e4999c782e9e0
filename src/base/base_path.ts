// Does: validates the path below which a proxy shows the server, such as /pi. Pure.
// Used by: the configuration and the gate.

/** The rule for a base path, in words, for errors. */
export const BASE_PATH_RULE: string =
  "is a path such as /pi or /tools/pi: letters, digits, ., _, ~ and - between slashes";

const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/;

/** The path without a slash at its end, empty for the root. Undefined for an invalid path. */
export function basePathOf(text: string): string | undefined {
  const path = text.endsWith("/") ? text.slice(0, -1) : text;
  return path === "" || PATH.test(path) ? path : undefined;
}

/**
 * A request's path as the server knows it. A proxy may or may not remove the base path, and both work.
 *
 * @returns the empty text for the base path without its slash
 */
export function pathBelow(basePath: string, path: string): string {
  if (basePath === "" || !path.startsWith(basePath)) return path;
  const rest = path.slice(basePath.length);
  return rest === "" || rest.startsWith("/") ? rest : path;
}
