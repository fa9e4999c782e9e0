// Does: readies fetch of a thread on Node for the user's network.
// Used by: node.ts. Uses: proxy_dispatcher.ts, loaded on demand. Node itself reads `NODE_EXTRA_CA_CERTS`.
import process from "node:process";
import { PROXY_NAMES } from "../no_proxy.ts";

/** Installs the dispatcher for every later fetch of this thread; `warn` gets a sentence for the operator. */
export async function followProxies(warn: (text: string) => void, proxy?: string): Promise<void> {
  if (proxy !== undefined) { for (const name of PROXY_NAMES) process.env[name] ??= proxy; }
  const { installDispatcher } = await import("./proxy_dispatcher.ts");
  installDispatcher(warn);
}
