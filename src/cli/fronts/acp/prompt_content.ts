// Does: turns the content of a prompt into the text and images that pi takes, and messages of pi into content.
// Used by: acp_session.ts and transcript.ts. Pure.
import type { ContentBlock, EmbeddedResource, ResourceLink } from "@agentclientprotocol/sdk";
import { isRecord } from "../../../base/json.ts";
import { invalid } from "./errors.ts";

/** An image as pi takes it. */
export interface Image {
  readonly type: "image";
  readonly data: string;
  readonly mimeType: string;
}

/** A prompt as pi takes it. */
export interface PromptText {
  readonly message: string;
  readonly images: Image[];
}

/** What a model reads of a link: the path of a file, or the address. */
function placeOf(uri: string): string {
  if (!uri.startsWith("file://") || !URL.canParse(uri)) return uri;
  const { pathname, hash } = new URL(uri);
  try {
    return `${decodeURIComponent(pathname)}${hash}`;
  } catch {
    return uri;
  }
}

function linkText({ uri, name }: Pick<ResourceLink, "uri" | "name">): string {
  const place = placeOf(uri);
  return place === name || name === "" ? `@${place}` : `[@${name}](${place})`;
}

function nameOf(uri: string): string {
  return placeOf(uri).split("/").at(-1) ?? uri;
}

/** The embedded text, which stands behind what the person has typed. */
function contextOf({ resource }: EmbeddedResource): string {
  if ("text" in resource) return `<context ref="${placeOf(resource.uri)}">\n${resource.text}\n</context>`;
  return `<context ref="${placeOf(resource.uri)}">\n(binary, not included)\n</context>`;
}

/** The prompt of these blocks. Throws an error of the protocol for what pi cannot take. */
export function promptOf(blocks: readonly ContentBlock[]): PromptText {
  const typed: string[] = [];
  const context: string[] = [];
  const images: Image[] = [];
  for (const block of blocks) {
    switch (block.type) {
      case "text":
        typed.push(block.text);
        break;
      case "image":
        images.push({ type: "image", data: block.data, mimeType: block.mimeType });
        break;
      case "resource_link":
        typed.push(linkText(block));
        break;
      case "resource": {
        const { resource } = block;
        typed.push(linkText({ uri: resource.uri, name: nameOf(resource.uri) }));
        const mimeType = resource.mimeType ?? "";
        if ("blob" in resource && mimeType.startsWith("image/")) {
          images.push({ type: "image", data: resource.blob, mimeType });
        } else context.push(contextOf(block));
        break;
      }
      case "audio":
        throw invalid("pi takes no audio; send text, images or files");
    }
  }
  // Editors send a mention as a block of its own, in the middle of a sentence.
  const message = [typed.join(""), ...context].filter((text) => text !== "").join("\n\n");
  return { message, images };
}

/** The content of a message of pi's: a text, or text and image blocks. */
export function contentOf(content: unknown): ContentBlock[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) return [];
  return content.flatMap((block: unknown): ContentBlock[] => {
    if (!isRecord(block)) return [];
    const { type, text, data, mimeType } = block;
    if (type === "text" && typeof text === "string" && text !== "") return [{ type: "text", text }];
    if (type === "image" && typeof data === "string" && typeof mimeType === "string") {
      return [{ type: "image", data, mimeType }];
    }
    return [];
  });
}

/** The text of a content, its blocks joined. */
export function textOfContent(content: unknown): string {
  return contentOf(content).map((block) => block.type === "text" ? block.text : "").join("");
}
