// A flood of peers that nobody let in (docs/SECURITY.md): silent ones, half requests, slow headers, wrong tokens.
// Who is in works on, and who has the token comes in. Bounded in number and time; the long form with 10,000 peers
// is `PI_SERVER_FLOOD=10000`, which needs as many descriptors (`ulimit -n`) here and in the server.

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { text } from "../support/model_server.ts";
import { commandOf } from "../support/server_process.ts";
import { deadline, until } from "../support/wait.ts";
import type { Wire } from "../support/wire_client.ts";
import { alone, type Bench, settled } from "./suite.ts";

const PEERS = Number(Deno.env.get("PI_SERVER_FLOOD") ?? 1_600);
/** Peers that come at the same time. */
const AT_ONCE = 100;

/** Most strangers that are waited for at once. */
const STRANGERS = 512;

const encode = (request: string): Uint8Array => new TextEncoder().encode(request);

/** What the peers say once they are connected; each kind in turn. */
const SAYINGS: readonly Uint8Array[] = [
  "",
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
  "G",
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: Bearer wrong\r\n\r\n",
  "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n{",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
].map(encode);

/** Many peers, who stay until the end and send a byte of a header now and then. */
class Flood implements Disposable {
  readonly #sayings: readonly Uint8Array[];
  readonly #peers: Deno.Conn[] = [];
  #came = 0;

  constructor(sayings = SAYINGS) {
    this.#sayings = sayings;
  }

  /** How many are connected, as far as they know. */
  get size(): number {
    return this.#peers.length;
  }

  /** More of them; those that are refused are not counted. */
  async grow(port: number, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, async () => {
      const saying = this.#sayings[this.#came++ % this.#sayings.length] ?? encode("");
      try {
        const peer = await Deno.connect({ hostname: "127.0.0.1", port });
        this.#peers.push(peer);
        await peer.write(saying);
      } catch {
        // The server has had enough of them.
      }
    }));
  }

  /** Every slow one sends one byte more. */
  async drip(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.write(encode("a")).catch(() => {})));
  }

  [Symbol.dispose](): void {
    for (const peer of this.#peers.splice(0)) {
      try {
        peer.close();
      } catch {
        // It was gone already.
      }
    }
  }
}

/** Who has the token comes in, perhaps not at the first try. */
async function comesIn(bench: Bench, name: string): Promise<void> {
  await until(
    async () => {
      try {
        const wire = await bench.connect(name);
        await wire.ok({ type: "ping" });
        return true;
      } catch {
        return false;
      }
    },
    30_000,
    () => `${name} did not come in`,
  );
}

/** Asks again and again until told to stop; returns the slowest answer, in milliseconds. */
async function pings(wire: Wire, over: AbortSignal): Promise<number> {
  let slowest = 0;
  while (!over.aborted) {
    const asked = performance.now();
    await wire.ok({ type: "ping" });
    slowest = Math.max(slowest, performance.now() - asked);
    await delay(1);
  }
  return slowest;
}

/** Descriptors that the server has open. */
const descriptors = (bench: Bench): number => [...Deno.readDirSync(`/proc/${bench.server.pid}/fd`)].length;

alone(
  `flood: ${PEERS} strangers, slow ones too, and who has the token works on and comes in`,
  async (bench) => {
    await bench.start();
    const wire = await bench.connect("inside");
    const { id } = await bench.session(wire);
    const { port } = await bench.server.endpoint();
    const before = descriptors(bench);
    using flood = new Flood();
    const over = new AbortController();
    const asking = pings(wire, over.signal);
    while (flood.size < PEERS) {
      const had = flood.size;
      await flood.grow(port, Math.min(AT_ONCE, PEERS - had));
      assert(flood.size > had, `the flood stopped at ${had}; is ulimit -n high enough?`);
      await flood.drip();
    }
    await comesIn(bench, "newcomer");
    over.abort();
    const slowest = await asking;
    const held = descriptors(bench) - before;
    // A few may be on their way out, or have been accepted and not looked at yet.
    assert(held < STRANGERS + 2 * AT_ONCE, `the server holds ${held} of ${flood.size} peers`);
    const marker = bench.name("flood");
    bench.model.script(marker, text(["dry"]));
    assertEquals((await settled(wire, id, marker)).text, "dry");
    assertEquals((await wire.ok({ type: "bash", sessionId: id, command: "echo fine" })).output, "fine\n");
    console.log(`flood: ${flood.size} peers, ${held} held, slowest ping ${slowest.toFixed(0)} ms`);
  },
);

alone(
  "flood: when descriptors run out who is in works on, and afterwards all is as before",
  async (bench) => {
    const { program, args } = commandOf();
    const limited = ["-c", 'ulimit -n 256; exec "$0" "$@"', program, ...args];
    await bench.start([], { command: { program: "sh", args: limited } });
    const wire = await bench.connect("inside");
    const { id } = await bench.session(wire);
    const { port } = await bench.server.endpoint();
    {
      using flood = new Flood();
      for (let round = 0; round < 5; round++) {
        await flood.grow(port, AT_ONCE);
        await wire.ok({ type: "ping" });
        await wire.ok({ type: "get_state", sessionId: id });
      }
      await wire.ok({ type: "ping" });
    }
    await comesIn(bench, "afterwards");
    const marker = bench.name("flood");
    bench.model.script(marker, text(["dry"]));
    assertEquals((await settled(wire, id, marker)).text, "dry");
  },
);

alone("flood: a stranger loses its place to newer ones, and none outstays its time", async (bench) => {
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
