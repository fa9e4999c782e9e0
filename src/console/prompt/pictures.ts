// Pictures that a person pastes, drops or picks, as the protocol takes them.

/** A picture to send. */
export interface Attachment {
  readonly type: "image";
  readonly mimeType: string;
  /** Base64. */
  readonly data: string;
  readonly name: string;
}

const KINDS: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
/** The protocol takes 5 MB of base64 for one picture, and 32 pictures. */
const MOST_BYTES = 3_700_000;
/** Most pictures of one message. */
export const MOST_PICTURES = 32;

/** Reads files as pictures; throws with a sentence for one that is none. */
export async function readPictures(files: Iterable<File>): Promise<readonly Attachment[]> {
  const read: Attachment[] = [];
  for (const file of files) {
    if (!KINDS.has(file.type)) {
      throw new Error(
        `${file.name || "The file"} is not a PNG, JPEG, GIF or WebP; send a picture of one of these kinds`,
      );
    }
    if (file.size > MOST_BYTES) {
      throw new Error(`${file.name || "The picture"} is larger than 3.7 MB; make it smaller first`);
    }
    read.push({ type: "image", mimeType: file.type, data: await base64(file), name: file.name || "picture" });
  }
  return read;
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}
