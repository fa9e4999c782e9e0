// Does: the versions of this server and of the protocol, and the capabilities. Pure.
// Used by: the greeting. Invariant: tests/protocol/version_test.ts compares them with deno.json and the installed pi.

/** Version of pi-server itself (`version` in deno.json). */
export const SERVER_VERSION: string = "0.1.0";

/** `MAJOR.MINOR` of the wire protocol. Minor versions only add (docs/PROTOCOL.md#the-first-message). */
export const PROTOCOL_VERSION: string = "1.0";

/** Features that a client may use beside the plain commands. An engine adds its own (pi_package.ts). See docs/PROTOCOL.md#the-first-message. */
export const CAPABILITIES: readonly string[] = [
  "subscribe",
  "replay",
  "snapshot",
  "delta",
  "idempotency",
  "pending_ui",
  "restore",
  "thinking_levels",
  "entries",
  "refs",
  "catalogue",
];

/** The protocol version of the connection. Undefined when the server speaks no offered major version. */
export function negotiate(offered: readonly string[] | undefined): string | undefined {
  if (offered === undefined) return PROTOCOL_VERSION;
  const major = PROTOCOL_VERSION.split(".")[0];
  return offered.some((version) => version.split(".")[0] === major) ? PROTOCOL_VERSION : undefined;
}
