// Does: reads the address of a `message_update` from its message, a text or its bytes, so that the front need not parse it.
// Used by: src/cli/fronts/rpc.ts. A text of another form is parsed like any message, so this only saves time. Pure.
import type { UnparsedEvent } from "../../../client/mod.ts";

/** What `eventPrefix` of src/protocol/events.ts writes, and the coalescer behind it. */
const ADDRESS =
  /^\{"type":"event","sessionId":"([^"\\]+)","seq":(\d+),(?:"coalesced":(\d+),)?"event":(?=\{"type":"message_update")/;

/** Bytes of the longest address: ids are ASCII and have 128 characters at most. */
const ADDRESS_BYTES = 256;

const ascii = new TextDecoder("latin1");

/** The update in a message; undefined for every other message. */
export function readUpdate(message: string | Uint8Array): UnparsedEvent | undefined {
  const head = typeof message === "string" ? message : ascii.decode(message.subarray(0, ADDRESS_BYTES));
  const address = ADDRESS.exec(head);
  if (address === null) return undefined;
  const [start, sessionId = "", seq, covers = "1"] = address;
  const json = typeof message === "string"
    ? message.slice(start.length, -1)
    : message.subarray(start.length, -1);
  return { sessionId, seq: Number(seq), covers: Number(covers), json };
}
