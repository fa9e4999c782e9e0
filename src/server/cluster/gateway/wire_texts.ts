// Does: reads the beginnings of messages that cross a gateway, which is all that a gateway reads of them. Pure.
// Used by: node_link.ts and its neighbours. Invariant: a message that it does not know passes unread.

/** What a message from another node is. */
export type Heading =
  | { readonly kind: "event"; readonly sessionId: string; readonly seq: number }
  | {
    readonly kind: "response";
    readonly id?: string;
    readonly command: string;
    readonly sessionId?: string;
    readonly success: boolean;
  }
  | { readonly kind: "lagged"; readonly sessionId: string }
  /** A server event, or a cursor. */
  | { readonly kind: "other"; readonly type: string };

/** An event, as `eventPrefix` writes it. Ids of sessions need no escapes. */
const EVENT = /^\{"type":"event","sessionId":"([^"]*)","seq":(\d+)/;

/** A response, as `head` of envelope.ts writes it. */
const RESPONSE =
  /^\{(?:"id":("(?:[^"\\]|\\.)*"),)?"type":"response","command":"([^"\\]*)","success":(true|false),"protocolVersion":"[^"]*"(?:,"sessionId":"([^"]*)")?/;

const TYPE = /^\{"type":"([a-z_]+)"(?:,"sessionId":"([^"]*)")?/;

/** Characters that are read of a response: an id has 128 at most, and each may be escaped. */
const HEAD_CHARS = 1_600;

/** What a message is, by its beginning. */
export function headingOf(text: string): Heading {
  if (text.startsWith('{"type":"event"')) {
    const [, sessionId = "", seq = "0"] = EVENT.exec(text) ?? [];
    return { kind: "event", sessionId, seq: Number(seq) };
  }
  const start = text.slice(0, HEAD_CHARS);
  const response = RESPONSE.exec(start);
  if (response !== null) {
    const [, id, command = "", success, sessionId] = response;
    return {
      kind: "response",
      command,
      success: success === "true",
      ...(id === undefined ? {} : { id: JSON.parse(id) as string }),
      ...(sessionId === undefined ? {} : { sessionId }),
    };
  }
  const [, type = "", sessionId] = TYPE.exec(start) ?? [];
  return type === "lagged" && sessionId !== undefined
    ? { kind: "lagged", sessionId }
    : { kind: "other", type };
}

/** Where a subscription begins. */
export interface Start {
  readonly mode: string;
  readonly epoch: string;
  readonly seq: number;
}

/** The start in the answer to `subscribe` for one session. */
export function startOf(text: string): Start | undefined {
  const found = /"data":\{"mode":"([a-z]+)","epoch":"([^"]*)","seq":(\d+)/.exec(text.slice(0, HEAD_CHARS));
  if (found === null) return undefined;
  const [, mode = "", epoch = "", seq = "0"] = found;
  return { mode, epoch, seq: Number(seq) };
}

/** Whether an event is a dialog, which passes where others are left out. */
export function isDialog(text: string): boolean {
  return /^[^{]*\{[^{]*\{"type":"extension_ui_request"/.test(text.slice(0, 400));
}
