// What this server is and speaks: its own version, the protocol's version and the pi it is built on.
// Pure constants; `tests/protocol/version_test.ts` holds them to deno.json and to the installed pi.

/** Version of pi-server itself (`version` in deno.json). */
export const SERVER_VERSION: string = "0.1.0";

/** `MAJOR.MINOR` of the wire protocol; minor versions only add (docs/PROTOCOL.md#the-first-message). */
export const PROTOCOL_VERSION: string = "1.0";

export { PI } from "./pi_package.ts";

/** What a client may rely on beyond the plain commands (docs/PROTOCOL.md#the-first-message). Grows as parts are built. */
export const CAPABILITIES: readonly string[] = [
  "subscribe",
  "replay",
  "snapshot",
  "delta",
  "idempotency",
  "pending_ui",
  "restore",
];

/** Picks the protocol version to speak, or `undefined` when no offered major is spoken here. */
export function negotiate(offered: readonly string[] | undefined): string | undefined {
  if (offered === undefined) return PROTOCOL_VERSION;
  const major = PROTOCOL_VERSION.split(".")[0];
  return offered.some((version) => version.split(".")[0] === major) ? PROTOCOL_VERSION : undefined;
}
