// Does: makes the first message of every connection (docs/PROTOCOL.md#the-first-message).
// Used by: the composition root, for the router.
import type { Config } from "../config/config.ts";
import type { Greeting } from "../protocol/schema/responses.ts";
import { CAPABILITIES, PROTOCOL_VERSION, SERVER_VERSION } from "../protocol/version.ts";
import { type Engine, PI_PACKAGES } from "../protocol/pi_package.ts";
import type { Endpoint, Transport } from "./transports/transport.ts";

/** The facts that the greeting reports. */
export interface GreetingParts {
  readonly config: Config;
  readonly engine: Engine;
  readonly serverId: string;
  readonly schemaHash: string;
  readonly transportNames: readonly string[];
  /** They come up one by one. */
  readonly transports: readonly Transport[];
}

/** Where clients can reach the server now. */
export function endpointsOf(transports: readonly Transport[]): Endpoint[] {
  return transports.flatMap(({ endpoints }) => [...endpoints]);
}

/** Where clients of other machines can reach the server: a bind to all addresses has the machine's name. */
export function addressOf(url: string | undefined, host: string, machine: string): string | undefined {
  if (url === undefined || !["0.0.0.0", "::"].includes(host)) return url;
  const address = new URL(url);
  address.hostname = machine;
  return address.href;
}

/** The greeting at this moment. */
export function greeting(parts: GreetingParts): Greeting {
  const { config, engine, serverId, schemaHash, transportNames, transports } = parts;
  const { frameBytes, sessions } = config.limits;
  return {
    type: "server_ready",
    data: {
      version: SERVER_VERSION,
      protocolVersion: PROTOCOL_VERSION,
      serverId,
      transports: [...transportNames],
      endpoints: endpointsOf(transports).map(({ transport, url }) => ({ transport, url })),
      schemaHash,
      pi: { package: PI_PACKAGES[engine].package, version: PI_PACKAGES[engine].version },
      capabilities: [...CAPABILITIES, ...PI_PACKAGES[engine].capabilities],
      limits: { frameBytes, sessions },
    },
  };
}
