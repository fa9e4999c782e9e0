// Ends a bench's server, gently or not, and starts the next one on the same home; what the tests of durability share.

import { arrayAt, type JsonObject, stringAt } from "../base/json.ts";
import type { StartOptions } from "./server_process.ts";
import type { Wire, WsWire } from "../wire/wire_client.ts";
import type { Bench } from "../../conformance/suite.ts";

/** Starts a server where one has died or ended; the old one's address must not be taken for the new one's. */
export async function again(bench: Bench, args: string[] = [], options: StartOptions = {}): Promise<WsWire> {
  for (const wire of bench.wires) wire.mayLoseResponses = true;
  await Deno.remove(`${bench.home.stateDir}/endpoint.json`).catch(() => {});
  await bench.start(args, options);
  return await bench.connect(`life${bench.servers.length}`);
}

/** Kills the server and starts the next one. */
export async function reborn(bench: Bench, args: string[] = [], options: StartOptions = {}): Promise<WsWire> {
  for (const wire of bench.wires) wire.mayLoseResponses = true;
  await bench.server.kill();
  return await again(bench, args, options);
}

/** The state of a session, which is made again where the server has not brought it back. */
export async function stateAfter(wire: Wire, sessionId: string): Promise<JsonObject> {
  const { sessions } = await wire.ok({ type: "list_sessions" });
  const known = arrayAt({ sessions: sessions ?? [] }, "sessions").some((one) =>
    stringAt(one, "sessionId") === sessionId
  );
  if (!known) await wire.ok({ type: "create_session", sessionId });
  return await wire.ok({ type: "get_state", sessionId });
}
