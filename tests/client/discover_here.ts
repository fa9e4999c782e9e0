// Tells what the client finds for each place of a JSON list, in a process of its own: the home is the environment's.

import { discover } from "../../src/client/transports/discover.ts";

if (import.meta.main) {
  const places: Parameters<typeof discover>[0][] = JSON.parse(Deno.args[0] ?? "[]");
  console.log(JSON.stringify(await Promise.all(places.map(discover))));
}
