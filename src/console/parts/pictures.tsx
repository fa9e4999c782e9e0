// Pictures that a message or a tool's result holds as data. Of other kinds the page shows the name alone.
import { pictureOf } from "../text/links.ts";
import { type Fields, text } from "../text/read.ts";

/** The pictures among these blocks. */
export function Pictures({ blocks }: { readonly blocks: readonly Fields[] }) {
  const images = blocks.filter((block) => text(block, "type") === "image");
  if (images.length === 0) return null;
  return (
    <div class="pictures">
      {images.map((image, index) => {
        const mimeType = text(image, "mimeType");
        const address = pictureOf(mimeType, text(image, "data"));
        return address === undefined
          ? <p key={index} class="hint">A picture of the kind {mimeType.slice(0, 60)} is not shown</p>
          : <img key={index} src={address} alt={`Picture ${index + 1}`} loading="lazy" decoding="async" />;
      })}
    </div>
  );
}
