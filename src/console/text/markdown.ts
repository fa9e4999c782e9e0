// Markdown of models and extensions to HTML. Raw HTML in it is shown as text, links and pictures go through links.ts.
// What comes out goes through safe_html.tsx all the same. Pure.
import { Marked, type Tokens } from "marked";
import { visible } from "./format.ts";
import { escapeHtml, highlight } from "./highlight.ts";
import { isOwnPicture, safeLink } from "./links.ts";

function linkTo(address: string, inner: string): string {
  const href = safeLink(address);
  if (href === undefined) return inner;
  return `<a href="${escapeHtml(href)}" rel="noopener noreferrer" target="_blank">${inner}</a>`;
}

/** Text with its entities, which name characters and nothing else. */
function plain(text: string): string {
  return escapeHtml(text).replace(/&#38;(#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,30});/gi, "&$1;");
}

const marked = new Marked({
  gfm: true,
  breaks: false,
  async: false,
  renderer: {
    // marked takes text behind an opening <script> or <pre> for HTML that is escaped already.
    text(token: Tokens.Text | Tokens.Escape): string {
      const inner = "tokens" in token ? token.tokens : undefined;
      return inner === undefined ? plain(token.text) : this.parser.parseInline(inner);
    },
    html({ text }: Tokens.HTML | Tokens.Tag): string {
      return escapeHtml(text);
    },
    link(token: Tokens.Link): string {
      return linkTo(token.href, this.parser.parseInline(token.tokens));
    },
    image({ href, text }: Tokens.Image): string {
      const name = escapeHtml(text === "" ? "image" : text);
      if (isOwnPicture(href)) return `<img src="${escapeHtml(href)}" alt="${name}">`;
      const link = linkTo(href, `image: ${name}`);
      return link.startsWith("<a") ? link : `${name} (${escapeHtml(href.slice(0, 200))})`;
    },
    code({ text, lang }: Tokens.Code): string {
      const language = (lang ?? "").split(/\s/)[0]?.toLowerCase().replace(/[^a-z0-9+#-]/g, "") ?? "";
      const name = language === "" ? "" : ` class="language-${language}"`;
      return `<div class="codebox"><pre tabindex="0"><code${name}>${
        highlight(text, language)
      }</code></pre></div>\n`;
    },
    checkbox({ checked }: Tokens.Checkbox): string {
      return checked ? "☑ " : "☐ ";
    },
    table(token: Tokens.Table): string {
      const cell = (tag: string, one: Tokens.TableCell): string => {
        const align = one.align === null ? "" : ` align="${one.align}"`;
        return `<${tag}${align}>${this.parser.parseInline(one.tokens)}</${tag}>`;
      };
      const head = token.header.map((one) => cell("th", one)).join("");
      const rows = token.rows.map((row) => `<tr>${row.map((one) => cell("td", one)).join("")}</tr>`).join("");
      return `<div class="table" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
    },
  },
});

/** Longest text that is read as Markdown; a longer one is shown as it is. */
const MOST_CHARS = 100_000;
/** Most marks outside of a code block: the time of the parser grows with their square. */
const MOST_MARKS = 3000;

function isTooMuch(text: string): boolean {
  if (text.length > MOST_CHARS) return true;
  return !/^(?:```|~~~)/.test(text) && (text.match(/[*_>[]/g)?.length ?? 0) > MOST_MARKS;
}

/** The HTML of a Markdown text. */
export function markdownHtml(text: string): string {
  const clean = visible(text);
  if (isTooMuch(clean)) return `<pre tabindex="0"><code>${escapeHtml(clean)}</code></pre>`;
  try {
    const html = marked.parse(clean);
    if (typeof html === "string") return html;
  } catch {
    // Deeply nested marks may be more than the parser can follow.
  }
  return `<p>${escapeHtml(clean)}</p>`;
}
