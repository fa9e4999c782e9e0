// The token of this page. It comes in the address's fragment or from the form, lives in the session storage of this
// tab alone, and leaves the address before anything else happens. No other file touches it.

const KEY = "pi-server.token";

/** What the fragment of an address says: a token, and the page to open with it. */
export function readFragment(hash: string): { readonly token: string; readonly to: string } | undefined {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const token = fields.get("token");
  if (token === null || token === "") return undefined;
  const to = fields.get("to") ?? "";
  return { token, to: to.startsWith("/") ? `#${to}` : "" };
}

/** Works with the storage of this tab. Where the browser's settings forbid it, the token lives as long as the page. */
function stored<T>(work: (storage: Storage) => T): T | undefined {
  try {
    return work(sessionStorage);
  } catch {
    return undefined;
  }
}

/** Takes the token out of the address, or the one that this tab has kept. */
export function takeToken(): string | undefined {
  const found = readFragment(location.hash);
  if (found === undefined) return stored((storage) => storage.getItem(KEY)) ?? undefined;
  history.replaceState(null, "", location.pathname + location.search + found.to);
  keepToken(found.token);
  return found.token;
}

/** Keeps the token for reloads of this tab. */
export function keepToken(token: string): void {
  stored((storage) => storage.setItem(KEY, token));
}

/** Forgets it. */
export function dropToken(): void {
  stored((storage) => storage.removeItem(KEY));
}

/** Address of this console with a token in its fragment. */
export function linkWith(token: string, to = ""): string {
  const fields = new URLSearchParams({ token });
  if (to !== "") fields.set("to", to);
  return `${location.origin}${location.pathname}#${fields}`;
}
