// A client that follows sessions through one node of a cluster for as long as that cluster lives: when it is cut off it
// comes back, and goes on from its own cursors. It notes every gap, every repeat and every wrong text.

import { RawSocket } from "../network/channel.ts";
import type { TestNode } from "./cluster.ts";
import { Follower } from "../wire/follower.ts";
import type { Followed } from "../wire/followed.ts";
import { at, brief, isObject } from "../base/json.ts";
import { delay } from "../base/wait.ts";

/** Milliseconds between two attempts at what a dead node refuses. */
const AGAIN_MS = 200;

/** The client. */
export class ClusterWatcher {
  readonly #node: TestNode;
  readonly #sessionIds: readonly string[];
  readonly #sessions = new Map<string, Followed>();
  /** Sessions that it has to subscribe to again, and whether from the start. */
  readonly #due = new Map<string, "cursor" | "snapshot">();
  #follower: Follower | undefined;
  #over = false;
  readonly #run: Promise<void>;
  /** The latest things that happened to each session's subscription, for a case that fails. */
  readonly #notes: string[] = [];
  /** How often it came back, and subscribed again. */
  readonly tally = { connections: 0, replays: 0, snapshots: 0 };

  constructor(node: TestNode, sessionIds: readonly string[]) {
    this.#node = node;
    this.#sessionIds = sessionIds;
    this.#run = this.#follow();
    // `settled` reports it.
    this.#run.catch(() => {});
  }

  /** Waits until it is subscribed to all sessions, and has all that they have said. */
  async settled(): Promise<Follower> {
    const end = performance.now() + 60_000;
    while (performance.now() < end) {
      await Promise.race([this.#run, delay(AGAIN_MS)]);
      const follower = this.#follower;
      const done = follower !== undefined && follower.closed === undefined && this.#due.size === 0;
      if (done && this.#sessionIds.every((id) => follower.session(id).lagged === undefined)) return follower;
    }
    throw new Error(`the watcher at ${this.#node.name} does not come back; due: ${[...this.#due]}`);
  }

  /** What has happened to the subscription of a session, last. */
  story(sessionId: string): string {
    const own = this.#notes.filter((note) => note.includes(sessionId) || note.includes("connected"));
    return `${this.#node.name}:\n${own.slice(-40).join("\n")}`;
  }

  #note(what: string): void {
    this.#notes.push(`${new Date().toISOString()} ${what}`);
    if (this.#notes.length > 2_000) this.#notes.splice(0, 1_000);
  }

  /** Faults of everything it has seen. */
  get faults(): string[] {
    return [...this.#sessions.values()].flatMap(({ sessionId, faults }) =>
      faults.map((fault) => `${this.#node.name}, ${sessionId}: ${fault}`)
    );
  }

  async end(): Promise<void> {
    this.#over = true;
    this.#follower?.channel.drop();
    await this.#run.catch(() => {});
  }

  async #follow(): Promise<void> {
    while (!this.#over) {
      const follower = await this.#connect().catch(() => undefined);
      if (follower === undefined) {
        await delay(AGAIN_MS);
        continue;
      }
      this.tally.connections++;
      this.#note("connected");
      this.#follower = follower;
      for (const id of this.#sessionIds) this.#due.set(id, this.#due.get(id) ?? "cursor");
      while (!this.#over && follower.closed === undefined) {
        await this.#subscribe(follower);
        await delay(20);
      }
      for (const followed of follower.sessions.values()) this.#sessions.set(followed.sessionId, followed);
    }
  }

  async #connect(): Promise<Follower> {
    const { server } = this.#node;
    const { url } = JSON.parse(await Deno.readTextFile(`${this.#node.home.stateDir}/endpoint.json`));
    const follower = new Follower(await RawSocket.connect(url, await server.token()), this.#sessions);
    for (const id of this.#sessionIds) this.#sessions.set(id, follower.session(id));
    follower.onMessage = (message) => {
      const id = at(message, "data", "sessionId");
      const counts = message.type === "session_resumed" || message.type === "session_crashed";
      if (!counts || typeof id !== "string" || !this.#sessionIds.includes(id)) return;
      // The session counts anew, and `lagged` names the new epoch from here on.
      const epoch = at(message, "data", "epoch");
      this.#note(`${id} ${message.type} ${epoch} at ${JSON.stringify(follower.session(id).cursor)}`);
      Object.assign(follower.session(id), {
        muted: true,
        ...(typeof epoch === "string" ? { epoch, seq: 0 } : {}),
      });
      this.#due.set(id, "snapshot");
    };
    return follower;
  }

  async #subscribe(follower: Follower): Promise<void> {
    for (const id of this.#sessionIds) {
      if (follower.session(id).lagged !== undefined && !this.#due.has(id)) this.#due.set(id, "cursor");
    }
    for (const id of [...this.#due.keys()]) {
      // Read now: while an earlier session was awaited, this one may have begun to count anew.
      const how = this.#due.get(id) ?? "cursor";
      const { epoch, cursor } = follower.session(id);
      const from = how === "snapshot" || epoch === "" ? { snapshot: true } : { from: cursor };
      this.#due.delete(id);
      const answer = await follower.request({ type: "subscribe", sessionId: id, ...from })
        .catch(() => undefined);
      const { mode, epoch: now, seq } = isObject(answer?.data) ? answer.data : {};
      this.#note(`${id} ${how} ${JSON.stringify(from)}: ${answer?.code ?? `${mode} ${now} ${seq}`}`);
      if (answer?.success === true && isObject(answer.data)) {
        if (answer.data.mode === "replay") this.tally.replays++;
        else this.tally.snapshots++;
        continue;
      }
      if (answer !== undefined && answer.retryable !== true) throw new Error(`subscribe: ${brief(answer)}`);
      // The events until then are not the client's.
      follower.session(id).muted = true;
      if (!this.#due.has(id)) this.#due.set(id, how);
      if (answer !== undefined) await delay(AGAIN_MS);
    }
  }
}
