// Drives sessions with keyed prompts and keyed shell commands while their server is killed again and again, and
// judges what is left: what was answered is answered the same, nothing ran twice, no accepted prompt is lost.

import { SessionManager } from "@mariozechner/pi-coding-agent";
import { arrayAt, at, brief, type JsonObject, stringAt } from "../base/json.ts";
import { text } from "../model/model_server.ts";
import { delay, until } from "../base/wait.ts";
import type { Wire } from "../wire/wire_client.ts";
import type { Bench } from "../../conformance/suite.ts";
import { again } from "./restart.ts";

const SESSIONS = 10;
/** Answers after which a life ends at the latest; ten of them are the sessions'. */
const MOST_ANSWERS = 200;
/** Most that a life may take to get there. */
const LIFE_MS = 30_000;
/** Limits that the driver must not meet: it is about something else. */
// A hundred lives send more keyed commands than a server remembers by default.
const ARGS = [
  ...["--max-commands-per-minute", "1000000", "--max-commands-per-minute-per-session", "1000000"],
  ...["--max-idempotency-keys", "1000000"],
];

/** Places inside a write of the journal or the registry at which the server kills itself. */
const POINTS = [
  "write:journal=late",
  "write:journal=kill",
  "write:journal=torn",
  "write:journal=after",
  "sync:journal=kill",
  "sync:journal=after",
  "rename:journal=kill",
  "rename:journal=after",
  "write:sessions=torn",
  "sync:sessions=kill",
  "rename:sessions=kill",
];

/** One keyed command and what became of it. */
interface Keyed {
  readonly sessionId: string;
  readonly key: string;
  readonly command: JsonObject;
  /** The first answer that came. */
  answer?: JsonObject;
  /** Whether a retry got `outcome_unknown`. */
  unknown?: true;
}

/** Numbers that a seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** How often each thing was seen; shown at the end, so that an idle run does not look good. */
export interface Tally {
  kills: number;
  points: number;
  struck: number;
  commands: number;
  replayed: number;
  unknown: number;
  fresh: number;
  prompts: number;
  interrupted: number;
}

/** The driver. */
export class CrashDriver {
  readonly #bench: Bench;
  readonly #random: () => number;
  readonly #commands: Keyed[] = [];
  readonly #folders = new Map<string, string>();
  /** Answers that came in all lives. */
  #answers = 0;
  readonly tally: Tally = {
    kills: 0,
    points: 0,
    struck: 0,
    commands: 0,
    replayed: 0,
    unknown: 0,
    fresh: 0,
    prompts: 0,
    interrupted: 0,
  };

  constructor(bench: Bench, seed: number) {
    this.#bench = bench;
    this.#random = randomOf(seed);
    // Every prompt is answered, each in pieces, so that kills find runs in all states.
    bench.model.handler = ({ userText }) => text([`so ${userText.slice(0, 20)} `, "it ", "is"]);
  }

  /** One server's life: retries what is open, works, and dies: at a random moment, or inside a write. */
  async life(how: "moment" | "point"): Promise<void> {
    if (how === "point") this.tally.points++;
    // The first one is a write that takes its time: what does not wait for it runs, and is found out.
    const point = POINTS[this.tally.points === 1 ? 0 : Math.floor(this.#random() * POINTS.length)];
    const faults = how === "moment" ? "" : `${point}@${1 + Math.floor(this.#random() * 25)}`;
    const wire = await again(this.#bench, ARGS, faults === "" ? {} : { env: { PI_SERVER_FAULTS: faults } })
      // A server may die of its fault before anybody has reached it.
      .catch((error) => faults === "" ? Promise.reject(error) : undefined);
    if (wire !== undefined) {
      const work = this.#work(wire).catch((error) => {
        if (!/closed before|not open|closed with/.test(String(error))) throw error;
      });
      // Set below, after the server is dead.
      work.catch(() => {});
      const { server } = this.#bench;
      const died = await Promise.race([
        server.status.then(() => true),
        this.#worked(how === "moment" ? Math.floor(this.#random() * MOST_ANSWERS) : MOST_ANSWERS),
      ]);
      if (died) this.tally.struck++;
      await server.kill();
      await work;
    }
    this.tally.kills++;
  }

  /**
   * False once so many answers have come in this life, and a random part of a moment more. Answers and not seconds say
   * how far a life has got: the machine may be slow.
   */
  async #worked(answers: number): Promise<false> {
    const enough = this.#answers + answers;
    const { length } = this.#bench.servers;
    await until(
      // Ends with the life, too.
      () => this.#answers >= enough || this.#bench.servers.length > length,
      LIFE_MS,
      () => `${answers} answers`,
    ).catch(() => {});
    await delay(this.#random() * 50);
    return false;
  }

  /** The last life: nothing dies any more, and all is looked at. */
  async judge(): Promise<void> {
    const wire = await again(this.#bench, ARGS);
    if (!restores(wire)) await this.#sessions(wire);
    await this.#retry(wire, this.#commands);
    await this.#judgeSessions(wire);
    await this.#judgeBash();
    await this.#judgePrompts(wire);
  }

  async #work(wire: Wire): Promise<void> {
    await this.#sessions(wire);
    // All that is open, and some of what was answered long ago.
    await this.#retry(
      wire,
      this.#commands.filter(({ answer }) => answer === undefined || this.#random() < 0.1),
    );
    const { commands } = this.tally;
    await Promise.all([...this.#folders].map(async ([sessionId], index) => {
      for (let n = 0; n < 200; n++) await this.#step(wire, sessionId, `${commands}-${index}-${n}`);
    }));
  }

  async #step(wire: Wire, sessionId: string, name: string): Promise<void> {
    const key = `key-${this.#commands.length}-${name}`;
    const prompt = this.#random() < 0.5;
    const command: JsonObject = prompt
      ? {
        type: "prompt",
        message: `<${key}>`,
        streamingBehavior: this.#random() < 0.5 ? "followUp" : "steer",
      }
      : { type: "bash", command: `echo "<${key}>" >> log` };
    const keyed: Keyed = { sessionId, key, command: { ...command, sessionId, idempotencyKey: key } };
    this.#commands.push(keyed);
    this.tally.commands++;
    if (prompt) this.tally.prompts++;
    const response = await wire.request(keyed.command, 30_000);
    this.#taken(keyed, response);
  }

  /** Sends commands again; each gets the old answer, `outcome_unknown`, or runs now. */
  async #retry(wire: Wire, commands: readonly Keyed[]): Promise<void> {
    for (let at = 0; at < commands.length; at += 32) {
      await Promise.all(
        commands.slice(at, at + 32).map(async (keyed) => {
          const response = await wire.request(keyed.command, 60_000);
          if (response.replayed === true) this.tally.replayed++;
          else if (response.code === "outcome_unknown") this.tally.unknown++;
          else this.tally.fresh++;
          this.#taken(keyed, response);
        }),
      );
    }
  }

  #taken(keyed: Keyed, response: JsonObject): void {
    this.#answers++;
    const { answer } = keyed;
    if (response.code === "outcome_unknown") {
      if (answer !== undefined) throw new Error(`answered before, unknown now: ${brief(answer)}`);
      keyed.unknown = true;
      return;
    }
    if (response.success !== true) throw new Error(`${keyed.key} failed: ${brief(response)}`);
    if (keyed.unknown) throw new Error(`${keyed.key} was unknown, and then answered: ${brief(response)}`);
    if (answer === undefined) {
      keyed.answer = response;
      return;
    }
    const same = JSON.stringify(response.data) === JSON.stringify(answer.data);
    if (response.replayed !== true || !same) {
      throw new Error(`${keyed.key} was answered ${brief(answer)}, and then ${brief(response)}`);
    }
  }

  async #sessions(wire: Wire): Promise<void> {
    const known = new Set(await this.#listed(wire));
    for (let n = 0; n < SESSIONS; n++) {
      const sessionId = `crash-${n}`;
      if (known.has(sessionId)) continue;
      if (this.#folders.has(sessionId) && restores(wire)) throw new Error(`${sessionId} is missing`);
      const cwd = await this.#bench.home.folder(sessionId);
      await wire.ok({ type: "create_session", sessionId, cwd }, 60_000);
      this.#answers++;
      this.#folders.set(sessionId, cwd);
    }
    // One that was created just before its server died may not have been announced.
    for (const sessionId of known) this.#folders.set(sessionId, await this.#bench.home.folder(sessionId));
  }

  async #listed(wire: Wire): Promise<string[]> {
    const data = await wire.ok({ type: "list_sessions" });
    return arrayAt(data, "sessions").map((one) => stringAt(one, "sessionId"));
  }

  async #judgeSessions(wire: Wire): Promise<void> {
    const known = new Set(await this.#listed(wire));
    const missing = [...this.#folders.keys()].filter((sessionId) => !known.has(sessionId));
    if (missing.length > 0) throw new Error(`missing sessions: ${missing}`);
    for (const sessionId of known) await wire.ok({ type: "get_messages", sessionId, limit: 1 }, 60_000);
  }

  async #judgeBash(): Promise<void> {
    for (const [sessionId, cwd] of this.#folders) {
      const log = await Deno.readTextFile(`${cwd}/log`).catch(() => "");
      const lines = log.split("\n").filter((line) => line !== "");
      const twice = lines.filter((line, index) => lines.indexOf(line) !== index);
      if (twice.length > 0) throw new Error(`ran twice in ${sessionId}: ${twice}`);
      const ran = new Set(lines);
      for (const { key, command, answer } of this.#commands) {
        if (command.type !== "bash" || command.sessionId !== sessionId || answer === undefined) continue;
        if (!ran.has(`<${key}>`)) throw new Error(`${key} was answered and never ran`);
      }
    }
  }

  async #judgePrompts(wire: Wire): Promise<void> {
    const said = await this.#userTexts();
    const interrupted: string[] = [];
    for (const sessionId of this.#folders.keys()) {
      const state = await wire.ok({ type: "get_state", sessionId }, 60_000);
      if (state.interrupted === undefined) continue;
      interrupted.push(...arrayAt(state, "interrupted").map((one) => stringAt(one, "message")));
    }
    this.tally.interrupted = interrupted.length;
    const count = (texts: readonly string[], text: string): number =>
      texts.filter((one) => one === text).length;
    for (const { key, command, answer } of this.#commands) {
      if (command.type !== "prompt") continue;
      const [asMessage, asInterrupted] = [count(said, `<${key}>`), count(interrupted, `<${key}>`)];
      if (asMessage > 1) throw new Error(`${key} is there ${asMessage} times as a user message`);
      if (asInterrupted > 1) throw new Error(`${key} is there ${asInterrupted} times in interrupted`);
      if (answer !== undefined && asMessage + asInterrupted === 0) {
        throw new Error(`${key} was accepted and is lost: ${brief(answer)}`);
      }
    }
  }

  /** The user messages of all session files, as pi reads them; a file that pi cannot read is a fault. */
  async #userTexts(): Promise<string[]> {
    const texts: string[] = [];
    for await (const path of filesUnder(`${this.#bench.home.agentDir}/sessions`)) {
      const copy = await Deno.makeTempFile({ suffix: ".jsonl" });
      try {
        await Deno.copyFile(path, copy);
        const whole = (await Deno.readTextFile(copy)).split("\n").slice(0, -1);
        const entries = SessionManager.open(copy, undefined, "/").getEntries();
        if (entries.length !== whole.length - 1) {
          throw new Error(`pi reads ${entries.length} entries of ${whole.length - 1} in ${path}`);
        }
        for (const entry of entries) {
          const role = at(JSON.parse(JSON.stringify(entry)), "message", "role");
          if (role !== "user") continue;
          const [, said] = /(<key-[\w-]+>)/.exec(JSON.stringify(entry)) ?? [];
          if (said !== undefined) texts.push(said);
        }
      } finally {
        await Deno.remove(copy);
      }
    }
    return texts;
  }
}

/** Whether the server says that it brings sessions back. */
function restores(wire: Wire): boolean {
  const greeting = wire.messages.find(({ type }) => type === "server_ready");
  return arrayAt(greeting ?? {}, "data", "capabilities").includes("restore");
}

async function* filesUnder(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesUnder(`${folder}/${name}`);
    else if (name.endsWith(".jsonl")) yield `${folder}/${name}`;
  }
}
