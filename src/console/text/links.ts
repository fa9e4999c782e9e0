// Which addresses in a hostile text may become links or pictures. Pure.

const LINKS: ReadonlySet<string> = new Set(["http:", "https:", "mailto:"]);
const PICTURE = /^data:image\/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;
/** Longest address of a link. */
const MOST_CHARS = 4096;

/** The address, when a link may lead there; relative ones lead nowhere. */
export function safeLink(address: string): string | undefined {
  if (address.length > MOST_CHARS || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  return LINKS.has(url.protocol) ? url.href : undefined;
}

/** Whether a picture of that address holds its own bytes. */
export function isOwnPicture(address: string): boolean {
  return PICTURE.test(address);
}

/** Address of a picture that a message holds; undefined for kinds that could run a script. */
export function pictureOf(mimeType: string, base64: string): string | undefined {
  const address = `data:${mimeType};base64,${base64}`;
  return isOwnPicture(address) ? address : undefined;
}
