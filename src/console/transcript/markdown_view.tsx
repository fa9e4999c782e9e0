// Shows Markdown in chunks: what is complete stays as it is, the end of a stream renders again with each frame.
import { Component } from "preact";
import { visible } from "../text/format.ts";
import { markdownHtml } from "../text/markdown.ts";
import { SafeHtml } from "../parts/safe_html.tsx";
import { ChunkedText } from "./chunks.ts";

/** Chunks that were rendered lately, by their text: a row that comes back into the page costs less. */
const rendered = new Map<string, string>();
const RENDERED = 400;

function htmlOf(text: string, keep: boolean): string {
  const known = rendered.get(text);
  if (known !== undefined) return known;
  const html = markdownHtml(text);
  if (!keep || text.length > 50_000) return html;
  rendered.set(text, html);
  const oldest = rendered.keys().next();
  if (rendered.size > RENDERED && oldest.done !== true) rendered.delete(oldest.value);
  return html;
}

interface ChunkProps {
  readonly text: string;
  /** Whether more of it may come. */
  readonly live: boolean;
}

class Chunk extends Component<ChunkProps> {
  override shouldComponentUpdate(next: ChunkProps): boolean {
    return next.text !== this.props.text;
  }

  override render() {
    return <SafeHtml class="md" html={htmlOf(this.props.text, !this.props.live)} />;
  }
}

/**
 * A text in chunks, whole or still coming. Both have the same elements under the same keys: a chunk that is complete,
 * and an answer that ends, stay as they are in the page.
 */
export function MarkdownText({ text, live }: { readonly text: ChunkedText; readonly live: boolean }) {
  const { chunks, tail } = text;
  const open = live ? text.openCode : undefined;
  const end = open === undefined && tail.trim() !== "" ? [tail] : [];
  return (
    <div class="mdtext">
      {[...chunks, ...end].map((chunk, index) => (
        <Chunk key={index} text={chunk} live={live && index === chunks.length} />
      ))}
      {open !== undefined && <pre class="md open" dir="ltr"><code>{visible(open.code)}</code></pre>}
    </div>
  );
}

const whole = new WeakMap<object, ChunkedText>();

/** A text that is whole, in chunks; cut once for each block that holds it. */
export function chunkedOnce(of: object, text: string): ChunkedText {
  let chunked = whole.get(of);
  if (chunked === undefined) whole.set(of, chunked = new ChunkedText(text));
  return chunked;
}

/** A text that is whole. */
export function Markdown({ of, text }: { readonly of: object; readonly text: string }) {
  return <MarkdownText text={chunkedOnce(of, text)} live={false} />;
}
