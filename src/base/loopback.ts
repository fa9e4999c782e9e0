// Does: decides whether a host name or an address can only be this machine.
// Used by: the configuration, the HTTP gate and the client.
// Invariant: one rule for the whole product, because the answer decides about access without a token.

/** `[::ffff:127.0.0.1]` and the like as the URL standard writes them. */
const MAPPED_LOOPBACK = /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/;

/**
 * The one spelling of a host name or an address: lower case, IPv6 without brackets and as short as it can be.
 *
 * @param host a name, an IPv4 address, or an IPv6 address with or without brackets
 */
export function canonicalHost(host: string): string {
  const name = host.toLowerCase();
  const bare = /^\[[^\[\]]*\]$/.test(name) ? name.slice(1, -1) : name;
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/.test(bare) || !URL.canParse(`http://[${bare}]/`)) return name;
  return new URL(`http://[${bare}]/`).hostname.slice(1, -1);
}

/**
 * Whether only programs on this machine can reach that address.
 *
 * @param host a name, an IPv4 address, or an IPv6 address with or without brackets; without a port
 */
export function isLoopback(host: string): boolean {
  const name = canonicalHost(host);
  if (name === "localhost" || name === "::1") return true;
  if (MAPPED_LOOPBACK.test(`[${name}]`)) return true;
  const octets = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(name);
  return octets !== null && octets.slice(1).every((octet) => Number(octet) <= 255);
}
