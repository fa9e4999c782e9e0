// Does: packs a batch of messages for the copy between two threads, and unpacks it. Pure.
// Used by: worker.ts and worker_link.ts. Events and replies become columns, and commands one text.
// Invariant: the copy pays for each object and each field name, so a batch has few of them.
import type { Command } from "../protocol/schema/commands.ts";
import type { CoalesceHint, EncodedEvent, FromWorker, ToWorker } from "./messages.ts";

/** The fields that many events of a batch share. */
interface Head {
  readonly type: string;
  readonly merge: CoalesceHint | undefined;
}

/** Events of one session with consecutive numbers. */
interface PackedEvents {
  readonly kind: "packed";
  readonly sessionId: string;
  /** The number of the first event. */
  readonly seq: number;
  readonly texts: readonly string[];
  /** Full forms by index, if there are any. */
  readonly fulls: readonly (string | undefined)[] | undefined;
  /** Forms with references by index, if there are any. */
  readonly briefs: readonly (string | undefined)[] | undefined;
  readonly heads: readonly Head[];
  /** For each event the index of its head, and `EncodedEvent.at`. */
  readonly marks: readonly number[];
}

/** Successful replies in a row. */
interface PackedReplies {
  readonly kind: "replies";
  readonly refs: number[];
  readonly versions: (number | undefined)[];
  readonly texts: string[];
}

/** Commands in a row. */
interface PackedCommands {
  readonly kind: "commands";
  readonly refs: readonly number[];
  readonly connections: readonly number[];
  /** JSON of their list. */
  readonly text: string;
}

type EventsMessage = Extract<FromWorker, { kind: "events" }>;
type CommandMessage = Extract<ToWorker, { kind: "command" }>;

/** A message from a worker, packed. */
export type Packed = PackedEvents | PackedReplies | Exclude<FromWorker, EventsMessage>;

/** A message to a worker, packed. */
export type PackedCall = PackedCommands | Exclude<ToWorker, CommandMessage>;

/** A batch that a worker posts. */
export interface WorkerBatch {
  readonly messages: readonly Packed[];
  readonly bytes: number;
}

/**
 * A batch for a worker. `creditBytes` are bytes of the worker's messages that the server thread has handled.
 */
export interface ServerBatch {
  readonly messages: readonly PackedCall[];
  readonly creditBytes: number;
}

/** Packs a batch for the server thread. */
export function encodeBatch(batch: readonly FromWorker[]): readonly Packed[] {
  const packed: Packed[] = [];
  let replies: PackedReplies | undefined;
  for (const message of batch) {
    if (message.kind === "reply" && message.reply.ok && message.reply.replayed === undefined) {
      const { ref, reply } = message;
      if (replies === undefined) {
        packed.push(replies = { kind: "replies", refs: [], versions: [], texts: [] });
      }
      replies.refs.push(ref);
      replies.versions.push(reply.sessionVersion);
      replies.texts.push(reply.dataText);
    } else {
      replies = undefined;
      packed.push(message.kind === "events" ? packEvents(message) : message);
    }
  }
  return packed;
}

/** Unpacks a batch, in order. */
export function decodeBatch(packed: readonly Packed[]): FromWorker[] {
  return packed.flatMap((message) =>
    message.kind === "packed"
      ? unpackEvents(message)
      : message.kind === "replies"
      ? unpackReplies(message)
      : message
  );
}

/** Packs a batch for a worker. */
export function encodeCalls(batch: readonly ToWorker[]): readonly PackedCall[] {
  const packed: PackedCall[] = [];
  for (let at = 0; at < batch.length;) {
    const commands = commandsFrom(batch, at);
    const other = batch[at];
    if (commands.length > 0) {
      packed.push({
        kind: "commands",
        refs: commands.map(({ ref }) => ref),
        connections: commands.map(({ connection }) => connection),
        // The commands arrived as JSON, so JSON can hold them.
        text: JSON.stringify(commands.map(({ command }) => command)),
      });
    } else if (other !== undefined && other.kind !== "command") packed.push(other);
    at += Math.max(1, commands.length);
  }
  return packed;
}

/** Unpacks a batch for a worker, in order. */
export function decodeCalls(packed: readonly PackedCall[]): ToWorker[] {
  return packed.flatMap((message) => {
    if (message.kind !== "commands") return message;
    const commands: Command[] = JSON.parse(message.text);
    return commands.map((command, index): ToWorker => ({
      kind: "command",
      ref: message.refs[index] ?? 0,
      connection: message.connections[index] ?? 0,
      command,
    }));
  });
}

function commandsFrom(batch: readonly ToWorker[], at: number): CommandMessage[] {
  const found: CommandMessage[] = [];
  for (let message = batch[at]; message?.kind === "command"; message = batch[++at]) found.push(message);
  return found;
}

function unpackReplies({ refs, versions, texts }: PackedReplies): FromWorker[] {
  return texts.map((dataText, index) => {
    const version = versions[index];
    const reply = {
      ok: true as const,
      dataText,
      ...(version === undefined ? {} : { sessionVersion: version }),
    };
    return { kind: "reply", ref: refs[index] ?? 0, reply };
  });
}

function packEvents({ sessionId, events }: EventsMessage): PackedEvents {
  const heads: Head[] = [];
  const marks: number[] = [];
  const texts: string[] = [];
  let fulls: (string | undefined)[] | undefined;
  let briefs: (string | undefined)[] | undefined;
  for (const { type, text, full, brief, coalesce: merge, at = 0 } of events) {
    let head = heads.length - 1;
    if (heads[head]?.type !== type || heads[head]?.merge !== merge) {
      head = heads.findIndex((one) => one.type === type && one.merge === merge);
      if (head < 0) head = heads.push({ type, merge }) - 1;
    }
    marks.push(head, at);
    if (full !== undefined) (fulls ??= [])[texts.length] = full;
    if (brief !== undefined) (briefs ??= [])[texts.length] = brief;
    texts.push(text);
  }
  return { kind: "packed", sessionId, seq: events[0]?.seq ?? 0, texts, fulls, briefs, heads, marks };
}

function unpackEvents({ sessionId, seq, texts, fulls, briefs, heads, marks }: PackedEvents): EventsMessage {
  const events = texts.map((text, index): EncodedEvent => {
    const head = heads[marks[index * 2] ?? 0];
    return {
      seq: seq + index,
      type: head?.type ?? "",
      text,
      full: fulls?.[index],
      brief: briefs?.[index],
      coalesce: head?.merge,
      at: marks[index * 2 + 1] ?? 0,
    };
  });
  return { kind: "events", sessionId, events };
}
