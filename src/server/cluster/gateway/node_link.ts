// Does: one client's way to one other node: its commands there, and the messages that come back, over one virtual connection.
// Used by: gateway.ts. Uses: Channel for the frames, and client_places.ts for the client's subscriptions.
// Invariant: each command gets exactly one answer, also after a loss.
import { encodeFailure, type ResponseHead } from "../../../protocol/envelope.ts";
import { type Failure, failure } from "../../../protocol/errors.ts";
import type { Command, CommandSpec } from "../../../protocol/schema/commands.ts";
import type { Connection } from "../../router/connection.ts";
import type { Channel, ChannelEvents } from "../wire/channel.ts";
import { TRY_LATER } from "../wire/channels.ts";
import { ClientPlaces } from "./client_places.ts";
import { type Heading, headingOf } from "./wire_texts.ts";

/** Bytes to another node that may wait before a further command is refused. */
const WINDOW_BYTES = 256 * 1024;

export interface NodeLinkParts {
  readonly connection: Connection;
  readonly node: string;
  /** The first characters of the ids of this node's own commands. No client can guess them. */
  readonly ownIds: string;
  /** Whether the node lives. One that is silent may still have a virtual connection, and gets no further command. */
  lives(): boolean;
  /** Opens a virtual connection. Undefined while the node is gone. */
  open(events: ChannelEvents): Channel | undefined;
  /** The owner of a session, where it is known. */
  ownerOf(sessionId: string): string | undefined;
  /** The node spoke of a session that is not its own. */
  foreign(sessionId: string): void;
  /** The other node has ended the client: it reads too slowly, or its token is over. */
  endClient(code: number, reason: string): void;
  /** A command was answered. */
  answered(
    command: Pick<Command, "type">,
    sessionId: string | undefined,
    success: boolean,
    text: string,
  ): void;
  /** No command waits for an answer any more. */
  settled(): void;
}

/** A command without an answer. */
interface Pending {
  readonly head: ResponseHead;
  readonly text: string;
  /** A repetition does no harm: it only reads, or it has a key that the other node keeps. */
  readonly repeatable: boolean;
  /** The fields of a `subscribe`, and the cursor of it. */
  readonly subscribe?: Record<string, unknown>;
  readonly from?: unknown;
  readonly command: Pick<Command, "type">;
  /** Of this node's own commands: gets the answer in place of the client. */
  readonly done?: (answer: string | Failure) => void;
}

let count = 0;

/** A client's way to another node. */
export class NodeLink {
  readonly node: string;
  readonly #parts: NodeLinkParts;
  #channel: Channel | undefined;
  /** The greeting of the other node has arrived. */
  #greeted = false;
  readonly #pending = new Map<string, Pending[]>();
  readonly #places: ClientPlaces;
  readonly #inbox: string[] = [];
  /** Commands of a client that waits instead of being refused, until the other node has taken earlier ones. */
  #queue: Pending[] = [];
  #held = 0;
  #waits = false;
  #closed = false;

  constructor(parts: NodeLinkParts) {
    this.node = parts.node;
    this.#parts = parts;
    this.#places = new ClientPlaces((text) => parts.connection.send(text));
  }

  /** Whether server events of that node reach the client over this link. */
  get greeted(): boolean {
    return this.#greeted && this.#channel !== undefined;
  }

  /** Whether the client subscribes to anything there. */
  get subscribes(): boolean {
    return this.#places.subscribes;
  }

  /** Whether a command waits for its answer. */
  get waits(): boolean {
    return this.#pending.size > 0 || this.#queue.length > 0;
  }

  /** Sends a client's command. Its answer, or a failure, goes to the client. */
  command(text: string, command: Command, spec: CommandSpec): void {
    const { connection, lives } = this.#parts;
    const channel = lives() ? this.#open() : undefined;
    const head = headOf(command);
    if (channel === undefined) return this.#refuse(head, this.unavailable());
    const full = channel.buffered > WINDOW_BYTES || this.#queue.length > 0;
    if (full && !spec.exempt && !connection.peer.blocksWhenFull) {
      const sentence = `Too many commands wait on their way to node ${this.node}; send again after a moment`;
      return this.#refuse(head, failure("overloaded", sentence, { retryAfterMs: 250 }));
    }
    connection.asked();
    const keyed = "idempotencyKey" in command && command.idempotencyKey !== undefined && spec.keyed;
    const pending: Pending = {
      head,
      text,
      command,
      repeatable: keyed || !spec.mutates && !spec.keyed,
      ...(command.type === "subscribe" ? { subscribe: fieldsOf(command), from: command.from } : {}),
      ...(command.type === "switch_session" ? { subscribe: { updates: "full" } } : {}),
    };
    if (full && !spec.exempt) {
      // The transport reads no more than so much ahead.
      connection.holds(text.length);
      this.#queue.push(pending);
    } else this.#sendNow(channel, pending);
  }

  /** Sends a command of this node for the client. The client does not see the answer. */
  ask(
    command: Record<string, unknown> & Pick<Command, "type">,
    done: (answer: string | Failure) => void,
  ): void {
    const channel = this.#parts.lives() ? this.#open() : undefined;
    if (channel === undefined) return done(this.unavailable());
    this.#ask(channel, command, done);
  }

  /** What the client subscribes to there. */
  get places(): ClientPlaces {
    return this.#places;
  }

  /** Delivers nothing until `release`: what comes belongs behind an answer that is not complete yet. */
  hold(): void {
    this.#held++;
  }

  release(): void {
    this.#held--;
    this.#deliver();
  }

  /** The node is back: subscribes again, where the client had subscribed. */
  back(): void {
    if (this.#channel === undefined && this.subscribes) this.#open();
  }

  /** This node ends: each command that still waits gets its answer now. */
  farewell(): void {
    const open = [...this.#pending.values()].flat();
    this.#pending.clear();
    for (const pending of open) {
      this.#fail(
        pending,
        unknown(this.node, "This node shut down before the session's node answered"),
        ENDING,
      );
    }
    this.#refuseQueued(ENDING);
  }

  /** The client is gone. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel?.close(1000, "The client is gone");
    this.#channel = undefined;
    this.#inbox.length = 0;
    this.#queue = [];
    const over = [...this.#pending.values()].flat();
    this.#pending.clear();
    for (const { done } of over) done?.(failure("cancelled", "The client is gone"));
    this.#parts.settled();
  }

  /** The node cannot be reached. */
  unavailable(): Failure {
    const sentence =
      `Node ${this.node} cannot be reached now; list_nodes shows the others, and its sessions come back with it`;
    return failure("node_unavailable", sentence, { retryAfterMs: 1_000, data: { node: this.node } });
  }

  #open(): Channel | undefined {
    if (this.#channel !== undefined || this.#closed) return this.#channel;
    const channel = this.#parts.open({
      onText: (text) => {
        if (this.#channel !== channel) return;
        this.#inbox.push(text);
        this.#deliver();
      },
      onDrain: () => {
        if (this.#channel === channel) this.#sendQueued();
      },
      onEnd: (reason, code) => {
        if (this.#channel === channel) this.#ended(reason, code);
      },
    });
    this.#channel = channel;
    if (channel !== undefined) this.#places.again((command, done) => this.#ask(channel, command, done));
    return channel;
  }

  #ask(
    channel: Channel,
    command: Record<string, unknown> & Pick<Command, "type">,
    done: (answer: string | Failure) => void,
  ): void {
    const id = `${this.#parts.ownIds}${++count}`;
    const text = JSON.stringify({ ...command, id });
    this.#expect({
      head: { id, command: command.type },
      text,
      command,
      repeatable: command.type !== "subscribe",
      done,
    });
    channel.send(text);
  }

  #sendNow(channel: Channel, pending: Pending): void {
    this.#expect(pending);
    channel.send(pending.text);
  }

  /** Sends what waits, as far as the window goes. */
  #sendQueued(): void {
    const { connection } = this.#parts;
    while (this.#channel !== undefined && this.#channel.buffered <= WINDOW_BYTES) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#sendNow(this.#channel, next);
      connection.holds(-next.text.length);
    }
  }

  #expect(pending: Pending): void {
    const key = keyOf(pending.head);
    const same = this.#pending.get(key);
    if (same === undefined) this.#pending.set(key, [pending]);
    else same.push(pending);
  }

  #refuse(head: ResponseHead, failed: Failure): void {
    this.#parts.connection.send(encodeFailure(head, failed));
  }

  /** Passes messages on while the client reads. What waits is not acknowledged, so the other node holds the rest. */
  #deliver(): void {
    const { connection } = this.#parts;
    while (this.#inbox.length > 0 && this.#held === 0 && !this.#waits && connection.open) {
      this.#waits = connection.outbox.onceEmpty(() => {
        this.#waits = false;
        this.#deliver();
      });
      if (this.#waits) return;
      const channel = this.#channel;
      const text = this.#inbox.shift() ?? "";
      this.#pass(text);
      channel?.taken();
    }
  }

  #pass(text: string): void {
    if (!this.#greeted) {
      // The other node greets this client as any other one.
      this.#greeted = true;
      return;
    }
    const { connection, node } = this.#parts;
    const heading = headingOf(text);
    if (heading.kind === "response") return this.#answer(heading, text);
    if (heading.kind === "event") {
      const { sessionId, seq } = heading;
      const owner = this.#parts.ownerOf(sessionId);
      if (owner !== undefined && owner !== node) return this.#parts.foreign(sessionId);
      if (!this.#places.event(sessionId, seq, text)) return;
    } else if (heading.kind === "lagged") this.#places.lagged(heading.sessionId);
    else if (!this.#places.serverEvent(heading.type, text)) return;
    connection.send(text);
  }

  #answer(heading: Extract<Heading, { kind: "response" }>, text: string): void {
    const { connection } = this.#parts;
    const pending = this.#take(heading);
    // A refusal of a message that could not be read names no command. Others that nothing waits for would confuse.
    if (pending === undefined) return heading.id === undefined ? connection.send(text) : undefined;
    this.#settle(pending, heading, text);
    if (!this.waits) this.#parts.settled();
  }

  #settle(
    { done, subscribe, from, head, command }: Pending,
    heading: Extract<Heading, { kind: "response" }>,
    text: string,
  ): void {
    const { connection } = this.#parts;
    if (done !== undefined) return done(text);
    const target = head.sessionId;
    if (heading.success && target !== undefined) {
      if (subscribe !== undefined) this.#places.begin(target, subscribe, text, from);
      else if (command.type === "unsubscribe") this.#places.end(target);
    }
    this.#parts.answered(command, heading.sessionId ?? target, heading.success, text);
    connection.send(text);
    connection.answered();
  }

  #take(heading: Extract<Heading, { kind: "response" }>): Pending | undefined {
    const exact = keyOf(heading);
    const start = `\0${heading.command}\0`;
    const key = this.#pending.has(exact) || heading.id !== undefined
      ? exact
      : [...this.#pending.keys()].find((one) => one.startsWith(start)) ?? exact;
    const waiting = this.#pending.get(key);
    const pending = waiting?.shift();
    if (waiting?.length === 0) this.#pending.delete(key);
    return pending;
  }

  /** The virtual connection is over. */
  #ended(reason: string, code: number | undefined): void {
    const { connection, endClient } = this.#parts;
    this.#channel = undefined;
    this.#greeted = false;
    this.#inbox.length = 0;
    this.#places.over();
    if (!connection.open || this.#closed) return;
    // These closes are about the client itself, and it learns them as from its own node.
    if (code !== undefined && code !== TRY_LATER && code !== 1001) return endClient(code, reason);
    const open = [...this.#pending.values()].flat();
    this.#pending.clear();
    const refused = code !== undefined;
    const again = refused
      ? undefined
      : this.subscribes || this.#queue.length > 0 || open.some((one) => one.repeatable)
      ? this.#open()
      : undefined;
    for (const pending of open) {
      if (again !== undefined && pending.repeatable) this.#sendNow(again, pending);
      else {
        const lost = `Node ${this.node} was lost before it answered (${reason})`;
        this.#fail(pending, unknown(this.node, lost), this.unavailable());
      }
    }
    if (again !== undefined) this.#sendQueued();
    else this.#refuseQueued(this.unavailable());
    if (!this.waits) this.#parts.settled();
  }

  /** Refuses what the other node has never seen. */
  #refuseQueued(failed: Failure): void {
    const { connection } = this.#parts;
    for (const { head, text } of this.#queue.splice(0)) {
      this.#refuse(head, failed);
      connection.answered();
      connection.holds(-text.length);
    }
  }

  /** Answers a command that may have begun: a repeatable one may be sent again, of others the outcome is unknown. */
  #fail({ done, head, repeatable, command }: Pending, outcome: Failure, again: Failure): void {
    const failed = repeatable || done !== undefined ? again : outcome;
    if (done !== undefined) return done(failed);
    this.#parts.answered(command, head.sessionId, false, "");
    this.#refuse(head, failed);
    this.#parts.connection.answered();
  }
}

/** The answer to a command that waits when this node ends, and that may run twice or has not begun. */
export const ENDING = failure(
  "shutting_down",
  "This node is shutting down; connect to another one, and send the command again",
);

/** The answer to a command that may or may not have run. */
function unknown(node: string, why: string): Failure {
  const sentence = `${why}; read the session's state, and send the command again if it is missing`;
  return failure("outcome_unknown", sentence, { data: { node } });
}

function headOf({ id, type, sessionId }: Command): ResponseHead {
  return {
    command: type,
    ...(id === undefined ? {} : { id }),
    ...(sessionId === undefined || sessionId === "*" ? {} : { sessionId }),
  };
}

/** Answers to commands without an id come in the order of the commands of that kind. */
function keyOf({ id, command, sessionId }: ResponseHead): string {
  return id === undefined ? `\0${command}\0${sessionId ?? ""}` : id;
}

/** The fields of a `subscribe` that hold again after a loss. */
function fieldsOf(command: Command): Record<string, unknown> {
  const { updates, events, refs, maxBytes } = command as Record<string, unknown> & Command;
  return JSON.parse(JSON.stringify({ updates, events, refs, maxBytes }));
}
