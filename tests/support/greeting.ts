// The greeting of servers that unit tests put together.

import type { Greeting } from "../../src/protocol/schema/responses.ts";

/** A valid greeting that says as little as possible. */
export const GREETING: Greeting = {
  type: "server_ready",
  data: {
    version: "0",
    protocolVersion: "1.0",
    serverId: "s",
    transports: [],
    endpoints: [],
    schemaHash: "h",
    pi: { package: "p", version: "0" },
    capabilities: [],
    limits: { frameBytes: 1, sessions: 1 },
  },
};
