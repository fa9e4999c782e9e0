// Does: says how `NO_PROXY=*` is written for Deno, and gives shells the variable back as the user has set it.
// Used by: outgoing_requests.ts of Deno, and child_processes.ts, which gives a worker its own environment.

/** For Deno, `*` names all domains and no address. */
export const EVERYTHING = "*,0.0.0.0/0,::/0";
/** Variables that a proxy in pi's settings stands for. */
export const PROXY_NAMES: readonly string[] = ["HTTP_PROXY", "HTTPS_PROXY"];
/** The two spellings of the variable. */
export const NO_PROXY_NAMES: readonly string[] = ["NO_PROXY", "no_proxy"];

/** A copy of the environment with the variables as the user has set them. */
export function asTheUserSet(env: Readonly<Record<string, string>>): Record<string, string> {
  const original = { ...env };
  for (const name of NO_PROXY_NAMES) if (original[name] === EVERYTHING) original[name] = "*";
  return original;
}
