// Does: listens for HTTP. Each request passes the gate, and then gets a page or a WebSocket.
// Used by: server.ts.
// Invariant: a page that needs much code loads it at the first request.
import type { Config } from "../config/config.ts";
import type { Governor } from "../governor/governor.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { hostHeadersOf } from "./auth/http_gate.ts";
import type { TokenStore } from "./auth/token_store.ts";
import type { Router } from "./router/router.ts";
import { WebSocketTransport } from "./transports/websocket.ts";

export interface HttpServerParts {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly router: Router;
  readonly governor: Governor;
  readonly tokens: TokenStore;
  /** False while the server drains. */
  readonly ready: () => boolean;
  /** The protocol's JSON Schema. */
  readonly schema: () => string;
}

/** Listens. Throws `ListenError` when the address is not available. */
export function listenForHttp(parts: HttpServerParts): Promise<WebSocketTransport> {
  const { config, runtime, router, governor, tokens, ready, schema } = parts;
  return WebSocketTransport.listen({
    runtime,
    router,
    governor,
    hostname: config.host,
    port: config.port,
    gate: {
      ...(config.auth
        ? { accessOf: (token: string) => tokens.accessOf(token), holds: (id: string) => tokens.holds(id) }
        : {}),
      allowOrigins: new Set(config.allowOrigins),
      allowHosts: new Set([...config.allowHosts, ...hostHeadersOf(config.host)]),
      console: config.console,
      basePath: config.basePath,
    },
    http: {
      ready,
      schema,
      metrics: async () => {
        const { prometheusPage } = await import("./transports/prometheus.ts");
        return await prometheusPage(router.serverMetrics.metrics());
      },
      console: async (file, request) => {
        const { consolePage } = await import("./transports/console_pages.ts");
        return await consolePage(file, request);
      },
    },
  });
}
