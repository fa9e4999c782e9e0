// Does: checks the bytes of images by the strictest rules of all providers. Pure.
// Used by: the interaction handlers for clients, and request_repair.ts for tools and sessions.
// Invariant: one bad image would make a provider refuse this request and every later one.
import type { PromptImage } from "../agent_port.ts";

/** Characters of base64 that every provider accepts: 5 MB. */
const MAX_CHARS = 5 * 1024 * 1024;
/** Pixels of one side that every provider accepts. */
const MAX_PIXELS = 8_000;

/** An image that providers accept, or why they would not. */
export type CheckedImage =
  | { readonly ok: true; readonly image: PromptImage }
  | { readonly ok: false; readonly why: string };

/** Characters of base64 that nearly always identify an image: 64 KiB. */
const HEAD_CHARS = 87_384;

interface Look {
  readonly mimeType: string;
  readonly width: number;
  readonly height: number;
  readonly animated: boolean;
}

const no = (why: string): CheckedImage => ({ ok: false, why });

/** Without the padding, which has at most two characters. */
function unpadded(data: string): string {
  return data.endsWith("==") ? data.slice(0, -2) : data.endsWith("=") ? data.slice(0, -1) : data;
}

/** Plain base64: no data URL, no line breaks, no URL alphabet, padded. An image is long, so few steps read all of it. */
function plainBase64(data: string): string | undefined {
  let plain = unpadded(data);
  if (!/^[A-Za-z0-9+/]+$/.test(plain)) {
    const bare = data.replace(/^data:[^,]{0,200};base64,/, "").replaceAll(/\s+/g, "");
    plain = bare.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
    if (!/^[A-Za-z0-9+/]+$/.test(plain)) return undefined;
  }
  if (plain.length % 4 === 1) return undefined;
  return plain.padEnd(Math.ceil(plain.length / 4) * 4, "=");
}

function bytesOf(base64: string): Uint8Array {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** The bytes at an offset as text. Shorter at the end. */
function textAt(bytes: Uint8Array, from: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(from, from + length));
}

function png(view: DataView, bytes: Uint8Array): Look | undefined {
  if (textAt(bytes, 0, 8) !== "\x89PNG\r\n\x1a\n" || textAt(bytes, 12, 4) !== "IHDR") return undefined;
  return { mimeType: "image/png", width: view.getUint32(16), height: view.getUint32(20), animated: false };
}

function jpeg(view: DataView, bytes: Uint8Array): Look | undefined {
  if (view.getUint16(0) !== 0xffd8) return undefined;
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at += 1;
    // A frame header of any coding. The other numbers of this range are tables.
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { mimeType: "image/jpeg", width, height, animated: false };
    } else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** The length of a GIF's colour table, from its flags. */
const tableOf = (flags: number): number => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);

/** The offset after a chain of GIF data blocks. */
function afterBlocks(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let length = bytes[at]; length !== undefined && length > 0; length = bytes[at]) at += 1 + length;
  return at + 1;
}

function gif(view: DataView, bytes: Uint8Array): Look | undefined {
  if (!/^GIF8[79]a$/.test(textAt(bytes, 0, 6))) return undefined;
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  let at = 13 + tableOf(view.getUint8(10));
  let frames = 0;
  while (at < bytes.length) {
    const kind = bytes[at];
    if (kind === 0x3b) {
      return frames === 0 ? undefined : { mimeType: "image/gif", width, height, animated: frames > 1 };
    }
    if (kind === 0x21) at = afterBlocks(bytes, at + 2);
    else if (kind === 0x2c && at + 10 < bytes.length) {
      frames++;
      at = afterBlocks(bytes, at + 11 + tableOf(view.getUint8(at + 9)));
    } else return undefined;
  }
  return undefined;
}

function webp(view: DataView, bytes: Uint8Array): Look | undefined {
  if (textAt(bytes, 0, 4) !== "RIFF" || textAt(bytes, 8, 4) !== "WEBP" || bytes.length < 30) return undefined;
  const look = (width: number, height: number, animated = false): Look => ({
    ...{ mimeType: "image/webp", width, height, animated },
  });
  const uint24 = (from: number): number => view.getUint16(from, true) + (view.getUint8(from + 2) << 16);
  switch (textAt(bytes, 12, 4)) {
    case "VP8 ":
      return look(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return look((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
    }
    case "VP8X":
      return look(uint24(24) + 1, uint24(27) + 1, (view.getUint8(20) & 2) !== 0);
    default:
      return undefined;
  }
}

/** The kind of an image. It decodes only as many bytes as it needs, because each request checks all images. */
function lookAt(data: string): Look | undefined {
  const head = bytesOf(data.slice(0, HEAD_CHARS));
  if (head.length < 26) return undefined;
  const view = new DataView(head.buffer);
  const found = png(view, head) ?? webp(view, head);
  // A PNG that breaks off has no end chunk.
  if (found?.mimeType === "image/png") {
    return atob(data.slice(-16)).slice(-8, -4) === "IEND" ? found : undefined;
  }
  if (found !== undefined) return found;
  const isGif = textAt(head, 0, 3) === "GIF";
  const early = isGif ? undefined : jpeg(view, head);
  if (early !== undefined || data.length <= HEAD_CHARS && !isGif) return early;
  const whole = bytesOf(data);
  const wholeView = new DataView(whole.buffer);
  return isGif ? gif(wholeView, whole) : jpeg(wholeView, whole);
}

/** Checks an image. Corrects a wrong label: the type, or the form of the base64. */
export function checkImage(image: PromptImage): CheckedImage {
  if (image.data.length > 2 * MAX_CHARS) return no("it is larger than 5 MB");
  const data = plainBase64(image.data);
  if (data === undefined) return no("its data is not base64");
  if (data.length > MAX_CHARS) return no("it is larger than 5 MB");
  const look = lookAt(data);
  if (look === undefined) return no("its bytes are not a whole PNG, JPEG, GIF or WebP");
  const { mimeType, width, height, animated } = look;
  if (animated) return no("it is animated");
  if (width === 0 || height === 0) return no("it has no pixels");
  if (width > MAX_PIXELS || height > MAX_PIXELS) {
    return no(`it has ${width} x ${height} pixels, and no side may have more than ${MAX_PIXELS}`);
  }
  const same = data === image.data && mimeType === image.mimeType;
  return { ok: true, image: same ? image : { type: "image", data, mimeType } };
}
