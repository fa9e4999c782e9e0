// An unauthenticated peer gets a slot among a few, and ten seconds (docs/SECURITY.md).

import { assertEquals } from "@std/assert";
import { encode, Flood, STRANGERS } from "../../support/network/flood.ts";
import { deadline } from "../../support/base/wait.ts";
import { alone } from "../suite.ts";

/** Peers that come at the same time. */
const AT_ONCE = 100;

alone("strangers: one loses its place to newer ones, and none outstays its time", async (bench) => {
  await bench.start();
  const { port } = await bench.server.endpoint();
  using first = await Deno.connect({ hostname: "127.0.0.1", port });
  await first.write(encode("GET / HT"));
  const gone = first.read(new Uint8Array(1)).catch(() => null);
  using flood = new Flood([encode("G")]);
  while (flood.size < STRANGERS) await flood.grow(port, Math.min(AT_ONCE, STRANGERS - flood.size));
  assertEquals(await deadline(gone, 5_000, () => "the first stranger to lose its place"), null);
  using last = await Deno.connect({ hostname: "127.0.0.1", port });
  await last.write(encode("GET /healthz HTTP/1.1\r\nX-Slow: "));
  assertEquals(
    await deadline(last.read(new Uint8Array(1)).catch(() => null), 20_000, () => "its time to be over"),
    null,
  );
});
