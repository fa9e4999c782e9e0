// The greeting of servers that unit tests put together.

import { createHash } from "node:crypto";
import { PageCursors } from "../../../src/server/lists/page_cursors.ts";
import type { Greeting } from "../../../src/protocol/schema/responses.ts";

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

/** The cursors of lists of a server with that greeting. */
export const CURSORS: PageCursors = new PageCursors({
  serverId: () => GREETING.data.serverId,
  secret: "secret",
  sha256: (text) => createHash("sha256").update(text).digest("base64"),
  equalTexts: (a, b) => a === b,
});
