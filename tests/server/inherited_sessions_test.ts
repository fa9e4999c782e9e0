// What a dead node has left, on a real disk: an heir that crashes between the copy of a session and its claim, or
// between the claim and the rest, leaves one owner, every message once, and every key.
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { withDefaults } from "../../src/governor/limits.ts";
import { Governor } from "../../src/governor/governor.ts";
import { type Command, specOf } from "../../src/protocol/schema/commands.ts";
import { runtime } from "../../src/runtime/deno/deno.ts";
import { Claims } from "../../src/server/cluster/claims.ts";
import type { Estate } from "../../src/server/cluster/shared/heir.ts";
import { inheritedSessions } from "../../src/server/inherited_sessions.ts";
import { CommandJournal } from "../../src/server/journal/command_journal.ts";
import { SessionManager } from "../../src/server/manager/session_manager.ts";
import { FileLeases } from "../../src/server/state/file_leases.ts";
import { SessionStore } from "../../src/server/state/session_store.ts";
import { StateFolder } from "../../src/server/state/state_folder.ts";
import { FakeClock } from "../support/base/fake_clock.ts";
import { until } from "../support/base/wait.ts";
import { FakeBucket } from "./cluster/fake_bus.ts";
import { CONFIG, FakeAsker, keptLog, recordOf, ScriptedWorkers } from "./manager/fakes.ts";

const { files } = runtime;
const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");

/** The command that has run on the dead node. */
const RAN = { type: "set_session_name", sessionId: "s", name: "n", idempotencyKey: "ran" } as Command;

/** One start of a node over its state folder. */
class Server {
  readonly name: string;
  readonly folder: string;
  readonly log = keptLog().log;
  readonly clock = new FakeClock();
  readonly store: SessionStore;
  readonly journal: CommandJournal;
  readonly manager: SessionManager;
  readonly claims: Claims;
  readonly told: string[] = [];
  #estate: Estate | undefined;

  private constructor(name: string, folder: string, state: string, bucket: FakeBucket) {
    const { clock, log } = this;
    [this.name, this.folder] = [name, folder];
    this.store = new SessionStore({ files, clock, log, folder: files.join(folder, "sessions"), sha256 });
    this.journal = new CommandJournal({ clock, log, limits: withDefaults({}), sha256 });
    this.manager = new SessionManager({
      ...{ clock, log, config: CONFIG, workers: 1, isolation: "shared", starts: 1 },
      uuid: () => runtime.uuid(),
      governor: new Governor(withDefaults({})),
      start: new ScriptedWorkers().start,
      journal: this.journal,
    });
    this.claims = new Claims({
      ...{ log, self: { node: name, state }, mayOwn: () => true, moved: () => {} },
      bus: bucket.connect((key, value) => this.claims.changed(key, value)),
      local: {
        ids: () => this.manager.sessionOrder("activity"),
        has: (id) => this.manager.has(id),
        isCopy: (id) => this.manager.isCopy(id),
      },
    });
    for (const [key, { value }] of bucket.entries) this.claims.changed(key, value);
  }

  static async start(name: string, root: string, bucket: FakeBucket): Promise<Server> {
    const folder = `${root}/${name}`;
    await Deno.mkdir(folder, { recursive: true });
    if (await files.stat(`${folder}/id`) === undefined) await Deno.writeTextFile(`${folder}/id`, name);
    const server = new Server(name, folder, await idOf(folder), bucket);
    await server.journal.open({ files, folder, policy: "always" });
    server.manager.restore(server.store, await server.store.load(true));
    return server;
  }

  /** As `Cluster.start` does: drops what another node has. */
  begin(): void {
    assertEquals(this.claims.collision(), undefined);
    for (const sessionId of this.claims.taken) this.manager.forget(sessionId);
  }

  async open(dead: string): Promise<Estate> {
    const { log, clock, store, journal } = this;
    const heir = inheritedSessions({
      ...{ log, limits: withDefaults({}), store, journal },
      runtime: { ...runtime, now: clock.now, monotonic: clock.monotonic, after: clock.after },
      leases: new FileLeases({
        ...{ processes: runtime, log, host: this.name, stateId: this.name, endpoint: () => undefined },
      }),
      sessions: () => this.manager,
      node: () => this.name,
      announce: (sessionId) => void this.told.push(sessionId),
    });
    const estate = await heir.open(dead, await idOf(dead));
    assert(typeof estate !== "string", String(estate));
    return this.#estate = estate;
  }

  /** Copies, claims, and has the session from then on. */
  async inherit(dead: string): Promise<void> {
    const claim = await this.claims.find("s");
    assert(claim !== undefined);
    assertEquals(await (await this.open(dead)).prepare(["s"]), ["s"]);
    assert(await this.claims.takeOver("s", claim));
    this.#estate?.commit("s");
  }

  /** A keyed command that ran, and a message that a crash stops. */
  async work(): Promise<void> {
    const asked = new FakeAsker();
    const keyed = this.journal.keyed("admin", RAN, specOf(RAN.type));
    assert(keyed !== undefined);
    const replyTo = this.journal.reserve(keyed, asked);
    await this.journal.recordIntent({ ref: 1, sessionId: "s", command: RAN, replyTo, durable: true });
    const answered = new Promise<void>((resolve) => asked.then = () => resolve());
    replyTo.answer({ ok: true, dataText: '{"ran":1}' });
    await answered;
    const prompt = { type: "prompt", sessionId: "s", message: "stopped" } as Command;
    await this.journal.recordIntent({
      ...{ ref: 2, sessionId: "s", command: prompt, replyTo: new FakeAsker(), durable: true },
    });
    this.journal.onMessageProgress(2, "accepted");
    await this.store.put(recordOf("s", { sessionFile: files.join(this.folder, "s.jsonl") }));
    await Deno.writeTextFile(files.join(this.folder, "s.jsonl"), "");
    await this.claims.claim("s", false);
  }

  /** It is gone, and what it has on disk stays. */
  async crash(): Promise<void> {
    await this.journal.close();
  }

  /** The sessions here, interrupted messages, and what the key of the command says. */
  get has(): unknown[] {
    const keyed = this.journal.keyed("admin", RAN, specOf(RAN.type));
    const found = keyed && this.journal.find(keyed, specOf(RAN.type));
    const answer = found?.kind === "answer" && found.reply.ok ? found.reply.dataText : found?.kind;
    return [
      this.manager.sessionOrder("activity"),
      this.journal.interrupted("s").map(({ message }) => message),
      answer,
    ];
  }

  async records(): Promise<number> {
    await this.store.close();
    return [...Deno.readDirSync(`${this.folder}/sessions`)].length;
  }
}

async function idOf(folder: string): Promise<string> {
  return await StateFolder.idOf(folder, runtime) ?? "";
}

/** A node that died with a session, and its heir. */
async function withDead(test: (root: string, bucket: FakeBucket) => Promise<void>): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "pi-server-heir-" }));
  try {
    const bucket = new FakeBucket();
    const dead = await Server.start("a", root, bucket);
    await dead.work();
    await dead.crash();
    await test(root, bucket);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const ownerIn = (bucket: FakeBucket): unknown =>
  JSON.parse(bucket.entries.get("session.s")?.value ?? "{}").node;

/** All that the dead node had of its session. */
const WHOLE = [["s"], ["stopped"], '{"ran":1}'];

Deno.test("inherited sessions: the copy is whole, the session is its heir's, and the dead node's record is gone", () =>
  withDead(async (root, bucket) => {
    const b = await Server.start("b", root, bucket);
    await b.inherit(`${root}/a`);
    assertEquals([b.has, b.told, ownerIn(bucket)], [WHOLE, ["s"], "b"]);
    const left = (): number => [...Deno.readDirSync(`${root}/a/sessions`)].length;
    await until(() => left() === 0, 5_000, () => "the record in the other folder to be removed");
    await b.crash();
    const again = await Server.start("b", root, bucket);
    again.begin();
    assertEquals([again.has, await again.records()], [WHOLE, 1]);
    const a = await Server.start("a", root, bucket);
    a.begin();
    assertEquals(a.manager.sessionOrder("activity"), []);
    for (const one of [again, a]) await one.crash();
  }));

Deno.test("inherited sessions: an heir that crashes after the copy and before the claim has nothing, and the dead node all", () =>
  withDead(async (root, bucket) => {
    const b = await Server.start("b", root, bucket);
    await (await b.open(`${root}/a`)).prepare(["s"]);
    await b.crash();
    const again = await Server.start("b", root, bucket);
    // The copy is on its disk, and no one's session: `synced` must not claim it.
    assertEquals([again.manager.isCopy("s"), again.claims.taken], [true, ["s"]]);
    await again.claims.synced(new Set(bucket.entries.keys()));
    assertEquals([await again.claims.confirmOwn("s"), ownerIn(bucket)], [false, "a"]);
    again.begin();
    assertEquals([again.has.slice(0, 2), await again.records()], [[[], []], 0]);
    await again.crash();
    const a = await Server.start("a", root, bucket);
    a.begin();
    assertEquals(a.has, WHOLE);
    await a.crash();
  }));

Deno.test("inherited sessions: an heir that crashed after the copy takes the session at the second try, and nothing twice", () =>
  withDead(async (root, bucket) => {
    for (let crash = 0; crash < 2; crash++) {
      const b = await Server.start("b", root, bucket);
      b.begin();
      await (await b.open(`${root}/a`)).prepare(["s"]);
      await b.crash();
    }
    const b = await Server.start("b", root, bucket);
    b.begin();
    await b.inherit(`${root}/a`);
    assertEquals([b.has, b.manager.isCopy("s")], [WHOLE, false]);
    await b.crash();
    const again = await Server.start("b", root, bucket);
    again.begin();
    assertEquals(again.has, WHOLE);
    await again.crash();
  }));

Deno.test("inherited sessions: a copy whose session was deleted meanwhile does not bring it back", () =>
  withDead(async (root, bucket) => {
    const b = await Server.start("b", root, bucket);
    await (await b.open(`${root}/a`)).prepare(["s"]);
    await b.crash();
    bucket.set("session.s", undefined);
    const again = await Server.start("b", root, bucket);
    await again.claims.synced(new Set(bucket.entries.keys()));
    assertEquals(await again.claims.confirmOwn("s"), false);
    again.begin();
    assertEquals([again.has.slice(0, 2), bucket.entries.has("session.s")], [[[], []], false]);
    await again.crash();
  }));

Deno.test("inherited sessions: an heir that crashes after the claim has the session when it starts, and the dead node drops it", () =>
  withDead(async (root, bucket) => {
    const b = await Server.start("b", root, bucket);
    const claim = await b.claims.find("s");
    assert(claim !== undefined);
    await (await b.open(`${root}/a`)).prepare(["s"]);
    await b.claims.takeOver("s", claim);
    await b.crash();
    const again = await Server.start("b", root, bucket);
    again.begin();
    assertEquals([again.has, again.claims.taken], [WHOLE, []]);
    const a = await Server.start("a", root, bucket);
    // The record is still in its folder, and names a session that it had once.
    assertEquals(a.claims.taken, ["s"]);
    a.begin();
    assertEquals([a.manager.sessionOrder("activity"), ownerIn(bucket)], [[], "b"]);
    for (const one of [again, a]) await one.crash();
  }));
