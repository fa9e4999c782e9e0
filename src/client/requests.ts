// Does: gives each command exactly one outcome, over as many connections as it takes.
// Used by: client.ts. It retries a refusal for lack of room after the time that the server names.
// Invariant: after a loss it sends a command again only if that only reads, may run twice, or has an idempotency key.
import { isRecord } from "../base/json.ts";
import { KEYED, REPEATABLE } from "../protocol/generated/command_traits.ts";
import type { Message } from "./connection.ts";
import { ConnectionLostError, RequestError } from "./errors.ts";

/** The outcome of a command. */
export type Outcome =
  | { readonly ok: true; readonly response: Message }
  | { readonly ok: false; readonly error: unknown };

/** A command to send. */
export interface Asked {
  readonly type: string;
  readonly fields: Readonly<Record<string, unknown>>;
  /** One key for several requests, for example from an earlier run of the program. */
  readonly idempotencyKey?: string;
  /** Whether it concerns only the current connection. It fails with that connection. */
  readonly passing?: boolean;
  /**
   * It goes before other commands when a connection opens, and waits for a node of a cluster that is gone. Called when
   * it begins to wait.
   */
  readonly onWait?: (() => void) | undefined;
  /** Called once, before any later message of the server is handled. */
  done(outcome: Outcome): void;
}

interface Entry extends Omit<Asked, "idempotencyKey" | "fields"> {
  readonly id: string;
  /** The fields as JSON. */
  readonly body: string;
  idempotencyKey?: string;
  readonly ownKey: boolean;
  /** `new`: not sent; `sent`: an answer is due on this connection; `resting`: it waits for its next try. */
  state: "new" | "sent" | "resting";
  sentWithKey: boolean;
  /** Milliseconds of the monotonic clock after which a refusal is final. */
  readonly until: number;
  tries: number;
  timer?: ReturnType<typeof setTimeout>;
}

/** Codes of commands that did not run, and may find room later. */
const REFUSED: ReadonlySet<string> = new Set(["rate_limited", "overloaded", "shutting_down"]);
const FIRST_REST_MS = 100;
const LONGEST_REST_MS = 5000;

/** All running commands of one client. */
export class Requests {
  readonly #send: (text: string) => void;
  readonly #retryMs: number;
  readonly #entries = new Map<string, Entry>();
  /** `begun`: the connection is open, but running commands wait for urgent ones. */
  #phase: "away" | "begun" | "open" = "away";
  #keys = false;
  #next = 1;

  /**
   * @param send sends a text on the open connection
   * @param retryMs milliseconds in which refused commands are retried
   */
  constructor(send: (text: string) => void, retryMs: number) {
    this.#send = send;
    this.#retryMs = retryMs;
  }

  /**
   * Sends a command as soon as a connection is open, and one with `onWait` before `opened`. Returns its id.
   *
   * @throws {TypeError} when its fields cannot be written as JSON
   */
  add(asked: Asked): string {
    // Now, and not at the send: an invalid value fails before the command is stored, and every try sends the
    // same text.
    const body = JSON.stringify(asked.fields);
    const id = String(this.#next++);
    const { type, passing = false, onWait, done } = asked;
    if (passing && this.#phase === "away") {
      done({ ok: false, error: new ConnectionLostError("there is no connection") });
      return id;
    }
    const entry: Entry = {
      type,
      passing,
      onWait,
      done,
      body,
      ...(KEYED.has(type) ? { idempotencyKey: asked.idempotencyKey ?? crypto.randomUUID() } : {}),
      id,
      ownKey: asked.idempotencyKey !== undefined,
      state: "new",
      sentWithKey: false,
      until: performance.now() + this.#retryMs,
      tries: 0,
    };
    this.#entries.set(id, entry);
    this.#offer(entry);
    return id;
  }

  /** Drops a command. Its answer is ignored. */
  drop(id: string): void {
    clearTimeout(this.#entries.get(id)?.timer);
    this.#entries.delete(id);
  }

  /**
   * A connection is open.
   *
   * @param keys whether the server knows idempotency keys
   */
  begin(keys: boolean): void {
    this.#phase = "begun";
    this.#keys = keys;
  }

  /** Sends everything without an answer, in order. */
  opened(): void {
    if (this.#phase !== "begun") return;
    this.#phase = "open";
    for (const entry of [...this.#entries.values()]) if (entry.state === "new") this.#transmit(entry);
  }

  /** The connection is lost. Commands that must not be repeated fail. */
  lost(reason: string): void {
    this.#phase = "away";
    for (const entry of [...this.#entries.values()]) {
      const safe = entry.state !== "sent" || entry.sentWithKey || REPEATABLE.has(entry.type);
      if (entry.state === "sent") entry.state = "new";
      if (safe && entry.passing !== true) continue;
      const unknown = `${reason}; whether ${entry.type} ran is not known`;
      this.#finish(entry, { ok: false, error: new ConnectionLostError(unknown) });
    }
  }

  /** No further answer will arrive. */
  ended(error: Error): void {
    this.#phase = "away";
    for (const entry of [...this.#entries.values()]) this.#finish(entry, { ok: false, error });
  }

  /** Takes an answer. False when no command waits for it. */
  answer(response: Message): boolean {
    const { id } = response;
    const entry = typeof id === "string" ? this.#entries.get(id) : undefined;
    if (entry === undefined) return false;
    if (response["success"] === true) this.#finish(entry, { ok: true, response });
    else if (this.#keyless(entry, response)) this.#transmit(entry);
    else if (!this.#rests(entry, response)) {
      this.#finish(entry, { ok: false, error: new RequestError(entry.type, response) });
    }
    return true;
  }

  /**
   * Whether the server has room for the command but not for its key, which the client chose. It then goes
   * without a key.
   */
  #keyless(entry: Entry, { code, data }: Message): boolean {
    const limit = isRecord(data) ? data["limit"] : undefined;
    const full = code === "overloaded" && typeof limit === "string" && limit.startsWith("idempotency");
    if (!full || !entry.sentWithKey || entry.ownKey) return false;
    delete entry.idempotencyKey;
    return true;
  }

  /** Sends it if its turn has come. */
  #offer(entry: Entry): void {
    if (this.#phase === "open" || (entry.onWait && this.#phase === "begun")) this.#transmit(entry);
  }

  #transmit(entry: Entry): void {
    entry.state = "sent";
    const { type, body, id, idempotencyKey } = entry;
    const keyed = this.#keys && idempotencyKey !== undefined;
    entry.sentWithKey = keyed;
    const head = JSON.stringify({ id, type, ...(keyed ? { idempotencyKey } : {}) });
    this.#send(body === "{}" ? head : `${head.slice(0, -1)},${body.slice(1)}`);
  }

  #finish(entry: Entry, outcome: Outcome): void {
    this.drop(entry.id);
    entry.done(outcome);
  }

  /** Whether a refused command is retried. */
  #rests(entry: Entry, response: Message): boolean {
    const { code, retryAfterMs } = response;
    const { onWait } = entry;
    const lost = code === "node_unavailable" && onWait !== undefined;
    if (typeof code !== "string" || !(lost || REFUSED.has(code))) return false;
    const grown = Math.min(FIRST_REST_MS * 2 ** entry.tries, LONGEST_REST_MS);
    const told = typeof retryAfterMs === "number" ? retryAfterMs : 0;
    const ms = Math.max(told, grown * (0.5 + Math.random() / 2));
    if (!lost && performance.now() + ms > entry.until) return false;
    entry.tries++;
    entry.state = "resting";
    entry.timer = setTimeout(() => {
      entry.state = "new";
      this.#offer(entry);
    }, ms);
    if (lost) onWait();
    return true;
  }
}
