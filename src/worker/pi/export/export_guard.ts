// Does: makes the script that an exported page runs first, before the scripts of pi's template.
// Used by: html_export.ts, which names the script's hash in the policy of the page.
// Invariant: no markup of a session becomes script. The script itself is plain JavaScript for browsers.

/** Elements of the template and of Markdown. Any other element becomes the text that it was written as. */
const TAGS =
  "a abbr b blockquote br button circle code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img input kbd li line " +
  "mark ol p path polyline pre rect s small span strong sub summary sup svg table tbody td tfoot th thead tr u ul";

/** Attributes that stay. `data-`, `aria-` and `onclick` with a handler of the template stay too. */
const ATTRIBUTES =
  "align alt checked class colspan cx cy d disabled fill height href id lang name open points r role rowspan rx ry " +
  "src start stroke stroke-linecap stroke-linejoin stroke-width style tabindex title type viewbox width x x1 x2 y y1 y2";

const GUARD = String.raw`
(() => {
  "use strict";
  const tags = new Set(TAGS.split(" "));
  const attributes = new Set(ATTRIBUTES.split(" "));
  const handlers = new Set(HANDLERS);
  const schemes = new Set(["http:", "https:", "mailto:", "tel:", "ftp:"]);
  const { get, set } = Object.getOwnPropertyDescriptor(Element.prototype, "innerHTML");
  // A document without a window: nothing in it is loaded or run.
  const inert = document.implementation.createHTMLDocument("");

  function isSafeLink(value) {
    try {
      return value.startsWith("#") || schemes.has(new URL(value, "https://page.invalid/").protocol);
    } catch {
      return false;
    }
  }

  function isSafe(name, value) {
    if (name === "onclick") return handlers.has(value);
    if (name === "href") return isSafeLink(value);
    if (name === "src") return /^data:image\/(?:png|jpeg|gif|webp|avif|bmp);base64,[\w+/=\s]*$/i.test(value) || /^https?:/i.test(value);
    return attributes.has(name) || /^(?:data|aria)-[\w-]+$/.test(name);
  }

  function clean(root) {
    for (const element of [...root.querySelectorAll("*")]) {
      if (!root.contains(element)) continue;
      if (!tags.has(element.localName.toLowerCase())) {
        element.replaceWith(inert.createTextNode(element.outerHTML));
        continue;
      }
      for (const { name, value } of [...element.attributes]) {
        if (!isSafe(name.toLowerCase(), value)) element.removeAttribute(name);
      }
    }
  }

  Object.defineProperty(Element.prototype, "innerHTML", {
    enumerable: true,
    get,
    set(html) {
      const holder = inert.createElement("template");
      set.call(holder, html);
      clean(holder.content);
      const target = this instanceof HTMLTemplateElement ? this.content : this;
      target.replaceChildren(document.importNode(holder.content, true));
    },
  });
})();
`;

/** @param handlers the texts of the `onclick` attributes that pi's template makes */
export function guardScript(handlers: readonly string[]): string {
  const values = { TAGS, ATTRIBUTES, HANDLERS: handlers };
  const constants = Object.entries(values).map(([name, value]) =>
    `const ${name} = ${JSON.stringify(value)};`
  );
  return `{\n${constants.join("\n").replaceAll("<", "\\u003c")}\n${GUARD}}`;
}
