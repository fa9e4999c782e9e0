// The path below which a proxy shows the server, such as /pi. Pure; used by settings and by the gate.

/** What a base path has to look like, for errors about one. */
export const BASE_PATH_RULE: string =
  "is a path such as /pi or /tools/pi: letters, digits, ., _, ~ and - between slashes";

const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/;

/** The path without a slash at its end, empty for the root; undefined when it is not one. */
export function basePathOf(text: string): string | undefined {
  const path = text.endsWith("/") ? text.slice(0, -1) : text;
  return path === "" || PATH.test(path) ? path : undefined;
}

/**
 * A request's path as the server knows it. A proxy may have taken the base path off or not, so that both get in.
 *
 * @returns the empty text for the base path without the slash that belongs to it
 */
export function pathBelow(basePath: string, path: string): string {
  if (basePath === "" || !path.startsWith(basePath)) return path;
  const rest = path.slice(basePath.length);
  return rest === "" || rest.startsWith("/") ? rest : path;
}
