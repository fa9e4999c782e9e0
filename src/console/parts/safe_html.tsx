// The one way in which HTML that was made from hostile text enters the page: cleaned by DOMPurify, with its own list
// of elements and attributes, as nodes and never as a string.
import DOMPurify from "dompurify";
import { Component, createRef } from "preact";
import { isOwnPicture, safeLink } from "../text/links.ts";

const TAGS =
  "a b blockquote br code del div em h1 h2 h3 h4 h5 h6 hr i img li ol p pre s span strong sub sup table tbody td th thead tr ul"
    .split(" ");
const ATTRIBUTES = ["href", "rel", "target", "src", "alt", "class", "align", "start", "tabindex"];
const CLASSES = /^(?:hl-[a-z]{1,3}|language-[a-z0-9+#-]{1,40}|table|codebox)$/;

const purify = DOMPurify();
purify.addHook("uponSanitizeAttribute", (node, data) => {
  const { attrName, attrValue } = data;
  if (attrName === "class") data.keepAttr = CLASSES.test(attrValue);
  else if (attrName === "src") data.keepAttr = node.nodeName === "IMG" && isOwnPicture(attrValue);
  else if (attrName === "href") data.keepAttr = safeLink(attrValue) !== undefined;
  else if (attrName === "tabindex") data.keepAttr = attrValue === "0";
});
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("rel", "noopener noreferrer");
  node.setAttribute("target", "_blank");
});

/** Clean nodes of that HTML. */
export function cleanNodes(html: string): DocumentFragment {
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}

/** A button that copies a block of code. */
function copyButton(code: string): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", () => {
    const say = (word: string) => () => void (button.textContent = word);
    navigator.clipboard.writeText(code).then(say("Copied"), say("Not allowed"));
  });
  return button;
}

interface Props {
  readonly html: string;
  readonly class: string;
}

/** An element with clean HTML in it; it changes when the HTML does. */
export class SafeHtml extends Component<Props> {
  readonly #element = createRef<HTMLDivElement>();

  override shouldComponentUpdate(next: Props): boolean {
    return next.html !== this.props.html;
  }

  override componentDidMount(): void {
    this.#show();
  }

  override componentDidUpdate(): void {
    this.#show();
  }

  override render() {
    return <div class={this.props.class} dir="auto" ref={this.#element} />;
  }

  #show(): void {
    const nodes = cleanNodes(this.props.html);
    for (const box of nodes.querySelectorAll(".codebox")) box.append(copyButton(box.textContent ?? ""));
    this.#element.current?.replaceChildren(nodes);
  }
}
