// Does: checks Host, Origin, path and token of each request (docs/PROTOCOL.md#http-and-who-may-connect). Pure.
// Used by: websocket.ts, for the upgrade and for plain HTTP.
// Invariant: no other part of the server reads a request before the gate has admitted it.
import { pathBelow } from "../../base/base_path.ts";
import { canonicalHost, isLoopback } from "../../base/loopback.ts";
import type { RefusedFor } from "../../governor/counters.ts";
import { type Access, ADMIN, sees } from "./access.ts";
import type { HttpRequest } from "../../runtime/runtime.ts";

export interface GateConfig {
  /** The rights of a token, compared in constant time. Absent: no token is needed. */
  readonly accessOf?: (token: string) => Access | undefined;
  /** Whether a token still holds. It may be revoked during an upgrade. */
  readonly holds?: (tokenId: string) => boolean;
  /** Admitted origins, exactly as browsers send them. */
  readonly allowOrigins: ReadonlySet<string>;
  /** Admitted host names beside the loopback ones, in lower case, without port. */
  readonly allowHosts: ReadonlySet<string>;
  /** Whether the console is served. Its page may connect from the origin of the request's own Host. */
  readonly console?: boolean;
  /** The path below which a proxy shows the server, such as `/pi`. Empty or absent for none. */
  readonly basePath?: string;
}

/** The plain pages. */
export type Page = "healthz" | "readyz" | "metrics" | "schema";

/**
 * Admitted as a WebSocket with or without a subprotocol, to a page, or to a file of the console. Or redirected to the
 * console. Or refused, with the reason.
 */
export type Verdict =
  | { readonly kind: "upgrade"; readonly access: Access; readonly protocol?: string }
  /** A browser asks whether a page of an allowed origin may send its token. */
  | { readonly kind: "preflight" }
  | { readonly kind: "page"; readonly page: Page }
  | { readonly kind: "console"; readonly file: string }
  /** A content of a session, for the holder of a token. */
  | { readonly kind: "content"; readonly access: Access; readonly sessionId: string; readonly hash: string }
  | { readonly kind: "redirect"; readonly location: string }
  | Refused;

/** A refusal and its answer. */
interface Refused {
  readonly kind: "refuse";
  readonly status: 400 | 401 | 403 | 404 | 417 | 426;
  readonly reason: string;
  /** What was wrong, for the counters and the log. */
  readonly why: RefusedFor;
  readonly headers?: Readonly<Record<string, string>>;
}

const PROTOCOL = "pi-server.v1";
const BEARER_PROTOCOL = "pi-server.bearer.";

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ["/healthz", "healthz"],
  ["/readyz", "readyz"],
  ["/metrics", "metrics"],
  ["/schema.json", "schema"],
]);

/** The name of a console file, below its page. */
const CONSOLE_FILE = /^\/(assets\/[a-z0-9.-]+)$/;

/** A content of a session: the session's id, and the hash. */
const CONTENT = /^\/content\/(?!\.{1,2}\/)([A-Za-z0-9_.-]{1,128})\/([0-9a-f]{64})$/;

/** The name in a Host header, in lower case, without the port. Undefined unless there is exactly one. */
export function hostName(header: string | undefined): string | undefined {
  const parts = /^(\[[0-9a-f:.]+\]|[^\s,:[\]/@]+)(?::[0-9]{1,5})?$/i.exec(header ?? "");
  return parts?.[1]?.toLowerCase();
}

const refuse = (
  status: Refused["status"],
  reason: string,
  headers?: Readonly<Record<string, string>>,
  why: RefusedFor = "request",
): Refused => ({ kind: "refuse", status, reason, why, ...(headers === undefined ? {} : { headers }) });

/** Whether it is the origin of the console's page for a browser that sent this Host. A proxy may add TLS. */
function isOwnOrigin(origin: string, { headers }: HttpRequest, { console }: GateConfig): boolean {
  if (console !== true) return false;
  // An origin leaves out the default port of its scheme.
  return ["http", "https"].some((scheme) => {
    const address = `${scheme}://${headers.get("host")}`;
    return URL.canParse(address) && new URL(address).origin === origin;
  });
}

/** Why Host, Origin or the peer's address refuse a request. */
function foreign(request: HttpRequest, config: GateConfig): Verdict | undefined {
  const host = hostName(request.headers.get("host"));
  if (host === undefined || !(isLoopback(host) || config.allowHosts.has(host))) {
    const next = "connect by a loopback address or --allow-host";
    return refuse(403, `The Host header does not name this server; ${next}`, undefined, "host");
  }
  const origin = request.headers.get("origin");
  if (origin !== undefined && !config.allowOrigins.has(origin) && !isOwnOrigin(origin, request, config)) {
    const next = "start the server with --allow-origin to allow them";
    return refuse(403, `Pages of this origin may not connect; ${next}`, undefined, "origin");
  }
  // Without a token only the bind to loopback protects the server, so the address is checked as well.
  if (config.accessOf === undefined && !isLoopback(request.peer)) {
    return refuse(403, "Without a token only peers on this machine may connect", undefined, "peer");
  }
  return undefined;
}

function offered(request: HttpRequest): string[] {
  const header = request.headers.get("sec-websocket-protocol") ?? "";
  return header.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

function tokens(request: HttpRequest): string[] {
  const bearer = /^bearer +([^\s,]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  const ofProtocol = offered(request)
    .filter((name) => name.startsWith(BEARER_PROTOCOL))
    .map((name) => name.slice(BEARER_PROTOCOL.length));
  return bearer === undefined ? ofProtocol : [bearer, ...ofProtocol];
}

function accessOf(request: HttpRequest, config: GateConfig): Access | undefined {
  if (config.accessOf === undefined) return ADMIN;
  for (const token of tokens(request)) {
    const access = config.accessOf(token);
    if (access !== undefined) return access;
  }
  return undefined;
}

/** Whether a list header has that word, in any case. */
const lists = ({ headers }: HttpRequest, header: string, name: string): boolean =>
  (headers.get(header) ?? "").split(",").some((one) => one.trim().toLowerCase() === name);

/** Sixteen bytes in base64. */
const WEBSOCKET_KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** Why a handshake makes no WebSocket (RFC 6455, 4.2). */
function badHandshake(request: HttpRequest): Refused | undefined {
  const { headers } = request;
  if (!lists(request, "connection", "upgrade")) {
    return refuse(400, "A WebSocket handshake needs the header Connection: Upgrade");
  }
  if (headers.get("sec-websocket-version") !== "13") {
    return refuse(426, "This server speaks only version 13 of WebSocket (RFC 6455)", {
      upgrade: "websocket",
      connection: "Upgrade, close",
      "sec-websocket-version": "13",
    });
  }
  if (!WEBSOCKET_KEY.test(headers.get("sec-websocket-key") ?? "")) {
    return refuse(400, "A WebSocket handshake needs one Sec-WebSocket-Key of 16 bytes in base64");
  }
  return undefined;
}

/** Decides on a request. */
export function check(request: HttpRequest, config: GateConfig): Verdict {
  const kept = foreign(request, config);
  if (kept !== undefined) return kept;
  const { method, headers } = request;
  const path = pathBelow(config.basePath ?? "", request.path);
  const expected = headers.get("expect");
  if (expected !== undefined && expected.toLowerCase() !== "100-continue") {
    return refuse(417, "This server supports only the expectation 100-continue");
  }
  const page = PAGES.get(path);
  // On Deno, a target that names another host has no path.
  const atBase = path === "" && request.path !== "";
  const root = path === "/" || atBase;
  const socket = root && method === "GET" && lists(request, "upgrade", "websocket");
  const reads = method === "GET" || method === "HEAD";
  if (!socket && reads && config.console === true) {
    // The page's addresses are relative, so they need the slash.
    if (atBase) return { kind: "redirect", location: `${request.path.split("/").at(-1)}/` };
    const file = path === "/" ? "" : CONSOLE_FILE.exec(path)?.[1];
    if (file !== undefined) return { kind: "console", file };
  }
  const asks = method === "OPTIONS" && headers.has("access-control-request-method");
  const content = CONTENT.exec(path);
  if (
    asks && (page !== undefined || content !== null) && config.allowOrigins.has(headers.get("origin") ?? "")
  ) {
    return { kind: "preflight" };
  }
  if (!socket && ((page === undefined && content === null) || !reads)) {
    return refuse(404, root ? "This is pi-server: open a WebSocket here" : "Not found");
  }
  if (page !== undefined && page !== "metrics") return { kind: "page", page };
  const access = accessOf(request, config);
  if (access === undefined) {
    return refuse(401, "Send the token of the server's state folder as: Authorization: Bearer …", {
      "www-authenticate": "Bearer",
    }, "token");
  }
  // The counters cover all sessions.
  if (page !== undefined && access.sessions !== undefined) {
    return refuse(403, "This token is for some sessions only; the metrics cover all sessions");
  }
  if (page !== undefined) return { kind: "page", page };
  if (access.scrape === true) {
    return refuse(403, "This token is for /metrics alone; connect with one that was minted with ttlMs");
  }
  const [, sessionId, hash] = content ?? [];
  if (sessionId !== undefined && hash !== undefined) {
    if (sees(access, sessionId)) return { kind: "content", access, sessionId, hash };
    return refuse(403, `This token is not for session "${sessionId}"`);
  }
  const bad = badHandshake(request);
  if (bad !== undefined) return bad;
  // The answer never repeats the bearer subprotocol, which would put the token into a response.
  return { kind: "upgrade", access, ...(offered(request).includes(PROTOCOL) ? { protocol: PROTOCOL } : {}) };
}

/** An address in the form of a Host header. Empty for a wildcard, which is not the address of a server. */
export function hostHeadersOf(address: string): string[] {
  if (address === "0.0.0.0" || address === "::") return [];
  const spellings = new Set([address.toLowerCase(), canonicalHost(address)]);
  return [...spellings].map((host) => host.includes(":") ? `[${host}]` : host);
}
