// Does: makes the first message of every connection (docs/PROTOCOL.md#the-first-message).
// Used by: the composition root, for the router.
import type { Config } from "../config/config.ts";
import type { Greeting } from "../protocol/schema/responses.ts";
import { CAPABILITIES, PI, PROTOCOL_VERSION, SERVER_VERSION } from "../protocol/version.ts";
import type { Endpoint, Transport } from "./transports/transport.ts";

/** The facts that the greeting reports. */
export interface GreetingParts {
  readonly config: Config;
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

/** The greeting at this moment. */
export function greeting(parts: GreetingParts): Greeting {
  const { config, serverId, schemaHash, transportNames, transports } = parts;
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
      pi: { package: PI.package, version: PI.version },
      capabilities: [...CAPABILITIES],
      limits: { frameBytes, sessions },
    },
  };
}
