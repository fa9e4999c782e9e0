// Does: answers requests for the console's files from memory, under a policy that lets the page load nothing else.
// Used by: http_pages.ts, which loads it at the first request. A file name holds a hash of the content.
import { CONSOLE_FILES } from "../../console_files/files.ts";
import type { HttpAnswer, HttpRequest } from "../../runtime/runtime.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A file in both forms. The plain one is made on request. */
class Served {
  readonly contentType: string;
  readonly hash: string;
  readonly gzip: Bytes;
  #plain: Promise<Bytes> | undefined;

  constructor(contentType: string, hash: string, gzip: string) {
    this.contentType = contentType;
    this.hash = hash;
    this.gzip = Uint8Array.from(atob(gzip), (letter) => letter.charCodeAt(0));
  }

  plain(): Promise<Bytes> {
    return this.#plain ??= inflated(this.gzip);
  }
}

async function inflated(gzip: Bytes): Promise<Bytes> {
  const stream = new Blob([gzip]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const files: ReadonlyMap<string, Served> = new Map(
  CONSOLE_FILES.map(({ name, contentType, hash, gzip }) => [name, new Served(contentType, hash, gzip)]),
);

/** The page's rights: its own script and style sheet, its own server, and images in messages. */
function policy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    // Older browsers take 'self' for HTTP alone. The gate has checked the name, and a proxy may add encryption.
    `connect-src 'self' ws://${host} wss://${host}`,
    "img-src data: blob:",
    // Markup enters the page through DOMPurify alone: no other code may hand a string to the parser.
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

const FOR_ALL: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  vary: "accept-encoding",
};

/** Browsers ask for the page each time. A file with a hash in its name never changes. */
const [PAGE_CACHE, ASSET_CACHE] = ["no-cache", "public, max-age=31536000, immutable"];

/** Whether the client accepts gzip (RFC 9110, 12.5.3). */
export function takesGzip(header: string | undefined): boolean {
  const weights = new Map(
    (header ?? "").toLowerCase().split(",").map((part) => {
      const [coding = "", ...parameters] = part.split(";").map((one) => one.trim());
      const weight = parameters.find((one) => one.startsWith("q="))?.slice(2);
      return [coding, Number(weight ?? 1)];
    }),
  );
  return (weights.get("gzip") ?? weights.get("*") ?? 0) > 0;
}

/** Whether the client has exactly that answer (RFC 9110, 13.1.2). */
function has(header: string | undefined, tag: string): boolean {
  return (header ?? "").split(",").some((one) => {
    const known = one.trim().replace(/^W\//, "");
    return known === "*" || known === tag;
  });
}

/** The answer for a file. The page has the empty name. */
export async function consolePage(name: string, { headers }: HttpRequest): Promise<HttpAnswer> {
  const file = files.get(name);
  if (file === undefined) return { status: 404, body: "Not found\n", headers: FOR_ALL };
  const gzip = takesGzip(headers.get("accept-encoding"));
  const tag = `"${file.hash}${gzip ? "-gzip" : ""}"`;
  const common = {
    ...FOR_ALL,
    "content-security-policy": policy(headers.get("host")?.toLowerCase() ?? ""),
    "cache-control": name === "" ? PAGE_CACHE : ASSET_CACHE,
    etag: tag,
  };
  if (has(headers.get("if-none-match"), tag)) return { status: 304, body: "", headers: common };
  return {
    status: 200,
    body: gzip ? file.gzip : await file.plain(),
    contentType: file.contentType,
    headers: gzip ? { ...common, "content-encoding": "gzip" } : common,
  };
}
