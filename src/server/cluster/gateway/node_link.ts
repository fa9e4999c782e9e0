// Does: one client's way to one other node: its commands there, and the messages that come back, over one virtual connection.
// Used by: gateway.ts. Uses: Channel for the frames, and wire_texts.ts for the beginnings of messages.
// Invariant: each command gets exactly one answer. After a loss the client goes on from its own cursors, or gets `lagged`.
import { isRecord, tryParseRecord } from "../../../base/json.ts";
import { encodeFailure, type ResponseHead } from "../../../protocol/envelope.ts";
import { type Failure, failure } from "../../../protocol/errors.ts";
import { encodeServerEvent } from "../../../protocol/events.ts";
import type { Command, CommandSpec } from "../../../protocol/schema/commands.ts";
import type { Connection } from "../../router/connection.ts";
import type { Channel, ChannelEvents } from "../wire/channel.ts";
import { TRY_LATER } from "../wire/channels.ts";
import { type Heading, headingOf, isDialog, startOf } from "./wire_texts.ts";

/** Bytes to another node that may wait before a further command is refused. */
const WINDOW_BYTES = 256 * 1024;

export interface NodeLinkParts {
  readonly connection: Connection;
  readonly node: string;
  /** The first characters of the ids of this node's own commands. No client can guess them. */
  readonly ownIds: string;
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
}

/** A command without an answer. */
interface Pending {
  readonly head: ResponseHead;
  readonly text: string;
  /** A repetition does no harm: it only reads, or it has a key that the other node keeps. */
  readonly repeatable: boolean;
  readonly reads: boolean;
  /** The fields of a `subscribe`. */
  readonly subscribe?: Record<string, unknown>;
  readonly command: Pick<Command, "type">;
  /** Of this node's own commands: gets the answer in place of the client. */
  readonly done?: (answer: string | Failure) => void;
}

interface Place {
  /** Unknown for a session that began, or came back, while `*` was subscribed. */
  epoch: string | undefined;
  seq: number;
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
  /** What the client subscribes to there, with the fields of its command. */
  readonly #subscriptions = new Map<string, Record<string, unknown>>();
  readonly #places = new Map<string, Place>();
  readonly #lagging = new Set<string>();
  readonly #inbox: string[] = [];
  #held = 0;
  #waits = false;
  #closed = false;

  constructor(parts: NodeLinkParts) {
    this.node = parts.node;
    this.#parts = parts;
  }

  /** Whether server events of that node reach the client over this link. */
  get greeted(): boolean {
    return this.#greeted && this.#channel !== undefined;
  }

  /** Whether the client subscribes to anything there. */
  get subscribes(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** Sends a client's command. Its answer, or a failure, goes to the client. */
  command(text: string, command: Command, spec: CommandSpec): void {
    const { connection } = this.#parts;
    const channel = this.#open();
    const head = headOf(command);
    if (channel === undefined) return this.#refuse(head, this.unavailable());
    if (channel.buffered > WINDOW_BYTES && !spec.exempt) {
      const sentence = `Too many commands wait on their way to node ${this.node}; send again after a moment`;
      return this.#refuse(head, failure("overloaded", sentence, { retryAfterMs: 250 }));
    }
    connection.asked();
    const keyed = "idempotencyKey" in command && command.idempotencyKey !== undefined && spec.keyed;
    this.#expect({
      head,
      text,
      command,
      reads: !spec.mutates && !spec.keyed,
      repeatable: keyed || !spec.mutates && !spec.keyed,
      ...(command.type === "subscribe" ? { subscribe: fieldsOf(command) } : {}),
      ...(command.type === "switch_session" ? { subscribe: { updates: "full" } } : {}),
    });
    channel.send(text);
  }

  /** Sends a command of this node for the client. The client does not see the answer. */
  ask(
    command: Record<string, unknown> & Pick<Command, "type">,
    done: (answer: string | Failure) => void,
  ): void {
    const channel = this.#open();
    if (channel === undefined) return done(this.unavailable());
    this.#ask(channel, command, done);
  }

  /** The client subscribes there from now on, by a command of this node. */
  subscribed(target: string, fields: Record<string, unknown>, answer: string): void {
    this.#subscriptions.set(target, fields);
    for (const [sessionId, { epoch, seq }] of startsOf(answer)) this.#places.set(sessionId, { epoch, seq });
    this.#lagging.clear();
  }

  /** The client does not subscribe to that any more, by a command of this node. */
  unsubscribed(target: string): void {
    this.#subscriptions.delete(target);
  }

  /** The session lives elsewhere from now on. */
  forget(sessionId: string): void {
    this.#subscriptions.delete(sessionId);
    this.#places.delete(sessionId);
    this.#lagging.delete(sessionId);
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

  /** The client is gone. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel?.close(1000, "The client is gone");
    this.#channel = undefined;
    this.#inbox.length = 0;
    const over = [...this.#pending.values()].flat();
    this.#pending.clear();
    for (const { done } of over) done?.(failure("cancelled", "The client is gone"));
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
      onDrain: () => {},
      onEnd: (reason, code) => {
        if (this.#channel === channel) this.#ended(reason, code);
      },
    });
    this.#channel = channel;
    if (channel !== undefined) this.#subscribeAgain(channel);
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
      reads: true,
      repeatable: command.type !== "subscribe",
      done,
    });
    channel.send(text);
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
      if (this.#lagging.has(sessionId) && !isDialog(text)) return;
      const place = this.#places.get(sessionId);
      if (place === undefined) this.#places.set(sessionId, { epoch: undefined, seq });
      else place.seq = seq;
    } else if (heading.kind === "lagged") this.#lagging.add(heading.sessionId);
    else this.#follow(heading.type, text);
    connection.send(text);
  }

  /** Follows the sessions that begin, end, or count anew. */
  #follow(type: string, text: string): void {
    if (!type.startsWith("session_")) return;
    const { data } = tryParseRecord(text) ?? {};
    const { sessionId, epoch } = isRecord(data) ? data : {};
    if (typeof sessionId !== "string") return;
    if (type === "session_resumed" && typeof epoch === "string") {
      this.#places.set(sessionId, { epoch, seq: 0 });
    } else if (type !== "session_parked") this.#places.delete(sessionId);
    if (type === "session_deleted" || type === "session_crashed") this.#subscriptions.delete(sessionId);
  }

  #answer(heading: Extract<Heading, { kind: "response" }>, text: string): void {
    const { connection } = this.#parts;
    const pending = this.#take(heading);
    // A refusal of a message that could not be read names no command. Others that nothing waits for would confuse.
    if (pending === undefined) return heading.id === undefined ? connection.send(text) : undefined;
    const { done, subscribe, head, command } = pending;
    if (done !== undefined) return done(text);
    const target = head.sessionId;
    if (heading.success && target !== undefined) {
      if (subscribe !== undefined) this.#begin(target, subscribe, text);
      else if (command.type === "unsubscribe") this.#subscriptions.delete(target);
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

  #begin(sessionId: string, fields: Record<string, unknown>, answer: string): void {
    this.#subscriptions.set(sessionId, fields);
    this.#lagging.delete(sessionId);
    const start = startOf(answer);
    if (start === undefined) return void this.#places.delete(sessionId);
    // The events of a replay come behind the answer, and move the place.
    this.#places.set(sessionId, start);
  }

  /** The virtual connection is over. */
  #ended(reason: string, code: number | undefined): void {
    const { connection, endClient } = this.#parts;
    this.#channel = undefined;
    this.#greeted = false;
    this.#inbox.length = 0;
    if (!connection.open || this.#closed) return;
    // These closes are about the client itself, and it learns them as from its own node.
    if (code !== undefined && code !== TRY_LATER && code !== 1001) return endClient(code, reason);
    const open = [...this.#pending.values()].flat();
    this.#pending.clear();
    const refused = code !== undefined;
    const again = refused
      ? undefined
      : this.subscribes || open.some((one) => one.repeatable)
      ? this.#open()
      : undefined;
    for (const pending of open) {
      if (again !== undefined && pending.repeatable) {
        this.#expect(pending);
        again.send(pending.text);
      } else this.#fail(pending, reason);
    }
  }

  #fail(pending: Pending, reason: string): void {
    const { done, head, repeatable, command } = pending;
    const unknown = failure(
      "outcome_unknown",
      `Node ${this.node} was lost before it answered (${reason}); read the session's state, and send the command again if it is missing`,
      { data: { node: this.node } },
    );
    const failed = repeatable || done !== undefined ? this.unavailable() : unknown;
    if (done !== undefined) return done(failed);
    this.#parts.answered(command, head.sessionId, false, "");
    this.#refuse(head, failed);
    this.#parts.connection.answered();
  }

  /** On a new virtual connection: the client's subscriptions, each from where the client is. */
  #subscribeAgain(channel: Channel): void {
    for (const [target, fields] of [...this.#subscriptions]) {
      if (target === "*") {
        const known = [...this.#places].filter(([, { epoch }]) => epoch !== undefined);
        const from = {
          sessions: Object.fromEntries(known.map(([id, { epoch, seq }]) => [id, { epoch, seq }])),
        };
        this.#ask(
          channel,
          { type: "subscribe", ...fields, sessionId: "*", from },
          (answer) => this.#allAgain(answer),
        );
        continue;
      }
      const place = this.#places.get(target);
      const from = place?.epoch === undefined ? {} : { from: { epoch: place.epoch, seq: place.seq } };
      this.#ask(channel, { type: "subscribe", ...fields, ...from, sessionId: target }, (answer) => {
        this.#oneAgain(target, answer);
      });
    }
  }

  #oneAgain(sessionId: string, answer: string | Failure): void {
    if (typeof answer !== "string") return;
    const start = startOf(answer);
    if (start === undefined) {
      this.#subscriptions.delete(sessionId);
      this.#places.delete(sessionId);
      return this.#parts.connection.send(encodeServerEvent("session_deleted", { sessionId }));
    }
    this.#resume(sessionId, start);
  }

  #allAgain(answer: string | Failure): void {
    if (typeof answer !== "string") return;
    const starts = startsOf(answer);
    for (const sessionId of [...this.#places.keys()]) {
      if (starts.has(sessionId)) continue;
      this.#places.delete(sessionId);
      this.#parts.connection.send(encodeServerEvent("session_deleted", { sessionId }));
    }
    for (const [sessionId, start] of starts) {
      if (!this.#subscriptions.has(sessionId)) this.#resume(sessionId, start);
    }
  }

  /** The client goes on where it was, or asks for the state itself. */
  #resume(sessionId: string, { mode, epoch, seq }: { mode: string; epoch: string; seq: number }): void {
    const place = this.#places.get(sessionId);
    const same = mode === "replay" || mode === "live" && (place?.seq ?? 0) === seq;
    this.#places.set(sessionId, { epoch, seq: mode === "replay" ? place?.seq ?? 0 : seq });
    if (same || this.#lagging.has(sessionId)) return;
    this.#lagging.add(sessionId);
    const afterSeq = place?.seq ?? 0;
    this.#parts.connection.send(
      JSON.stringify({ type: "lagged", sessionId, epoch: place?.epoch ?? epoch, afterSeq }),
    );
  }
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

/** The starts in the answer to `subscribe` for all sessions. */
function startsOf(answer: string): Map<string, { mode: string; epoch: string; seq: number }> {
  const starts = new Map<string, { mode: string; epoch: string; seq: number }>();
  const { data } = tryParseRecord(answer) ?? {};
  const { sessions } = isRecord(data) ? data : {};
  for (const [sessionId, start] of Object.entries(isRecord(sessions) ? sessions : {})) {
    if (!isRecord(start)) continue;
    const { mode, epoch, seq } = start;
    if (typeof mode === "string" && typeof epoch === "string" && typeof seq === "number") {
      starts.set(sessionId, { mode, epoch, seq });
    }
  }
  return starts;
}
