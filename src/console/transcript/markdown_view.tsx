// Shows Markdown in chunks: what is complete stays as it is, the end of a stream renders again with each frame.
import { Component, type VNode } from "preact";
import { visible } from "../text/format.ts";
import { markdownHtml } from "../text/markdown.ts";
import { SafeHtml } from "../parts/safe_html.tsx";
import { ChunkedText, type OpenCode } from "./chunks.ts";

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

class Chunk extends Component<{ readonly text: string }> {
  override shouldComponentUpdate(next: { readonly text: string }): boolean {
    return next.text !== this.props.text;
  }

  override render() {
    return <SafeHtml class="md" html={htmlOf(this.props.text, true)} />;
  }
}

/** A text in chunks, whole or still coming. Both have the same elements, so the end of a stream moves nothing. */
export function MarkdownText({ text, live }: { readonly text: ChunkedText; readonly live: boolean }) {
  const { chunks, tail, openCode } = text;
  return (
    <div class="mdtext">
      {chunks.map((chunk, index) => <Chunk key={index} text={chunk} />)}
      {endOf(tail, live ? openCode : undefined, live)}
    </div>
  );
}

function endOf(tail: string, open: OpenCode | undefined, live: boolean): VNode | null {
  if (open !== undefined) return <pre class="md open" dir="ltr"><code>{visible(open.code)}</code></pre>;
  if (tail.trim() === "") return null;
  return live ? <SafeHtml class="md" html={htmlOf(tail, false)} /> : <Chunk text={tail} />;
}

const whole = new WeakMap<object, ChunkedText>();

/** A text that is whole; cut once for each block that holds it. */
export function Markdown({ of, text }: { readonly of: object; readonly text: string }) {
  let chunked = whole.get(of);
  if (chunked === undefined) whole.set(of, chunked = new ChunkedText(text));
  return <MarkdownText text={chunked} live={false} />;
}
