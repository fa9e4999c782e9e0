// A second server with the same home and a state folder of its own, for tests of what servers share.

import type { Bench } from "../../conformance/suite.ts";
import { stringAt } from "../base/json.ts";
import { ServerProcess } from "./server_process.ts";
import { until } from "../base/wait.ts";
import { WsWire } from "../wire/wire_client.ts";

/** A server over the same sessions with a state folder of its own. */
export async function secondServer(
  bench: Bench,
  args: string[] = [],
): Promise<{ wire: WsWire; server: ServerProcess }> {
  const stateDir = `${bench.home.dir}/state-2`;
  const server = ServerProcess.spawn(bench.home, { args: ["--state-dir", stateDir, ...args] });
  bench.servers.push(server);
  const read = (name: string) => Deno.readTextFile(`${stateDir}/${name}`).catch(() => "");
  const endpoint = await until(
    async () => await read("endpoint.json") || undefined,
    60_000,
    () => server.stderr,
  );
  const wire = await WsWire.connect(
    stringAt(JSON.parse(endpoint), "url"),
    (await read("token")).trim(),
    "second",
  );
  bench.wires.push(wire);
  return { wire, server };
}
