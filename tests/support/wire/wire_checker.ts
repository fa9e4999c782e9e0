// Judges everything one connection sent and received against the wire contract: known message types, exactly
// one response for each command, contiguous `seq`, events only of subscribed sessions, deltas that add up to
// the message. Pure: a transcript in, a list of faults out. `wire_client.ts` keeps the transcript.

import { at, brief, isObject, type JsonObject, stringAt } from "../base/json.ts";

/** One thing that crossed the connection, in order. */
export type Entry =
  | { kind: "sent"; id: string | null; type: string; sessionId?: string | undefined; events: boolean }
  | { kind: "received"; text: string };

const SERVER_EVENTS = [
  "session_created",
  "session_deleted",
  "session_parked",
  "session_resumed",
  "session_crashed",
  "catalogue_changed",
  "server_shutdown",
  "sessions_unavailable",
  "sessions_available",
];
const CODES = new Set([
  ..."invalid_json frame_too_large unknown_command invalid_params unsupported_protocol_version".split(" "),
  ..."session_not_found session_exists session_in_use session_limit rate_limited overloaded".split(" "),
  ..."cursor_invalid cursor_foreign cursor_version cursor_expired".split(" "),
  ..."agent_busy no_model model_not_found no_api_key not_supported_by_engine entry_not_found version_conflict"
    .split(" "),
  ..."entry_not_on_branch content_not_found".split(" "),
  ..."idempotency_conflict outcome_unknown ui_request_not_found ui_already_resolved".split(" "),
  ..."forbidden budget_exceeded path_forbidden path_not_found not_a_session_file timeout cancelled shutting_down"
    .split(" "),
  ..."node_unavailable node_not_found session_file_newer session_file_damaged session_file_too_large session_too_large agent_error internal"
    .split(" "),
]);

/** What the connection is subscribed to of one session. */
interface Feed {
  nextSeq: number;
  filtered: boolean;
  byStar: boolean;
  /** The next event may come later than `nextSeq`. */
  loose?: boolean;
  /** Text of each content block of the assistant message that is streaming, if its start was seen. */
  blocks: Map<number, string> | undefined;
  openTools: Set<string>;
}

/** Which commands wait for their response: those with an id by id, the others counted. */
class Ledger {
  readonly #open = new Map<string, Extract<Entry, { kind: "sent" }>[]>();
  #anonymous = 0;

  sent(entry: Extract<Entry, { kind: "sent" }>): void {
    if (entry.id === null) this.#anonymous++;
    else this.#open.set(entry.id, [...this.#open.get(entry.id) ?? [], entry]);
  }

  /** The command that the response answers; a string says that there is none. */
  answered(response: JsonObject): Extract<Entry, { kind: "sent" }> | undefined | string {
    if (response.id === undefined) {
      if (this.#anonymous === 0) return `response without id that nothing asked for: ${brief(response)}`;
      this.#anonymous--;
      return undefined;
    }
    const waiting = this.#open.get(String(response.id)) ?? [];
    // Pipelined commands may share an id: prefer the one of the same type.
    const index = Math.max(0, waiting.findIndex((entry) => entry.type === response.command));
    const [entry] = waiting.splice(index, 1);
    return entry ?? `second response, or one to a command never sent: ${brief(response)}`;
  }

  unanswered(): string[] {
    const left = [...this.#open].flatMap(([id, entries]) => entries.map((entry) => `${id} (${entry.type})`));
    if (this.#anonymous > 0) left.push(`${this.#anonymous} without id`);
    return left;
  }
}

/** All faults of a transcript; `complete` also wants every command answered. */
export function checkTranscript(transcript: readonly Entry[], complete = true): string[] {
  const faults: string[] = [];
  const ledger = new Ledger();
  const feeds = new Feeds(faults);
  let first = true;
  for (const entry of transcript) {
    if (entry.kind === "sent") {
      ledger.sent(entry);
      continue;
    }
    const message = parsed(entry.text, faults);
    if (!message) continue;
    if (first !== (message.type === "server_ready")) {
      faults.push(first ? `first message is not a greeting: ${brief(message)}` : "second greeting");
    }
    first = false;
    if (message.type === "response") {
      checkResponse(message, faults);
      const command = ledger.answered(message);
      if (typeof command === "string") faults.push(command);
      else if (message.success === true) feeds.answered(message, command);
    } else if (message.type === "event") feeds.event(message);
    else if (SERVER_EVENTS.includes(String(message.type))) feeds.serverEvent(message);
    else if (!["server_ready", "cursor", "lagged"].includes(String(message.type))) {
      faults.push(`unknown message type: ${brief(message)}`);
    }
  }
  if (complete) { for (const id of ledger.unanswered()) faults.push(`no response to ${id}`); }
  return faults;
}

function parsed(text: string, faults: string[]): JsonObject | undefined {
  try {
    const message: unknown = JSON.parse(text);
    if (hasHalf(text, message)) {
      faults.push(`half of a character, which strict clients refuse: ${brief(text)}`);
    }
    if (isObject(message)) return message;
  } catch {
    // Reported below, with the text.
  }
  faults.push(`not a JSON object: ${brief(text)}`);
  return undefined;
}

/** Whether a string of the message holds half of a surrogate pair; only an escape can bring one in. */
export function hasHalf(text: string, message: unknown): boolean {
  if (!text.isWellFormed()) return true;
  if (!/\\ud/i.test(text)) return false;
  let found = false;
  JSON.stringify(message, (name, value) => {
    if (!name.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) found = true;
    return value;
  });
  return found;
}

function checkResponse(response: JsonObject, faults: string[]): void {
  const bad = (what: string) => faults.push(`${what}: ${brief(response)}`);
  if (response.protocolVersion !== "1.0") bad("response without protocolVersion 1.0");
  if (typeof response.command !== "string") bad("response without command");
  if (response.success === true) {
    if ("error" in response || "code" in response) bad("success with an error");
    return;
  }
  if (response.success !== false) bad("response without success");
  if (typeof response.error !== "string" || response.error === "") bad("failure without error text");
  if (typeof response.code !== "string" || !CODES.has(response.code)) bad("failure with unknown code");
  if (typeof response.retryable !== "boolean") bad("failure without retryable");
  if (/\n\s+at .*:\d+/.test(String(response.error))) bad("a stack trace in an error");
}

/** Follows the subscriptions of the connection and what arrives under them. */
class Feeds {
  readonly #feeds = new Map<string, Feed>();
  readonly #faults: string[];
  #star: { filtered: boolean } | undefined;

  constructor(faults: string[]) {
    this.#faults = faults;
  }

  answered(response: JsonObject, command: Extract<Entry, { kind: "sent" }> | undefined): void {
    if (response.command === "subscribe") this.#subscribed(response, command);
    if (response.command === "switch_session") {
      const id = stringAt(response, "data", "sessionInfo", "sessionId");
      this.#open(id, response.data, false, false);
    }
    if (response.command === "unsubscribe") {
      const id = command?.sessionId;
      const feed = this.#feeds.get(String(id));
      if (id !== "*" && feed && this.#star) {
        // What `*` said counts again; how far a filtered subscription had come isn't known.
        Object.assign(feed, { byStar: true, loose: feed.filtered, blocks: undefined, ...this.#star });
      } else if (id !== "*") this.#feeds.delete(String(id));
      else {
        this.#star = undefined;
        for (const [key, feed] of [...this.#feeds]) if (feed.byStar) this.#feeds.delete(key);
      }
    }
  }

  #subscribed(response: JsonObject, command: Extract<Entry, { kind: "sent" }> | undefined): void {
    const filtered = command?.events ?? false;
    const sessions = at(response, "data", "sessions");
    if (!isObject(sessions)) {
      this.#open(String(command?.sessionId), response.data, filtered, false);
      return;
    }
    this.#star = { filtered };
    for (const [id, data] of Object.entries(sessions)) {
      const own = this.#feeds.get(id);
      if (!own || own.byStar) this.#open(id, data, filtered, true);
    }
  }

  #open(id: string, data: unknown, filtered: boolean, byStar: boolean): void {
    const seq = at(data, "seq") ?? at(data, "sessionInfo", "seq");
    if (typeof seq !== "number") {
      this.#faults.push(`subscription to ${id} without seq: ${brief(data)}`);
      return;
    }
    const before = this.#feeds.get(id);
    const nextSeq = seq + 1;
    this.#feeds.set(id, {
      nextSeq,
      filtered,
      byStar,
      // Subscribing again goes on from where the old subscription stood.
      blocks: before?.nextSeq === nextSeq ? before.blocks : undefined,
      openTools: before?.openTools ?? new Set(),
    });
  }

  serverEvent(message: JsonObject): void {
    const id = at(message, "data", "sessionId");
    const ofNone = ["server_shutdown", "catalogue_changed", "sessions_unavailable", "sessions_available"]
      .includes(String(message.type));
    if (!ofNone && typeof id !== "string") {
      this.#faults.push(`server event without data.sessionId: ${brief(message)}`);
    } else if (message.type === "session_deleted") this.#feeds.delete(String(id));
    // Another epoch: its numbers begin anew.
    else if (message.type === "session_crashed") this.#feeds.delete(String(id));
  }

  event(message: JsonObject): void {
    const { sessionId: id, seq, event } = message;
    const bad = (what: string) => this.#faults.push(`${what}: ${brief(message)}`);
    if (typeof id !== "string" || typeof seq !== "number" || !isObject(event)) {
      bad("event without sessionId, seq or event");
      return;
    }
    let feed = this.#feeds.get(id);
    if (!feed && this.#star) {
      feed = { nextSeq: 1, byStar: true, blocks: undefined, openTools: new Set(), ...this.#star };
      this.#feeds.set(id, feed);
    }
    if (!feed) {
      bad("event of a session that is not subscribed");
      return;
    }
    const firstSeq = seq - (typeof message.coalesced === "number" ? message.coalesced : 1) + 1;
    if (feed.filtered || feed.loose ? firstSeq < feed.nextSeq : firstSeq !== feed.nextSeq) {
      bad(`seq of ${id}: expected ${feed.nextSeq}, got ${firstSeq}`);
    }
    feed.nextSeq = seq + 1;
    feed.loose = false;
    if (!feed.filtered) followMessage(feed, event, bad);
  }
}

/** Deltas add up to the message, and tools end that began: what a mix-up of sessions breaks. */
function followMessage(feed: Feed, event: JsonObject, bad: (what: string) => void): void {
  const assistant = at(event, "message", "role") === "assistant";
  if (event.type === "message_start" && assistant) feed.blocks = new Map();
  else if (event.type === "message_update" && feed.blocks) {
    const index = Number(at(event, "assistantMessageEvent", "contentIndex") ?? -1);
    const delta = at(event, "assistantMessageEvent", "delta");
    const type = at(event, "assistantMessageEvent", "type");
    if (typeof delta === "string" && type !== "toolcall_delta") {
      feed.blocks.set(index, (feed.blocks.get(index) ?? "") + delta);
    }
  } else if (event.type === "message_end" && assistant) {
    const content = at(event, "message", "content");
    if (feed.blocks && Array.isArray(content)) {
      content.forEach((block, index) => {
        const whole = at(block, "text") ?? at(block, "thinking");
        if (typeof whole !== "string") return;
        const sum = feed.blocks?.get(index) ?? "";
        if (sum !== whole) bad(`deltas add up to ${brief(sum, 80)}, not to the message`);
      });
    }
    feed.blocks = undefined;
  } else if (event.type === "tool_execution_start") feed.openTools.add(String(event.toolCallId));
  else if (event.type === "tool_execution_end") feed.openTools.delete(String(event.toolCallId));
}
