// Pictures that a message or a tool's result holds, as data or by reference. Of other kinds the page shows the name
// alone.
import { useEffect, useState } from "preact/hooks";
import { type ContentRef, contentRefOf, readBase64 } from "../../client/browser.ts";
import { useConsole } from "../app/console.ts";
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
        const ref = pictureOf(mimeType, "A") === undefined ? undefined : contentRefOf(image["data"]);
        if (ref !== undefined) {
          const sessionId = text(image, "sessionId");
          return (
            <ReferredPicture
              key={ref.hash}
              sessionId={sessionId}
              picture={ref}
              mimeType={mimeType}
              name={name(index)}
            />
          );
        }
        const address = pictureOf(mimeType, text(image, "data"));
        return address === undefined
          ? <p key={index} class="hint">A picture of the kind {mimeType.slice(0, 60)} is not shown</p>
          : <img key={index} src={address} alt={name(index)} loading="lazy" decoding="async" />;
      })}
    </div>
  );
}

const name = (index: number): string => `Picture ${index + 1}`;

interface ReferredProps {
  readonly sessionId: string;
  readonly picture: ContentRef;
  readonly mimeType: string;
  readonly name: string;
}

/** A picture that the session holds, and that the page reads when it shows it. */
function ReferredPicture({ sessionId, picture, mimeType, name }: ReferredProps) {
  const { link } = useConsole();
  const [address, setAddress] = useState<string | undefined>(undefined);
  const [hint, setHint] = useState(`${name} loads`);
  useEffect(() => {
    readBase64(link, sessionId, picture).then(
      (data) => setAddress(pictureOf(mimeType, data)),
      (error: unknown) => setHint(`${name}: ${String(error).slice(0, 300)}`),
    );
  }, [picture.hash]);
  return address === undefined
    ? <p class="hint">{hint}</p>
    : <img src={address} alt={name} loading="lazy" decoding="async" />;
}
