// Pictures that a message or a tool's result holds, as data or by reference. Of other kinds the page shows the name
// alone.
import { useEffect, useState } from "preact/hooks";
import { type ContentRef, contentRefOf, readContent } from "../../client/browser.ts";
import { useConsole } from "../app/console.ts";
import { bytes } from "../text/format.ts";
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
        const ref = contentRefOf(image["data"]);
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

/** Pictures above this come when a person asks for them. */
const UNASKED_BYTES = 4 * 1024 * 1024;

interface ReferredProps {
  readonly sessionId: string;
  readonly picture: ContentRef;
  readonly mimeType: string;
  readonly name: string;
}

/** A picture that the session holds, and that the page reads when it shows it. */
function ReferredPicture({ sessionId, picture, mimeType, name }: ReferredProps) {
  const { link } = useConsole();
  const { hash, size } = picture;
  const [asked, setAsked] = useState(size <= UNASKED_BYTES);
  const [state, setState] = useState<{ readonly address?: string; readonly failed?: string }>({});
  useEffect(() => {
    const client = link.client.value;
    if (!asked || client === undefined) return;
    let over = false;
    readContent(client, sessionId, { hash, size }).then((read) => {
      if (!over) setState({ address: pictureOf(mimeType, base64(read)) ?? "" });
    }, (error: unknown) => {
      if (!over) setState({ failed: error instanceof Error ? error.message : String(error) });
    });
    return () => {
      over = true;
    };
  }, [asked, hash, sessionId]);
  if (state.failed !== undefined) {
    return <p class="hint">The picture cannot be read: {state.failed.slice(0, 300)}</p>;
  }
  if (state.address === "") {
    return <p class="hint">A picture of the kind {mimeType.slice(0, 60)} is not shown</p>;
  }
  if (state.address !== undefined) {
    return <img src={state.address} alt={name} loading="lazy" decoding="async" />;
  }
  if (asked) return <p class="hint pulse">{name} is loading ({bytes(size)})</p>;
  return (
    <button type="button" class="more" onClick={() => setAsked(true)}>
      Show {name.toLowerCase()} ({bytes(size)})
    </button>
  );
}

/** Characters that `String.fromCharCode` takes at a time; a multiple of three, so that the pieces can be joined. */
const PIECE = 30_000;

function base64(read: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < read.length; at += PIECE) {
    pieces.push(btoa(String.fromCharCode(...read.subarray(at, at + PIECE))));
  }
  return pieces.join("");
}
