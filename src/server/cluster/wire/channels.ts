// Does: opens and accepts the virtual connections of this node, and hands each frame to its own.
// Used by: gateway.ts, which opens them, and node_transport.ts, which accepts them.
// Invariant: a virtual connection belongs to one start of each of its two nodes, and ends with either.
import { isRecord, tryParseRecord } from "../../../base/json.ts";
import type { Clock } from "../../../runtime/runtime.ts";
import { ROLES } from "../../../protocol/schema/roles.ts";
import { type Access, ADMIN } from "../../auth/access.ts";
import type { Bus } from "../bus.ts";
import { Channel, type ChannelEvents, endFrame, isEndFrame } from "./channel.ts";

/** What the opening of a virtual connection says about the client behind it. */
export interface Opening {
  /** The name of the client's node. */
  readonly node: string;
  readonly access: Access;
  /** The client waits where others are refused (stdio). */
  readonly waits: boolean;
  /** The client is one HTTP request. */
  readonly isOneRequest: boolean;
}

export interface ChannelsParts {
  readonly clock: Clock;
  readonly soon: (fn: () => void) => void;
  readonly bus: Bus;
  /** The first words of all subjects of the cluster. */
  readonly prefix: string;
  /** Id of this start of this node. */
  readonly instance: string;
}

/** Accepts a virtual connection, or says why not. */
export type Accept = (opening: Opening, channel: Channel) => string | undefined;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const RESET = "reset";

/** The close code of a node that takes no virtual connection now. No client gets it. */
export const TRY_LATER = 4013;

const NO_EVENTS: ChannelEvents = { onText: () => {}, onDrain: () => {}, onEnd: () => {} };

interface Known {
  readonly channel: Channel;
  /** The start of the other node. */
  readonly other: string;
}

/** All virtual connections of this node. */
export class Channels {
  readonly #parts: ChannelsParts;
  readonly #known = new Map<string, Known>();
  /** Starts of nodes that this node has given up. They learn it when this node hears them again. */
  readonly #givenUp = new Set<string>();
  #accept: Accept = () => "This node takes no clients of other nodes yet";
  #numbers = 0;

  constructor(parts: ChannelsParts) {
    this.#parts = parts;
  }

  /** Takes frames from now on. */
  listen(accept: Accept): void {
    const { bus, prefix, instance } = this.#parts;
    this.#accept = accept;
    bus.subscribe(`${prefix}.to.${instance}.*`, (data, subject) => {
      this.#receive(subject.slice(subject.lastIndexOf(".") + 1), data);
    });
  }

  /** Opens a virtual connection to that start of a node. */
  open(other: string, opening: Opening, events: ChannelEvents): Channel {
    const id = `${this.#parts.instance}-${other}-${++this.#numbers}`;
    const channel = this.#make(id, other, events);
    this.#transmit(other, id, encoder.encode(`o 0 0\n${encodeOpening(opening)}`));
    return channel;
  }

  /** A node does not answer any more. Ends its virtual connections. */
  giveUp(other: string): void {
    this.#givenUp.add(other);
    this.#lose(other, "the other node does not answer");
  }

  /** A node has left for good. Ends its virtual connections. */
  left(other: string): void {
    this.#givenUp.delete(other);
    this.#lose(other, "the other node has left");
  }

  /** A node was heard. When it had been given up, it must not count on its virtual connections. */
  heard(other: string): void {
    if (!this.#givenUp.delete(other)) return;
    this.#transmit(other, `${RESET}-${this.#parts.instance}`, encoder.encode("r 0 0\n"));
  }

  /** NATS is back after a loss: asks each virtual connection whether something was lost. */
  askAll(): void {
    for (const { channel } of this.#known.values()) channel.ask();
  }

  #lose(other: string, reason: string): void {
    for (const [id, known] of [...this.#known]) {
      if (known.other !== other) continue;
      this.#known.delete(id);
      known.channel.lose(reason);
    }
  }

  #make(id: string, other: string, events: ChannelEvents): Channel {
    const { clock, soon, bus } = this.#parts;
    const channel = new Channel({
      clock,
      soon,
      frameBytes: bus.messageBytes,
      transmit: (frame) => {
        this.#transmit(other, id, frame);
        if (isEndFrame(frame)) this.#known.delete(id);
      },
    }, events);
    this.#known.set(id, { channel, other });
    return channel;
  }

  #transmit(other: string, id: string, frame: Uint8Array): void {
    const { bus, prefix } = this.#parts;
    bus.publish(`${prefix}.to.${other}.${id}`, frame);
  }

  #receive(id: string, data: Uint8Array): void {
    const known = this.#known.get(id);
    if (known !== undefined) {
      if (isEndFrame(data)) this.#known.delete(id);
      return known.channel.receive(data);
    }
    const [opener = "", accepter = ""] = id.split("-");
    if (opener === RESET) return this.#lose(accepter, "the other node had lost this one");
    const { instance } = this.#parts;
    const other = opener === instance ? accepter : opener;
    if (isEndFrame(data) || other === "") return;
    const text = decoder.decode(data);
    if (!text.startsWith("o ") || accepter !== instance) {
      return this.#transmit(other, id, endFrame(0, "the other node does not know this connection"));
    }
    const opening = parseOpening(text.slice(text.indexOf("\n") + 1));
    if (opening === undefined) {
      return this.#transmit(
        other,
        id,
        endFrame(TRY_LATER, "The opening cannot be read; use one version on all nodes"),
      );
    }
    const channel = this.#make(id, other, NO_EVENTS);
    const refused = this.#accept(opening, channel);
    if (refused !== undefined) channel.close(TRY_LATER, refused);
  }
}

function encodeOpening({ node, access, waits, isOneRequest }: Opening): string {
  const { id, role, sessions, expiresAt } = access;
  return JSON.stringify({
    node,
    waits,
    isOneRequest,
    access: { id, role, expiresAt, ...(sessions === undefined ? {} : { sessions: [...sessions] }) },
  });
}

function parseOpening(text: string): Opening | undefined {
  const { node, access, ...client } = tryParseRecord(text) ?? {};
  if (typeof node !== "string" || !isRecord(access)) return undefined;
  const { id, sessions, expiresAt } = access;
  const role = ROLES.find((one) => one === access["role"]);
  if (typeof id !== "string" || role === undefined) return undefined;
  // A damaged list must not become "all sessions".
  if (sessions !== undefined && !(Array.isArray(sessions) && sessions.every(isText))) return undefined;
  // Nodes of earlier versions say neither.
  const about = { node, waits: client["waits"] === true, isOneRequest: client["isOneRequest"] === true };
  if (id === ADMIN.id) return { ...about, access: ADMIN };
  return {
    ...about,
    access: {
      id,
      role,
      ...(sessions === undefined ? {} : { sessions: new Set(sessions) }),
      ...(typeof expiresAt === "number" ? { expiresAt } : {}),
    },
  };
}

const isText = (value: unknown): value is string => typeof value === "string";
