// A client that follows sessions over a channel and costs little for each event, so that it can read faster than
// any session streams. Keeps responses and server messages; events go to the session they belong to.
import type { Channel } from "../network/channel.ts";
import { Followed } from "./followed.ts";
import { at, brief, isObject, type Json, type JsonObject, stringAt } from "../base/json.ts";
import { deadline } from "../base/wait.ts";

const WAIT_MS = 20_000;

/** One connection and what it has learned. */
export class Follower {
  readonly channel: Channel;
  readonly sessions = new Map<string, Followed>();
  /** Everything but events. */
  readonly messages: JsonObject[] = [];
  /** Called for each message, after it was taken. */
  onMessage: (message: JsonObject) => void = () => {};
  closed: number | undefined;
  readonly #asked = new Map<string, JsonObject>();
  readonly #waiting = new Set<() => void>();
  readonly #own = new Set<string>();
  #star: { filtered: boolean } | undefined;
  #requests = 0;

  constructor(channel: Channel, sessions: Iterable<readonly [string, Followed]> = []) {
    this.channel = channel;
    this.sessions = new Map(sessions);
    channel.onText = (text) => this.#take(JSON.parse(text));
    void channel.closed.then((code) => {
      this.closed = code;
      this.#wake();
    });
  }

  /** What is known of a session. */
  session(sessionId: string): Followed {
    const followed = this.sessions.get(sessionId) ?? new Followed(sessionId);
    this.sessions.set(sessionId, followed);
    return followed;
  }

  /** Sends a command; its id. */
  send(command: JsonObject): string {
    const id = typeof command.id === "string" ? command.id : `f-${++this.#requests}`;
    this.#asked.set(id, command);
    if (command.type === "subscribe" && command.from !== undefined) {
      const named = at(command.from, "sessions");
      for (const name of isObject(named) ? Object.keys(named) : [String(command.sessionId)]) {
        this.session(name).muted = true;
      }
    }
    this.channel.send(JSON.stringify({ ...command, id }));
    return id;
  }

  /** The response with that id, waited for. */
  response(id: string): Promise<JsonObject> {
    return this.until(
      () => this.messages.find((message) => message.type === "response" && message.id === id),
      `the response ${id}`,
    );
  }

  async request(command: JsonObject): Promise<JsonObject> {
    return await this.response(this.send(command));
  }

  /** The data of a command that must succeed. */
  async ok(command: JsonObject): Promise<JsonObject> {
    const response = await this.request(command);
    if (response.success === true && isObject(response.data)) return response.data;
    throw new Error(`${brief(command, 200)} failed: ${brief(response)}`);
  }

  /** A command that must fail with that code. */
  async refused(code: string, command: JsonObject): Promise<JsonObject> {
    const response = await this.request(command);
    if (response.success === false && response.code === code) return response;
    throw new Error(`expected ${code} for ${brief(command, 200)}, got ${brief(response)}`);
  }

  subscribe(sessionId: string, more: JsonObject = {}): Promise<JsonObject> {
    return this.ok({ type: "subscribe", sessionId, ...more });
  }

  /** Looks after each message until there is something. */
  async until<T>(look: () => T | undefined | false, what: string): Promise<T> {
    const end = performance.now() + WAIT_MS;
    while (true) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      if (this.closed !== undefined) throw new Error(`closed with ${this.closed} before ${what}`);
      const changed = Promise.withResolvers<void>();
      this.#waiting.add(changed.resolve);
      const seen = () => `${what}; last: ${this.messages.slice(-4).map((one) => brief(one, 200)).join("\n")}`;
      await deadline(changed.promise, end - performance.now(), seen)
        .finally(() => this.#waiting.delete(changed.resolve));
    }
  }

  /** Waits until that event has been seen so many times in the session. */
  async seen(sessionId: string, type: string, times = 1): Promise<void> {
    const { types } = this.session(sessionId);
    let [at, found] = [0, 0];
    await this.until(() => {
      for (; at < types.length; at++) if (types[at] === type) found++;
      return found >= times;
    }, `${times} × ${type} of ${sessionId}`);
  }

  /** Waits until `lagged` came for the session. */
  async lagged(sessionId: string): Promise<JsonObject> {
    return await this.until(() => this.session(sessionId).lagged, `lagged of ${sessionId}`);
  }

  /** Throws on any fault that was noticed. */
  check(): void {
    const faults = [...this.sessions.values()].flatMap((followed) => followed.faults);
    if (faults.length === 0) return;
    throw new Error(`${faults.length} faults:\n  ${faults.slice(0, 10).join("\n  ")}`);
  }

  #take(message: JsonObject): void {
    if (message.type === "event") this.#event(message);
    else {
      this.messages.push(message);
      if (message.type === "response") this.#answered(message);
      if (message.type === "lagged") this.session(stringAt(message, "sessionId")).lag(message);
    }
    this.onMessage(message);
    this.#wake();
  }

  #event(message: JsonObject): void {
    const id = stringAt(message, "sessionId");
    const known = this.sessions.get(id);
    if (known?.muted) {
      const early = `${id}: an event before the answer: ${brief(message, 200)}`;
      if (!this.#own.has(id) && this.#star === undefined) known.faults.push(early);
      return;
    }
    const followed = known ?? this.session(id);
    if (known === undefined && this.#star === undefined) {
      followed.faults.push(`${id}: an event without subscription: ${brief(message, 200)}`);
    }
    if (known === undefined) followed.filtered = this.#star?.filtered ?? false;
    followed.take(message);
  }

  #answered(response: JsonObject): void {
    const command = this.#asked.get(String(response.id));
    this.#asked.delete(String(response.id));
    if (command?.type !== "subscribe") return;
    const filtered = command.events !== undefined;
    const { data } = response;
    if (response.success !== true || !isObject(data)) {
      return void (this.session(String(command.sessionId)).muted = false);
    }
    if (command.sessionId !== "*") {
      this.#own.add(String(command.sessionId));
      return this.session(String(command.sessionId)).begin(data, command.from, filtered);
    }
    this.#star = { filtered };
    for (const [id, each] of Object.entries(isObject(data.sessions) ? data.sessions : {})) {
      if (isObject(each) && !this.#own.has(id)) this.#begin(id, each, command, filtered);
    }
  }

  #begin(id: string, data: JsonObject, command: JsonObject, filtered: boolean): void {
    const from: Json | undefined = at(command.from, "sessions", id);
    this.session(id).begin(data, from, filtered);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
