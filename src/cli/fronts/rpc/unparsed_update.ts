// Does: reads the address of a `message_update` from the text of its message, so that the front need not parse it. Pure.
// Used by: src/cli/fronts/rpc.ts. A text of another form is parsed like any message, so this only saves time.
import type { UnparsedEvent } from "../../../client/mod.ts";

/** What `eventPrefix` of src/protocol/events.ts writes, and the coalescer behind it. */
const ADDRESS =
  /^\{"type":"event","sessionId":"([^"\\]+)","seq":(\d+),(?:"coalesced":(\d+),)?"event":(?=\{"type":"message_update")/;

/** The update in the text of a message; undefined for every other message. */
export function readUpdate(text: string): UnparsedEvent | undefined {
  const address = ADDRESS.exec(text);
  if (address === null) return undefined;
  const [start, sessionId = "", seq, covers = "1"] = address;
  return { sessionId, seq: Number(seq), covers: Number(covers), json: text.slice(start.length, -1) };
}
