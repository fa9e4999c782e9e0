import { assertEquals } from "@std/assert";
import { Claims } from "../../../../src/server/cluster/claims.ts";
import type { Heir } from "../../../../src/server/cluster/shared/heir.ts";
import {
  HELD_MS,
  leaseKey,
  NodeLease,
  parseLease,
  TAKEN_MS,
} from "../../../../src/server/cluster/shared/node_lease.ts";
import { Takeover } from "../../../../src/server/cluster/shared/takeover.ts";
import { FakeClock } from "../../../support/base/fake_clock.ts";
import { FakeBucket, type FakeBus } from "../fake_bus.ts";

const LOG = { debug() {}, info() {}, warn() {}, error() {} };

/** A node with sessions, a clock of its own, and its connection to the bucket. */
class Node {
  readonly clock = new FakeClock();
  readonly sessions = new Set<string>();
  readonly said: string[] = [];
  readonly bus: FakeBus;
  readonly claims: Claims;
  readonly lease: NodeLease;
  readonly takeover: Takeover;
  /** Milliseconds in which the process stood still. */
  slept = 0;
  onOpen: () => void | Promise<void> = () => {};
  onPrepare: () => void | Promise<void> = () => {};

  readonly name: string;

  constructor(name: string, bucket: FakeBucket, instance = `i-${name}`) {
    this.name = name;
    const { clock } = this;
    this.bus = bucket.connect((key, value) => {
      this.claims.changed(key, value);
      this.takeover.changed(key, value);
    });
    this.claims = new Claims({
      ...{ bus: this.bus, log: LOG, self: { node: name, state: `s-${name}` } },
      local: { ids: () => [...this.sessions], has: (id) => this.sessions.has(id), isCopy: () => false },
      mayOwn: () => this.lease.valid,
      moved: () => {},
    });
    this.lease = new NodeLease({
      ...{ bus: this.bus, log: LOG, node: name, clock },
      steady: () => clock.monotonic() + this.slept,
      self: { instance, state: `s-${name}`, folder: `/${name}`, host: name },
      onLost: () => void this.said.push("lost"),
      onBack: async (over) => {
        for (const id of await this.claims.confirmAll(over)) this.sessions.delete(id);
        this.said.push(`back with ${[...this.sessions]}`);
      },
    });
    const heir: Heir = {
      open: async () => {
        await this.onOpen();
        return {
          prepare: async (ids) => {
            await this.onPrepare();
            return ids;
          },
          commit: (id) => {
            this.sessions.add(id);
            this.said.push(`took ${id}`);
          },
          undo: (id) => Promise.resolve(void this.said.push(`undid ${id}`)),
        };
      },
    };
    const { bus, claims, lease } = this;
    this.takeover = new Takeover({ bus, clock, log: LOG, node: name, claims, lease, heir, rank: () => 0 });
  }

  async begin(...sessions: string[]): Promise<void> {
    await this.lease.acquire();
    for (const id of sessions) {
      await this.claims.claim(id, false);
      this.sessions.add(id);
    }
    this.takeover.start();
  }

  async end(): Promise<void> {
    this.takeover.stop();
    await this.lease.close();
  }
}

const all = (ms: number, ...nodes: Node[]) => Promise.all(nodes.map(({ clock }) => clock.advance(ms)));

/** Advances in small steps, so that the nodes see each other's words in time. */
async function pass(ms: number, ...nodes: Node[]): Promise<void> {
  for (let at = 0; at < ms; at += 500) await all(500, ...nodes);
}

/** The owner of a session by the bucket, and all nodes that hold it with a valid lease. */
function whoHas(bucket: FakeBucket, id: string, ...nodes: Node[]): [string | undefined, string[]] {
  const { value } = bucket.entries.get(`session.${id}`) ?? {};
  const holders = nodes.filter((node) => node.sessions.has(id) && node.lease.valid).map(({ name }) => name);
  return [value === undefined ? undefined : JSON.parse(value).node, holders];
}

Deno.test("lease: a living node keeps its sessions for ever", async () => {
  const bucket = new FakeBucket();
  const [a, b] = [new Node("a", bucket), new Node("b", bucket)];
  await a.begin("s");
  await b.begin();
  await pass(60_000, a, b);
  assertEquals(whoHas(bucket, "s", a, b), ["a", ["a"]]);
  assertEquals([a.said, b.said], [[], []]);
  await Promise.all([a.end(), b.end()]);
});

Deno.test("lease: a dead node's session is taken over after the whole lease, and not before", async () => {
  const bucket = new FakeBucket();
  const [a, b] = [new Node("a", bucket), new Node("b", bucket)];
  await a.begin("s");
  await b.begin();
  await pass(4_000, a, b);
  // From its last renewal on.
  await pass(TAKEN_MS - 2_500, b);
  assertEquals(b.said, []);
  await pass(6_000, b);
  assertEquals(b.said, ["took s"]);
  assertEquals(whoHas(bucket, "s", b), ["b", ["b"]]);
  assertEquals(JSON.parse(bucket.entries.get("session.s")?.value ?? "").past, ["s-a"]);
  assertEquals(parseLease(bucket.entries.get(leaseKey("a"))?.value)?.over, "b");
  await Promise.all([a.end(), b.end()]);
});

Deno.test("lease: a node that cannot renew stops before others may take its sessions", async () => {
  const bucket = new FakeBucket();
  const [a, b] = [new Node("a", bucket), new Node("b", bucket)];
  await a.begin("s");
  await b.begin();
  await pass(4_000, a, b);
  a.bus.connected = false;
  for (let at = 0; at < HELD_MS + 500; at += 500) {
    assertEquals(b.said, []);
    await all(500, a, b);
  }
  assertEquals([a.said, a.lease.valid], [["lost"], false]);
  assertEquals((await a.claims.claim("new", true))?.code, "node_unavailable");
  await pass(10_000, a, b);
  assertEquals([b.said, whoHas(bucket, "s", a, b)], [["took s"], ["b", ["b"]]]);
  a.bus.connected = true;
  await pass(3_000, a, b);
  assertEquals([a.said, a.lease.valid], [["lost", "back with "], true]);
  assertEquals(whoHas(bucket, "s", a, b), ["b", ["b"]]);
  await Promise.all([a.end(), b.end()]);
});

Deno.test("lease: without another node a loss of NATS costs the runs, and no session", async () => {
  const bucket = new FakeBucket();
  const a = new Node("a", bucket);
  await a.begin("s");
  a.bus.connected = false;
  await pass(60_000, a);
  assertEquals(a.lease.valid, false);
  a.bus.connected = true;
  await pass(2_000, a);
  assertEquals([a.said, whoHas(bucket, "s", a)], [["lost", "back with s"], ["a", ["a"]]]);
  await a.end();
});

Deno.test("lease: a process that stood still has no valid lease from its first look at the clock on", async () => {
  const bucket = new FakeBucket();
  const [a, b] = [new Node("a", bucket), new Node("b", bucket)];
  await a.begin("s");
  await b.begin();
  await pass(4_000, a, b);
  a.slept += 25_000;
  await pass(25_000, b);
  assertEquals(b.said, ["took s"]);
  // Its timers have not run yet: this is what a command meets that came meanwhile.
  assertEquals([a.lease.valid, a.lease.until], [false, 0]);
  await pass(3_000, a, b);
  assertEquals([a.said, whoHas(bucket, "s", a, b)], [["lost", "back with "], ["b", ["b"]]]);
  await Promise.all([a.end(), b.end()]);
});

Deno.test("lease: a session that was taken over and deleted there does not come back with its old node", async () => {
  const bucket = new FakeBucket();
  const [a, b] = [new Node("a", bucket), new Node("b", bucket)];
  await a.begin("s", "t");
  await b.begin();
  await pass(4_000, a, b);
  a.slept += 25_000;
  await pass(25_000, b);
  assertEquals([...b.sessions].toSorted(), ["s", "t"]);
  b.sessions.delete("s");
  await b.claims.release("s");
  await pass(3_000, a, b);
  assertEquals([a.said, [...a.sessions], bucket.entries.has("session.s")], [
    ["lost", "back with "],
    [],
    false,
  ]);
  await Promise.all([a.end(), b.end()]);
});

Deno.test("lease: a bucket that was lost costs no session", async () => {
  const bucket = new FakeBucket();
  const a = new Node("a", bucket);
  await a.begin("s");
  a.bus.connected = false;
  await pass(20_000, a);
  for (const key of [...bucket.entries.keys()]) bucket.set(key, undefined);
  a.bus.connected = true;
  await pass(2_000, a);
  assertEquals([a.said, whoHas(bucket, "s", a)], [["lost", "back with s"], ["a", ["a"]]]);
  await a.end();
});

Deno.test("lease: a wall clock that jumps ends nothing, but nothing begins before the next renewal", async () => {
  const bucket = new FakeBucket();
  const a = new Node("a", bucket);
  await a.begin("s");
  a.clock.setWall(3_600_000);
  assertEquals(a.lease.valid, false);
  await pass(1_000, a);
  assertEquals([a.lease.valid, a.said], [true, []]);
  a.clock.setWall(-7_200_000);
  await pass(1_000, a);
  assertEquals([a.lease.valid, a.said], [true, []]);
  await a.end();
});

Deno.test("lease: a node that comes back before its sessions are taken keeps them", async () => {
  for (const step of ["onOpen", "onPrepare"] as const) {
    const bucket = new FakeBucket();
    const [a, b] = [new Node("a", bucket), new Node("b", bucket)];
    await a.begin("s");
    await b.begin();
    await pass(4_000, a, b);
    a.slept += 25_000;
    // The other node is as slow as can be: this one returns before the claims are read, or after that.
    b[step] = () => pass(3_000, a);
    await pass(25_000, b);
    assertEquals([a.said, b.said], [["lost", "back with s"], ["undid s"]], step);
    assertEquals(whoHas(bucket, "s", a, b), ["a", ["a"]]);
    await Promise.all([a.end(), b.end()]);
  }
});

Deno.test("lease: a claim that is taken at the last moment has one owner, whichever node was quicker", async () => {
  for (const quick of ["the owner", "the other"]) {
    const bucket = new FakeBucket();
    const [a, b] = [new Node("a", bucket), new Node("b", bucket)];
    await a.begin("s");
    await b.begin();
    await pass(4_000, a, b);
    a.slept += 25_000;
    let once = true;
    // Both have read the claim, and the change of one is held back until the other is through.
    const [slow, other] = quick === "the owner" ? [b, a] : [a, b];
    slow.bus.before = async (key) => {
      if (key !== "session.s" || !once) return;
      once = false;
      await pass(4_000, other);
    };
    if (quick === "the owner") await pass(25_000, b);
    else {
      b.onPrepare = () => {
        void a.clock.advance(3_000);
      };
      await pass(25_000, b);
    }
    await pass(5_000, a, b);
    const [owner, holders] = whoHas(bucket, "s", a, b);
    assertEquals(holders, [owner], quick);
    await Promise.all([a.end(), b.end()]);
  }
});

Deno.test("lease: of two nodes that take over, each session has one, and a third one follows when that dies", async () => {
  const bucket = new FakeBucket();
  const [a, b, c] = [new Node("a", bucket), new Node("b", bucket), new Node("c", bucket)];
  await a.begin("s", "t");
  await b.begin();
  await c.begin();
  await pass(4_000, a, b, c);
  await pass(30_000, b, c);
  for (const id of ["s", "t"]) {
    const [owner, holders] = whoHas(bucket, id, b, c);
    assertEquals(holders, [owner]);
  }
  const first = b.sessions.size > 0 ? b : c;
  const last = first === b ? c : b;
  assertEquals([first.sessions.size, last.sessions.size], [2, 0]);
  await pass(30_000, last);
  assertEquals([...last.sessions].toSorted(), ["s", "t"]);
  assertEquals(JSON.parse(bucket.entries.get("session.s")?.value ?? "").past, ["s-a", `s-${first.name}`]);
  await Promise.all([a.end(), b.end(), c.end()]);
});

Deno.test("lease: a start on another machine waits for the lease of the one before, unless that gave it back", async () => {
  const bucket = new FakeBucket();
  const a = new Node("a", bucket);
  await a.begin("s");
  const moved = new Node("a", bucket, "second");
  let held = false;
  const other = new NodeLease({
    ...{ bus: moved.bus, log: LOG, node: "a", clock: moved.clock },
    steady: () => moved.clock.monotonic(),
    self: { instance: "second", state: "s-a", folder: "/a", host: "elsewhere" },
    onLost: () => {},
    onBack: () => Promise.resolve(),
  });
  const acquired = other.acquire().then((over) => {
    held = true;
    return over;
  });
  await pass(20_000, a, moved);
  assertEquals([held, a.lease.valid], [false, true]);
  await pass(TAKEN_MS + 1_000, moved);
  assertEquals(await acquired, false);
  // The one before is out, whenever it looks again.
  await pass(1_000, a);
  a.slept += 30_000;
  await pass(3_000, a, moved);
  assertEquals([a.lease.valid, other.valid], [false, true]);
  await other.close();
  await a.end();
  assertEquals(parseLease(bucket.entries.get(leaseKey("a"))?.value)?.free, true);
});
