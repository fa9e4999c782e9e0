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

/** A button that copies the block of code before it. */
function copyButton(): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", () => {
    const say = (word: string) => () => void (button.textContent = word);
    const code = button.previousElementSibling?.textContent ?? "";
    navigator.clipboard.writeText(code).then(say("Copied"), say("Not allowed"));
  });
  return button;
}

/** Gives `shown` the children of `next`. What is the same in both stays, so a stream changes its last words alone. */
function morph(shown: Node, next: Node): void {
  let old = shown.firstChild;
  let now = next.firstChild;
  for (; old !== null && now !== null && old.isEqualNode(now); old = old.nextSibling) now = now.nextSibling;
  if (old !== null && now !== null && old.cloneNode().isEqualNode(now.cloneNode())) {
    morph(old, now);
    [old, now] = [old.nextSibling, now.nextSibling];
  } else if (old instanceof Text && now instanceof Text) {
    old.data = now.data;
    [old, now] = [old.nextSibling, now.nextSibling];
  }
  while (old !== null) {
    const after: ChildNode | null = old.nextSibling;
    old.remove();
    old = after;
  }
  while (now !== null) {
    const after: ChildNode | null = now.nextSibling;
    shown.appendChild(now);
    now = after;
  }
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
    for (const box of nodes.querySelectorAll(".codebox")) box.append(copyButton());
    if (this.#element.current !== null) morph(this.#element.current, nodes);
  }
}
