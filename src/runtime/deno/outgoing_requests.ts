// Does: makes fetch of this thread treat the variables of the network as Node does: `NO_PROXY=*` holds for addresses
// too, and the certificates of `NODE_EXTRA_CA_CERTS` are trusted by every Deno, also by those that do not read it.
// Used by: deno.ts.
// Invariant: shells of sessions still see the variables as the user has set them.
import process from "node:process";
import { EVERYTHING, NO_PROXY_NAMES, PROXY_NAMES } from "../no_proxy.ts";

type Fetch = typeof globalThis.fetch;

/** Certificates of the user's; undefined where the file cannot be read, of which the caller is to warn. */
function extraCertificates(file: string): string | undefined {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    return undefined;
  }
}

/** Wraps fetch so that it trusts those certificates beside the system's. */
function trust(certificates: string): void {
  const client = Deno.createHttpClient({ caCerts: [certificates] });
  const original: Fetch = globalThis.fetch;
  globalThis.fetch = (input: URL | Request | string, init?: RequestInit) =>
    original(input, { client, ...init } as RequestInit);
}

/** Readies this thread; `warn` gets a sentence for the operator. */
export function followProxies(warn: (text: string) => void, proxy?: string): Promise<void> {
  for (const name of proxy === undefined ? [] : PROXY_NAMES) {
    if (Deno.env.get(name) === undefined) Deno.env.set(name, String(proxy));
    process.env[name] ??= proxy;
  }
  for (const name of NO_PROXY_NAMES) {
    // The real environment: `process.env` of a worker is a copy, which shells get.
    if (Deno.env.get(name)?.trim() === "*") Deno.env.set(name, EVERYTHING);
  }
  const file = process.env["NODE_EXTRA_CA_CERTS"];
  if (file !== undefined && file !== "") {
    const certificates = extraCertificates(file);
    if (certificates === undefined) {
      warn(`NODE_EXTRA_CA_CERTS: ${file} cannot be read; its certificates are not trusted`);
    } else trust(certificates);
  }
  return Promise.resolve();
}
