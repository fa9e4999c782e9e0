// Works in a cluster while its nodes and its nats-server are killed again and again, and judges what is left: every
// command was answered, no accepted prompt is lost, none ran twice, and each subscriber has the session's own text.

import { assertEquals } from "@std/assert";
import type { TestCluster } from "./cluster.ts";
import { ClusterWatcher } from "./cluster_watcher.ts";
import { randomOf } from "../server/crash_driver.ts";
import { messagesOf, summary } from "../wire/delivery.ts";
import { arrayAt, at, brief, type Json, type JsonObject, messageText, stringAt } from "../base/json.ts";
import { text } from "../model/model_server.ts";
import { delay, until } from "../base/wait.ts";
import type { WsWire } from "../wire/wire_client.ts";

const OWNERS = ["a", "b"] as const;
const SESSIONS_EACH = 2;
/** Answers between two kills, at least and at most. */
const [LEAST_ANSWERS, MOST_ANSWERS] = [4, 24];
/** The most milliseconds that a round may take until all nodes are together again. */
const ROUND_MS = 90_000;

/** One keyed command and what became of it. */
interface Keyed {
  readonly sessionId: string;
  readonly key: string;
  readonly command: JsonObject;
  readonly prompt: boolean;
  answer?: JsonObject;
  /** Its node has died, and cannot say whether it ran. */
  unknown?: true;
}

/** How often each thing was seen. */
export interface KillTally {
  kills: Record<string, number>;
  commands: number;
  prompts: number;
  unavailable: number;
  unknown: number;
  replayed: number;
  cuts: number;
  interrupted: number;
  slowestAnswerMs: number;
}

/** What was said. A shell command of a client enters the history without an event. */
function texts(messages: readonly Json[]): unknown[] {
  return messages.filter((message) => at(message, "role") !== "bashExecution").map(summary);
}

/** The driver. */
export class ClusterKills {
  readonly #cluster: TestCluster;
  readonly #random: () => number;
  readonly #folders = new Map<string, string>();
  readonly #commands: Keyed[] = [];
  readonly #watchers: ClusterWatcher[] = [];
  #wire: Promise<WsWire> | undefined;
  #answers = 0;
  #over = false;
  readonly tally: KillTally = {
    ...{ kills: {}, commands: 0, prompts: 0, unavailable: 0, unknown: 0, replayed: 0, cuts: 0 },
    ...{ interrupted: 0, slowestAnswerMs: 0 },
  };

  constructor(cluster: TestCluster, seed: number) {
    this.#cluster = cluster;
    this.#random = randomOf(seed);
    cluster.model.handler = ({ userText }) => text([`so ${userText.slice(0, 20)} `, "it ", "is"]);
  }

  /** Kills so many times, one after the other, and judges. */
  async run(kills: number): Promise<void> {
    await this.#prepare();
    const work = [...this.#folders.keys()].map((sessionId) => this.#work(sessionId));
    const failed = Promise.all(work).then(() => new Promise<never>(() => {}));
    failed.catch(() => {});
    for (let n = 0; n < kills; n++) await Promise.race([this.#round(), failed]);
    this.#over = true;
    await Promise.all(work);
    await this.#judge();
    for (const watcher of this.#watchers) await watcher.end();
  }

  /** What the watchers did. */
  get watched(): readonly ClusterWatcher["tally"][] {
    return this.#watchers.map(({ tally }) => tally);
  }

  async #prepare(): Promise<void> {
    const cluster = this.#cluster;
    await cluster.start({ a: {}, b: {}, g: { gateway: true } });
    const wire = await this.#connected();
    for (const node of OWNERS) {
      for (let n = 0; n < SESSIONS_EACH; n++) {
        const { id, cwd } = await cluster.session(wire, node, { sessionId: `${node}-${n}` });
        await wire.ok({ type: "set_auto_compaction", sessionId: id, enabled: false });
        this.#folders.set(id, cwd);
      }
    }
    for (const node of ["g", "a"]) {
      this.#watchers.push(new ClusterWatcher(cluster.node(node), [...this.#folders.keys()]));
    }
    for (const watcher of this.#watchers) await watcher.settled();
  }

  /** One kill at a random moment, and everything back. */
  async #round(): Promise<void> {
    const enough = this.#answers + LEAST_ANSWERS +
      Math.floor(this.#random() * (MOST_ANSWERS - LEAST_ANSWERS));
    await until(() => this.#answers >= enough, ROUND_MS, () => `${enough} answers, not ${this.#answers}`);
    await delay(this.#random() * 50);
    const cluster = this.#cluster;
    const victim = ["a", "b", "g", "nats"][Math.floor(this.#random() * 4)] ?? "nats";
    this.tally.kills[victim] = (this.tally.kills[victim] ?? 0) + 1;
    const downMs = this.#random() * 2_000;
    if (victim === "nats") {
      await cluster.nats.kill();
      await delay(downMs);
      await cluster.nats.begin();
    } else {
      await cluster.node(victim).kill();
      await delay(downMs);
      await cluster.node(victim).start();
    }
    await cluster.together();
  }

  /** The commands of one session, one after the other, each until it has an answer for good. */
  async #work(sessionId: string): Promise<void> {
    for (let n = 0; !this.#over; n++) {
      const key = `${sessionId}-${n}`;
      const prompt = this.#random() < 0.6;
      const command: JsonObject = prompt
        ? { type: "prompt", message: `<${key}>`, streamingBehavior: "followUp" }
        : { type: "bash", command: `echo "<${key}>" >> log` };
      const keyed: Keyed = {
        sessionId,
        key,
        prompt,
        command: { ...command, sessionId, idempotencyKey: key },
      };
      this.#commands.push(keyed);
      this.tally.commands++;
      if (prompt) this.tally.prompts++;
      await this.#answered(keyed);
      // Sometimes the same key again, long after it was answered.
      const old = this.#commands.filter((one) => one.sessionId === sessionId);
      if (this.#random() < 0.1) {
        await this.#answered(old[Math.floor(this.#random() * old.length)] ?? keyed);
      }
      await delay(this.#random() * 150);
    }
  }

  async #answered(keyed: Keyed): Promise<void> {
    const began = performance.now();
    for (;;) {
      const wire = await this.#connected();
      const response = await wire.request(keyed.command, ROUND_MS).catch((error) => {
        // The gateway was killed: the key is sent again to the next one.
        if (!/closed before|closed with|not open/.test(String(error))) throw error;
        if (!this.#closed.has(wire)) throw error;
      });
      if (response === undefined) {
        this.tally.cuts++;
        continue;
      }
      if (response.code === "node_unavailable" && response.retryable === true) {
        this.tally.unavailable++;
        await delay(200);
        continue;
      }
      this.#answers++;
      this.tally.slowestAnswerMs = Math.max(this.tally.slowestAnswerMs, performance.now() - began);
      return this.#take(keyed, response);
    }
  }

  #take(keyed: Keyed, response: JsonObject): void {
    const { answer } = keyed;
    if (response.code === "outcome_unknown") {
      if (answer !== undefined) {
        throw new Error(`${keyed.key}: answered before, unknown now: ${brief(answer)}`);
      }
      keyed.unknown = true;
      this.tally.unknown++;
      return;
    }
    if (response.success !== true) throw new Error(`${keyed.key} failed: ${brief(response)}`);
    if (keyed.unknown) throw new Error(`${keyed.key} was unknown, and then answered: ${brief(response)}`);
    if (response.replayed === true) this.tally.replayed++;
    if (answer === undefined) keyed.answer = response;
    else if (response.replayed !== true || JSON.stringify(response.data) !== JSON.stringify(answer.data)) {
      throw new Error(`${keyed.key} was answered ${brief(answer)}, and then ${brief(response)}`);
    }
  }

  readonly #closed = new Set<WsWire>();

  /** The connection to the gateway, or the next one. */
  async #connected(): Promise<WsWire> {
    this.#wire ??= this.#connect();
    return await this.#wire;
  }

  async #connect(): Promise<WsWire> {
    const cluster = this.#cluster;
    let wire: WsWire | undefined;
    await until(
      async () => {
        wire = await cluster.connect("g", `g${this.#closed.size}`).catch(() => undefined);
        return wire !== undefined;
      },
      ROUND_MS,
      () => "the gateway",
    );
    const open = wire as unknown as WsWire;
    open.mayLoseResponses = true;
    void open.closed.then(() => {
      this.#closed.add(open);
      this.#wire = undefined;
    });
    return open;
  }

  async #judge(): Promise<void> {
    const wire = await this.#connected();
    for (const [sessionId, cwd] of this.#folders) {
      await until(
        async () => {
          const state = await wire.ok({ type: "get_state", sessionId }, ROUND_MS);
          return state.isStreaming === false && state.pendingMessageCount === 0;
        },
        ROUND_MS,
        () => `${sessionId} to settle`,
      );
      const log = await Deno.readTextFile(`${cwd}/log`).catch(() => "");
      this.#judgeBash(sessionId, log.split("\n").filter((line) => line !== ""));
    }
    for (const watcher of this.#watchers) {
      const follower = await watcher.settled();
      for (const sessionId of this.#folders.keys()) {
        const { seq } = await follower.ok({ type: "get_state", sessionId });
        const followed = follower.session(sessionId);
        await until(() => followed.seq === seq, ROUND_MS, () => `${sessionId}: ${followed.seq} of ${seq}`);
        const messages = await messagesOf(follower, sessionId);
        assertEquals(
          texts(followed.messages),
          texts(messages),
          `the text of ${sessionId} at ${watcher.story(sessionId)}`,
        );
        const state = await follower.ok({ type: "get_state", sessionId });
        const interrupted = state.interrupted === undefined ? [] : arrayAt(state, "interrupted");
        this.#judgePrompts(
          sessionId,
          messages.map((message) => messageText(message)),
          interrupted.map((one) => stringAt(one, "message")),
        );
      }
      assertEquals(watcher.faults, []);
    }
  }

  #judgeBash(sessionId: string, lines: readonly string[]): void {
    const twice = lines.filter((line, index) => lines.indexOf(line) !== index);
    if (twice.length > 0) throw new Error(`ran twice in ${sessionId}: ${twice}`);
    for (const { key, prompt, answer } of this.#of(sessionId)) {
      if (!prompt && answer !== undefined && !lines.includes(`<${key}>`)) {
        throw new Error(`${key} was answered and never ran`);
      }
    }
  }

  #judgePrompts(sessionId: string, said: readonly string[], interrupted: readonly string[]): void {
    this.tally.interrupted += interrupted.length;
    const count = (texts: readonly string[], text: string): number =>
      texts.filter((one) => one === text).length;
    for (const { key, prompt, answer } of this.#of(sessionId)) {
      if (!prompt) continue;
      const [asMessage, asInterrupted] = [count(said, `<${key}>`), count(interrupted, `<${key}>`)];
      if (asMessage > 1) throw new Error(`${key} is there ${asMessage} times as a user message`);
      if (asInterrupted > 1) throw new Error(`${key} is there ${asInterrupted} times in interrupted`);
      if (answer !== undefined && asMessage + asInterrupted === 0) {
        throw new Error(`${key} was accepted and is lost: ${brief(answer)}`);
      }
    }
  }

  #of(sessionId: string): Keyed[] {
    return this.#commands.filter((one) => one.sessionId === sessionId);
  }
}
