// Images in messages: a pasted path of an image (a terminal pastes one for a file that is dropped on it) sends the
// image itself, since the server may be on another machine. So does an image of the clipboard. The editor shows a mark
// for each.
import type { ClipboardImage, Io } from "../../runtime/terminal/io.ts";

/** An image as `prompt` takes it. */
export interface PromptImage {
  readonly type: "image";
  readonly data: string;
  readonly mimeType: string;
}

/** Most bytes of one image: the protocol's 5 MB are of base64. */
const MOST_BYTES = 3_700_000;
/** A multiple of three, so that the base64 of one piece ends where that of the next begins. */
const PIECE_BYTES = 3 * 4096;
const TYPES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
};

/** The path of an image that a pasted text is; undefined when it is another text. */
export function imagePath(pasted: string): string | undefined {
  const text = pasted.trim();
  if (text.includes("\n") || text.length > 4096) return undefined;
  const bare = /^'(.*)'$/.exec(text)?.[1] ?? /^"(.*)"$/.exec(text)?.[1] ?? text.replaceAll(/\\(.)/g, "$1");
  const path = bare.startsWith("file://") ? decoded(bare.slice("file://".length)) : bare;
  const kind = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return path.startsWith("/") && Object.hasOwn(TYPES, kind) ? path : undefined;
}

function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    // A percent sign of the name itself.
    return path;
  }
}

/** The images that are marked in the editor. */
export class PastedImages {
  readonly #io: Pick<Io, "readBytes">;
  /** Paths of files, and images that are here already. */
  readonly #images: (string | ClipboardImage)[] = [];

  constructor(io: Pick<Io, "readBytes">) {
    this.#io = io;
  }

  /** The mark for a pasted path. */
  mark(path: string): string {
    const number = this.#images.push(path);
    return `[image ${number}: ${path.slice(path.lastIndexOf("/") + 1)}] `;
  }

  /** The mark for an image of the clipboard. Throws when the image is too large. */
  markImage(image: ClipboardImage): string {
    const { length } = image.bytes;
    if (length > MOST_BYTES) {
      throw new Error(
        `The image has ${length} bytes, and at most ${MOST_BYTES} are taken; copy a smaller part`,
      );
    }
    return `[image ${this.#images.push(image)}: clipboard] `;
  }

  /** Reads the images whose marks are in the text. */
  async take(text: string): Promise<PromptImage[]> {
    const images: PromptImage[] = [];
    for (const [, number] of text.matchAll(/\[image (\d+): [^\]]*\]/g)) {
      const image = this.#images[Number(number) - 1];
      if (typeof image === "string") images.push(await this.#read(image));
      else if (image !== undefined) images.push(promptImage(image.bytes, image.mimeType));
    }
    return images;
  }

  async #read(path: string): Promise<PromptImage> {
    const bytes = await this.#io.readBytes(path, MOST_BYTES);
    if (bytes === undefined) throw new Error(`there is no file ${path}; take its mark out of the message`);
    const kind = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
    return promptImage(bytes, TYPES[kind] ?? "image/png");
  }
}

function promptImage(bytes: Uint8Array, mimeType: string): PromptImage {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES))));
  }
  return { type: "image", data: parts.join(""), mimeType };
}
