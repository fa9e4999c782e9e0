// Does: knows what a client subscribes to on another node and how far it has come, and has it go on there after a loss.
// Used by: node_link.ts, which asks and delivers.
// Invariant: after a loss a client goes on from its own place, or gets `lagged` with the epoch that it knows.
import { isRecord, tryParseRecord } from "../../../base/json.ts";
import type { Failure } from "../../../protocol/errors.ts";
import { encodeServerEvent } from "../../../protocol/events.ts";
import type { Command } from "../../../protocol/schema/commands.ts";
import { isDialog, type Start, startOf } from "./wire_texts.ts";

/** Sends a command of this node for the client. */
export type Ask = (
  command: Record<string, unknown> & Pick<Command, "type">,
  done: (answer: string | Failure) => void,
) => void;

interface Place {
  /** Unknown for a session that began, or came back, while `*` was subscribed. */
  epoch: string | undefined;
  seq: number;
}

/** Names no epoch of any session. A subscription from there gets the state. */
const UNKNOWN_EPOCH = "unknown";

/** The places of one client on one node. */
export class ClientPlaces {
  readonly #send: (text: string) => void;
  /** What the client subscribes to, with the fields of its command. */
  readonly #subscriptions = new Map<string, Record<string, unknown>>();
  readonly #places = new Map<string, Place>();
  readonly #lagging = new Set<string>();
  /** No virtual connection carries the subscriptions. */
  #over = false;
  /** What the client subscribes to, and a new virtual connection has not answered yet. */
  readonly #again = new Set<string>();
  /** `session_resumed` of sessions whose new epoch the client must not learn before `lagged` names the old one. */
  readonly #resumed = new Map<string, string>();

  /** @param send sends a message to the client */
  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** Whether the client subscribes to anything there. */
  get subscribes(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** The client subscribes to a session from now on. @param from the cursor of its command */
  begin(sessionId: string, fields: Record<string, unknown>, answer: string, from?: unknown): void {
    this.#subscriptions.set(sessionId, fields);
    this.#lagging.delete(sessionId);
    const start = startOf(answer);
    if (start === undefined) return void this.#places.delete(sessionId);
    this.#places.set(sessionId, placeOf(start, from));
  }

  /** The client subscribes to all sessions from now on. @param from the cursors of its command */
  beginAll(fields: Record<string, unknown>, answer: string, from: Record<string, unknown> = {}): void {
    this.#subscriptions.set("*", fields);
    for (const [sessionId, start] of startsOf(answer) ?? []) {
      this.#places.set(sessionId, placeOf(start, from[sessionId]));
    }
    this.#lagging.clear();
  }

  /** The client does not subscribe to that any more. */
  end(target: string): void {
    this.#subscriptions.delete(target);
    this.#releaseResumed();
  }

  /** The session lives elsewhere from now on. */
  forget(sessionId: string): void {
    for (const kept of [this.#subscriptions, this.#places, this.#lagging, this.#again, this.#resumed]) {
      kept.delete(sessionId);
    }
  }

  /** Moves the client's place with an event. False: the client must not get it. */
  event(sessionId: string, seq: number, text: string): boolean {
    if (this.#lagging.has(sessionId) && !isDialog(text)) return false;
    const place = this.#places.get(sessionId);
    if (place === undefined) this.#places.set(sessionId, { epoch: undefined, seq });
    else place.seq = seq;
    return true;
  }

  /** The other node has said that the client lags. */
  lagged(sessionId: string): void {
    this.#lagging.add(sessionId);
  }

  /** Follows the sessions that begin, end, or count anew. False: the client gets the message later. */
  serverEvent(type: string, text: string): boolean {
    if (!type.startsWith("session_")) return true;
    const { data } = tryParseRecord(text) ?? {};
    const { sessionId, epoch } = isRecord(data) ? data : {};
    if (typeof sessionId !== "string") return true;
    if (type === "session_resumed" && typeof epoch === "string") {
      if (this.holdsBack(sessionId, text)) return false;
      const place = this.#places.get(sessionId);
      // Parking keeps the epoch, and the numbers go on.
      const same = place !== undefined && (place.epoch ?? epoch) === epoch;
      this.#places.set(sessionId, { epoch, seq: same ? place.seq : 0 });
    } else if (type === "session_crashed" && typeof epoch === "string") {
      this.#places.set(sessionId, { epoch, seq: 0 });
    } else if (type !== "session_parked") this.#places.delete(sessionId);
    if (type === "session_deleted" || type === "session_crashed") this.#subscriptions.delete(sessionId);
    this.#releaseResumed(sessionId);
    return true;
  }

  /** Keeps `session_resumed` until the client's subscription is answered. False: it need not wait. */
  holdsBack(sessionId: string, text: string): boolean {
    if (!this.#waits(sessionId)) return false;
    this.#resumed.set(sessionId, text);
    return true;
  }

  /** The virtual connection is over. */
  over(): void {
    this.#over = true;
    this.#again.clear();
  }

  /** On a new virtual connection: asks for the client's subscriptions, each from where the client is. */
  again(ask: Ask): void {
    this.#over = false;
    for (const [target, fields] of [...this.#subscriptions]) {
      this.#again.add(target);
      const command = { type: "subscribe" as const, ...fields, ...this.#from(target), sessionId: target };
      ask(command, (answer) => {
        // Otherwise this virtual connection is over, too, and the next one asks.
        if (typeof answer === "string") this.#answered(target, answer);
      });
    }
  }

  /** The cursors of a subscription. */
  #from(target: string): Record<string, unknown> {
    if (target === "*") {
      const known = [...this.#places].filter(([, { epoch }]) => epoch !== undefined);
      return { from: { sessions: Object.fromEntries(known) } };
    }
    const place = this.#places.get(target);
    return place?.epoch === undefined ? {} : { from: place };
  }

  #answered(target: string, answer: string): void {
    if (target === "*") this.#allAgain(answer);
    else this.#oneAgain(target, answer);
    this.#again.delete(target);
    this.#releaseResumed();
  }

  #oneAgain(sessionId: string, answer: string): void {
    const start = startOf(answer);
    if (start !== undefined) this.#resume(sessionId, start);
    // For another refusal than this one the client subscribes itself, and learns the reason.
    else if (tryParseRecord(answer)?.["code"] !== "session_not_found") this.#lag(sessionId);
    else {
      this.#subscriptions.delete(sessionId);
      this.#deleted(sessionId);
    }
  }

  #allAgain(answer: string): void {
    const starts = startsOf(answer);
    for (const sessionId of [...this.#places.keys()]) {
      if (this.#subscriptions.has(sessionId)) continue;
      if (starts === undefined) this.#lag(sessionId);
      else if (!starts.has(sessionId)) this.#deleted(sessionId);
    }
    for (const [sessionId, start] of starts ?? []) {
      if (!this.#subscriptions.has(sessionId)) this.#resume(sessionId, start);
    }
  }

  #deleted(sessionId: string): void {
    this.#places.delete(sessionId);
    this.#send(encodeServerEvent("session_deleted", { sessionId }));
  }

  /** The client goes on where it was, or asks for the state itself. */
  #resume(sessionId: string, { mode, epoch, seq }: Start): void {
    const place = this.#places.get(sessionId);
    // Where the epoch is unknown, equal numbers prove nothing.
    const atEnd = place === undefined ? seq === 0 : place.epoch === epoch && place.seq === seq;
    if (mode !== "replay" && !(mode === "live" && atEnd)) this.#lag(sessionId);
    this.#places.set(sessionId, { epoch, seq: mode === "replay" ? place?.seq ?? 0 : seq });
  }

  /** Has the client subscribe itself, from where it is. */
  #lag(sessionId: string): void {
    if (this.#lagging.has(sessionId)) return;
    this.#lagging.add(sessionId);
    const { epoch = UNKNOWN_EPOCH, seq: afterSeq = 0 } = this.#places.get(sessionId) ?? {};
    this.#send(JSON.stringify({ type: "lagged", sessionId, epoch, afterSeq }));
  }

  /** Whether the client's subscription to a session has to be made again, and is not yet. */
  #waits(sessionId: string): boolean {
    const target = this.#subscriptions.has(sessionId) ? sessionId : "*";
    return this.#subscriptions.has(target) && (this.#over || this.#again.has(target));
  }

  /** Sends what was held back and need not wait any more. @param also this session's in any case */
  #releaseResumed(also?: string): void {
    for (const [sessionId, text] of [...this.#resumed]) {
      if (sessionId !== also && this.#waits(sessionId)) continue;
      this.#resumed.delete(sessionId);
      this.#send(text);
    }
  }
}

/** The events of a replay come behind the answer, and move the place. Until then the client is where it asked from. */
function placeOf({ mode, epoch, seq }: Start, from: unknown): Place {
  const asked = isRecord(from) ? from["seq"] : undefined;
  return { epoch, seq: mode === "replay" && typeof asked === "number" ? asked : seq };
}

/** The starts in the answer to `subscribe` for all sessions. Undefined in a refusal. */
function startsOf(answer: string): Map<string, Start> | undefined {
  const starts = new Map<string, Start>();
  const { data } = tryParseRecord(answer) ?? {};
  const { sessions } = isRecord(data) ? data : {};
  if (!isRecord(sessions)) return undefined;
  for (const [sessionId, start] of Object.entries(sessions)) {
    if (!isRecord(start)) continue;
    const { mode, epoch, seq } = start;
    if (typeof mode === "string" && typeof epoch === "string" && typeof seq === "number") {
      starts.set(sessionId, { mode, epoch, seq });
    }
  }
  return starts;
}
