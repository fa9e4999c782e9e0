// Text that may be huge: a part of it at first, more on request. Always text nodes, never HTML of its own, except for
// code that highlight.ts has escaped and coloured.
import { useMemo, useState } from "preact/hooks";
import { bytes } from "../text/format.ts";
import { highlight } from "../text/highlight.ts";
import { SafeHtml } from "./safe_html.tsx";
import { Button } from "./button.tsx";

const FIRST_LINES = 14;
const FIRST_CHARS = 4000;
/** More than this never comes into the page at once. */
const MOST_CHARS = 200_000;

/** What stands at the end, since the end of an output says how it went; or at the beginning. */
function part(text: string, from: "start" | "end"): string {
  const lines = text.split("\n", from === "start" ? FIRST_LINES + 1 : undefined);
  const some = from === "start" ? lines.slice(0, FIRST_LINES) : lines.slice(-FIRST_LINES);
  const joined = some.join("\n");
  return from === "start" ? joined.slice(0, FIRST_CHARS) : joined.slice(-FIRST_CHARS);
}

interface Props {
  readonly text: string;
  /** Says what it is, for screen readers. */
  readonly label: string;
  /** Which part is shown at first. */
  readonly from: "start" | "end";
  /** The language of code. */
  readonly language?: string;
}

/** A text of any length. */
export function LongText({ text, label, from, language = "" }: Props) {
  const [all, setAll] = useState(false);
  const shown = useMemo(() => all ? text.slice(0, MOST_CHARS) : part(text, from), [text, all, from]);
  const hidden = text.length - shown.length;
  return (
    <div class="longtext">
      {language === ""
        ? <pre class="plain" role="group" tabIndex={0} dir="ltr" aria-label={label}>{shown}</pre>
        : <Code code={shown} language={language} label={label} />}
      {(hidden > 0 || all) && (
        <Button
          class="more"
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          {all ? "Show less" : `Show all (${bytes(hidden)} more)`}
        </Button>
      )}
      {all && hidden > 0 && (
        <p class="hint">{bytes(hidden)} more are too much for a page; export the session</p>
      )}
    </div>
  );
}

function Code({ code, language, label }: { code: string; language: string; label: string }) {
  const html = useMemo(() => `<code>${highlight(code, language)}</code>`, [code, language]);
  return (
    <div class="plain code" role="group" aria-label={label} tabIndex={0} dir="ltr">
      <SafeHtml class="pre" html={html} />
    </div>
  );
}
