// Who may come in over HTTP (PROTOCOL §9): Host against DNS rebinding, Origin against foreign web pages, then
// the token. A pure function of the request and the configuration, the same for upgrade and plain HTTP.
import type { HttpRequest } from "../runtime/runtime.ts";

/** What the gate checks against. */
export interface GateConfig {
  /** Absent: no token is asked for. */
  readonly token?: string;
  /** Origins let in, exactly as browsers send them. */
  readonly allowOrigins: ReadonlySet<string>;
  /** Host names let in beyond the loopback ones, in lower case, without port. */
  readonly allowHosts: ReadonlySet<string>;
  equalTexts(a: string, b: string): boolean;
}

/** Let in, perhaps with the subprotocol to answer with; or not, and why. */
export type Verdict =
  | { readonly ok: true; readonly protocol?: string }
  | { readonly ok: false; readonly status: 401 | 403; readonly reason: string };

const PROTOCOL = "pi-server.v1";
const BEARER_PROTOCOL = "pi-server.bearer.";

/** The name in a Host header, in lower case and without the port; undefined when it is not exactly one. */
export function hostName(header: string | undefined): string | undefined {
  const parts = /^(\[[0-9a-f:.]+\]|[^\s,:[\]/@]+)(?::[0-9]{1,5})?$/i.exec(header ?? "");
  return parts?.[1]?.toLowerCase();
}

/** Whether that name can only be this machine. */
export function isLoopback(name: string): boolean {
  if (name === "localhost" || name === "[::1]" || name === "::1") return true;
  const octets = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(name);
  return octets !== null && octets.slice(1).every((octet) => Number(octet) <= 255);
}

/** Checks Host and Origin, which every request must pass. */
export function checkOrigin(request: HttpRequest, config: GateConfig): Verdict {
  const host = hostName(request.headers.get("host"));
  if (host === undefined || !(isLoopback(host) || config.allowHosts.has(host))) {
    const reason =
      "The Host header names no host of this server; connect by a loopback address or --allow-host";
    return { ok: false, status: 403, reason };
  }
  const origin = request.headers.get("origin");
  if (origin !== undefined && !config.allowOrigins.has(origin)) {
    const reason =
      "Pages of this origin may not connect; start the server with --allow-origin to let them in";
    return { ok: false, status: 403, reason };
  }
  return { ok: true };
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

/** Checks everything that a WebSocket must bring along. */
export function checkUpgrade(request: HttpRequest, config: GateConfig): Verdict {
  const origin = checkOrigin(request, config);
  if (!origin.ok) return origin;
  const { token } = config;
  if (token !== undefined && !tokens(request).some((given) => config.equalTexts(given, token))) {
    const reason = "Send the token of the server's state folder as: Authorization: Bearer …";
    return { ok: false, status: 401, reason };
  }
  // The bearer subprotocol is never echoed: it would put the token into a response.
  return offered(request).includes(PROTOCOL) ? { ok: true, protocol: PROTOCOL } : { ok: true };
}
