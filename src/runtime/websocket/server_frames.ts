// Does: writes the frames of a server, which are whole and without a mask (RFC 6455, 5.2).
// Used by: deno/deno.ts for the last words to a peer that it cuts off. node/websocket.ts writes texts in batches itself.

const [TEXT, CLOSE] = [0x1, 0x8];

/** The bit of a frame that is its whole message. */
const WHOLE = 0x80;

/** The length of a frame's head for a payload of that length. */
export function headOf(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

function frameOf(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const head = headOf(length);
  const view = new DataView(new ArrayBuffer(head + length));
  view.setUint8(0, WHOLE | opcode);
  view.setUint8(1, head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) view.setUint16(2, length);
  if (head === 10) view.setBigUint64(2, BigInt(length));
  const bytes = new Uint8Array(view.buffer);
  bytes.set(payload, head);
  return bytes;
}

const encoder = new TextEncoder();

/** A frame with that text. */
export function textFrame(text: string): Uint8Array<ArrayBuffer> {
  return frameOf(TEXT, encoder.encode(text));
}

/** A close frame. */
export function closeFrame(code: number, reason: string): Uint8Array<ArrayBuffer> {
  return frameOf(CLOSE, Uint8Array.from([code >> 8, code & 0xff, ...encoder.encode(reason)]));
}
