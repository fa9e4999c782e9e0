// The console's page as a browser would load it, over a plain connection: the page, and the files that it names.

import { assertEquals } from "@std/assert";
import { rawLines } from "../network/raw_http.ts";

/** Headers that every file of the console comes with. */
export const CONSOLE_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  vary: "accept-encoding",
};

/** The policy of a page that came from that host. */
export const policyOf = (host: string): string =>
  "default-src 'none'; script-src 'self'; style-src 'self'; " +
  `connect-src 'self' ws://${host} wss://${host}; img-src data: blob:; ` +
  "require-trusted-types-for 'script'; trusted-types dompurify; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The addresses that a page's markup names, but for those that hold their own content. */
export function addressesIn(page: string): string[] {
  return [...page.matchAll(/\s(?:src|href)="([^"]*)"/g)]
    .map(([, address = ""]) => address)
    .filter((address) => !address.startsWith("data:"));
}

/** Loads the page and all that it names. Returns the addresses of those files, as paths. */
export async function loadConsole(page: string, fetchOne: typeof fetch = fetch): Promise<string[]> {
  const answer = await fetchOne(page);
  assertEquals([answer.status, answer.headers.get("content-type")], [200, "text/html; charset=utf-8"], page);
  const files = addressesIn(await answer.text()).map((address) => new URL(address, page));
  assertEquals(files.map(({ pathname }) => pathname.split(".").at(-1)).sort(), ["css", "js"]);
  for (const file of files) {
    const asset = await fetchOne(file);
    assertEquals(asset.status, 200, file.href);
    await asset.text();
  }
  return files.map(({ pathname }) => pathname);
}

/** The status of a request by hand. */
export async function statusOf(
  port: number,
  line: string,
  lines: readonly string[] = [`Host: 127.0.0.1:${port}`],
): Promise<number> {
  return (await rawLines(port, [`${line} HTTP/1.1`, ...lines, "Connection: close"])).status;
}
