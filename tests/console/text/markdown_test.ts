// Markdown of models: what it may become, and what hostile text does not become.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { languageOf } from "../../../src/console/text/highlight.ts";
import { highlight } from "../../../src/console/text/highlight.ts";
import { isOwnPicture, pictureOf, safeLink } from "../../../src/console/text/links.ts";
import { markdownHtml } from "../../../src/console/text/markdown.ts";
import { HOSTILE } from "../../support/browser/hostile_texts.ts";

/** The elements and attributes that the renderer itself may write. */
const TAG =
  /^<\/?(?:a|b|blockquote|br|code|del|div|em|h[1-6]|hr|i|img|li|ol|p|pre|s|span|strong|table|tbody|td|th|thead|tr|ul)(?: (?:href="(?:https?:|mailto:)[^"<>]*"|rel="noopener noreferrer"|target="_blank"|class="[a-z0-9 +#-]+"|start="\d+"|align="[a-z]+"|tabindex="0"|alt="[^"<>]*"|src="data:image\/[^"<>]*"))* ?\/?>$/;

Deno.test("hostile text becomes no element and no attribute that the renderer does not write itself", () => {
  for (const text of HOSTILE) {
    const html = markdownHtml(text);
    for (const [tag] of html.matchAll(/<[^>]*>?/g)) assert(TAG.test(tag), `${tag} of ${text.slice(0, 200)}`);
  }
});

Deno.test("hostile text stays text in code of every language", () => {
  for (const language of ["ts", "html", "sh", "py", "sql", "css", "json", "diff", "go", "none"]) {
    for (const text of HOSTILE) {
      const html = highlight(text, language);
      for (const [tag] of html.matchAll(/<[^>]*>?/g)) {
        assert(/^<(?:span class="hl-[a-z]{1,3}"|\/span)>$/.test(tag), `${tag} in ${language}`);
      }
    }
  }
});

Deno.test("highlighting loses no character", () => {
  const plain = (html: string): string =>
    html.replaceAll(/<[^>]*>/g, "").replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
  const code = 'const a = "x" + `y${1}`; // <note>\n/* open';
  for (const language of ["ts", "html", "sh", "py", "sql", "css", "json", "diff"]) {
    assertEquals(plain(highlight(code, language)), code);
  }
});

Deno.test("the language of a file comes from its name", () => {
  assertEquals(languageOf("/a/b.test.tsx"), "tsx");
  assertEquals(languageOf("C:\\x\\Makefile"), "makefile");
  assertEquals(languageOf(""), "");
});

Deno.test("links lead to the web and to mail alone", () => {
  assertEquals(safeLink("https://example.com/a?b"), "https://example.com/a?b");
  assertEquals(safeLink("mailto:a@example.com"), "mailto:a@example.com");
  const refused = [
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "\u0001javascript:1",
    "data:text/html,x",
    "/etc/passwd",
  ];
  for (const address of [...refused, "file:///etc/passwd", "vbscript:x", "blob:https://a/b", "ws://a", ""]) {
    assertEquals(safeLink(address), undefined, address);
  }
  const html = markdownHtml("[a](https://example.com/) [b](javascript:alert(1))");
  assertStringIncludes(
    html,
    '<a href="https://example.com/" rel="noopener noreferrer" target="_blank">a</a> b',
  );
});

Deno.test("a remote picture is a link, and only pictures that run nothing are shown", () => {
  const html = markdownHtml("![x](https://example.com/x.png)");
  assertStringIncludes(html, 'href="https://example.com/x.png"');
  assert(!html.includes("<img"));
  assert(isOwnPicture("data:image/png;base64,AAAA"));
  assert(!isOwnPicture("data:image/svg+xml;base64,AAAA"));
  assertEquals(pictureOf("image/svg+xml", "AAAA"), undefined);
  assertEquals(pictureOf("image/png", 'AA" onerror="x'), undefined);
});

Deno.test("raw HTML is shown as it was written, and hidden marks are made visible", () => {
  assertStringIncludes(markdownHtml("a <b>bold</b>"), "&#60;b&#62;bold&#60;/b&#62;");
  assertStringIncludes(markdownHtml("a\u202eb"), "⟦202e⟧");
});

Deno.test("marks that are nested without end end all the same", () => {
  for (const text of [">".repeat(20_000), "[".repeat(5000), "*".repeat(20_000), "`".repeat(20_000)]) {
    assert(markdownHtml(text).length > 0);
  }
});
