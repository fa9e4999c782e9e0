// Does: readies fetch of a thread on Node for the user's network.
// Used by: node.ts. Uses: proxy_dispatcher.ts, loaded on demand. Node itself reads `NODE_EXTRA_CA_CERTS`.

/** Installs the dispatcher for every later fetch of this thread; `warn` gets a sentence for the operator. */
export async function followProxies(warn: (text: string) => void): Promise<void> {
  const { installDispatcher } = await import("./proxy_dispatcher.ts");
  installDispatcher(warn);
}
