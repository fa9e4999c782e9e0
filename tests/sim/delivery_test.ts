// Nothing missed, nothing twice (docs/PROTOCOL.md#coming-back): over a thousand seeded schedules of streaming, slow reading,
// dropped connections and resubscription, what a client ends up with equals what the session did.
import { assert, assertEquals } from "@std/assert";
import { Peer, random, rest, World } from "./world.ts";
import { Reader } from "./reader.ts";
import { Script } from "./script.ts";

const RUNS = 1_000;
const STEPS = 120;

/** Small enough that every stage is reached: merging, lagging, and a log that has moved on. */
const LIMITS = { outboxSoftBytes: 300, outboxHardBytes: 1_500, eventLogBytes: 4_000 };

interface Life {
  readonly world: World;
  readonly reader: Reader;
  readonly dice: () => number;
  peer: Peer;
  connection: ReturnType<World["connect"]>;
}

/** The network holds nothing back here: the outbox is what fills up. */
class NarrowPeer extends Peer {
  override get buffered(): number {
    const held = super.buffered;
    return held > 400 ? Number.MAX_SAFE_INTEGER : held;
  }
}

async function connect(life: Life): Promise<void> {
  life.peer = new NarrowPeer();
  life.connection = life.world.connect(life.peer);
  life.world.send(life.connection, life.reader.request());
  await rest();
}

function read(life: Life, most: number): void {
  for (const message of life.peer.read(most)) {
    life.reader.take(message);
  }
}

async function step(life: Life, script: Script): Promise<void> {
  const { dice, reader, world } = life;
  const what = dice();
  if (what < 0.72) { for (let n = Math.ceil(dice() * 6); n > 0; n--) world.emit(script.next()); }
  else if (what < 0.9) read(life, Math.ceil(dice() * 12));
  else if (what < 0.94) {
    world.router.closed(life.connection);
    reader.lost();
    await connect(life);
  } else if (what < 0.97 || reader.lagging) {
    read(life, Math.floor(dice() * 20));
    world.send(life.connection, reader.request());
  } else await world.clock.advance(5);
  await rest();
}

async function live(seed: number, seen: Record<string, number>): Promise<void> {
  const dice = random(seed);
  const script = new Script(dice);
  const world = new World(script.port(), LIMITS);
  const maker = new Peer();
  world.send(world.connect(maker), { type: "create_session", sessionId: "s" });
  await rest();
  const peer = new Peer();
  const life: Life = { world, reader: new Reader(), dice, peer, connection: world.connect(peer) };
  for (let before = Math.floor(dice() * 30); before > 0; before--) world.emit(script.next());
  await connect(life);
  for (let at = 0; at < STEPS; at++) await step(life, script);
  // Everything comes to rest, and the client catches up.
  await world.clock.advance(10);
  for (let tries = 0; tries < 50; tries++) {
    read(life, Number.MAX_SAFE_INTEGER);
    if (life.reader.lagging) world.send(life.connection, life.reader.request());
    await world.clock.advance(5);
  }
  const { reader } = life;
  assertEquals(reader.messages, JSON.parse(JSON.stringify(script.messages)));
  assertEquals(reader.streaming, script.streaming?.replace("→", ""));
  assertEquals([...reader.tools], [...script.tools]);
  assertEquals(reader.queue, script.queue);
  for (const [name, count] of Object.entries(reader.seen)) seen[name] = (seen[name] ?? 0) + count;
  world.close();
}

Deno.test(`${RUNS} random schedules: what a client ends up with is what the session did`, async () => {
  const seen: Record<string, number> = {};
  for (let seed = 1; seed <= RUNS; seed++) {
    await live(seed, seen).catch((error) => {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    });
  }
  // The schedules are worth something only if they reach everything.
  for (const name of ["replay", "snapshot", "lagged", "coalesced"]) {
    assert((seen[name] ?? 0) > RUNS / 10, `${name} came up ${seen[name]} times only`);
  }
});
