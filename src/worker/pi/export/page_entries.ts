// Does: makes a history small enough for one page: leaves out its largest images, each with a sentence in its place.
// Used by: html_export.ts. Pure: the entries of the session stay as they are.
import { isRecord } from "../../../base/json.ts";
import { leastUnits } from "../../session/events/bounded_json.ts";

/** A history for a page. */
export interface PageEntries<Entry> {
  readonly entries: readonly Entry[];
  /** The number of images that were left out. */
  readonly imagesLeftOut: number;
}

type Image = Readonly<Record<string, unknown>> & { readonly data: string };

/** Whether a block of a message is an image, as pi keeps it. */
function isImage(block: unknown): block is Image {
  return isRecord(block) && block["type"] === "image" && typeof block["data"] === "string";
}

/** The content of an entry: of its message, or its own. */
function contentOf(entry: unknown): readonly unknown[] {
  if (!isRecord(entry)) return [];
  const { message } = entry;
  const content = isRecord(message) ? message["content"] : entry["content"];
  return Array.isArray(content) ? content : [];
}

function withContent<Entry>(entry: Entry, content: readonly unknown[]): Entry {
  const whole: Readonly<Record<string, unknown>> = isRecord(entry) ? entry : {};
  const { message } = whole;
  const changed = isRecord(message) ? { ...whole, message: { ...message, content } } : { ...whole, content };
  // Only blocks of the content differ.
  return changed as unknown as Entry;
}

/** UTF-16 units that the sentence in the place of an image may have. */
const SENTENCE_UNITS = 100;

function inItsPlace({ data, mimeType }: Image): { readonly type: "text"; readonly text: string } {
  const mebibytes = (data.length * 3 / 4 / 1024 / 1024).toFixed(1);
  const kind = typeof mimeType === "string" ? ` ${mimeType.slice(0, 40)}` : "";
  return { type: "text", text: `[This page leaves an image out:${kind}, ${mebibytes} MiB]` };
}

/**
 * The entries with as many images as fit.
 *
 * @param most UTF-16 units of all entries
 * @returns undefined when the entries are too large without any image
 */
export function pageEntries<Entry>(entries: readonly Entry[], most: number): PageEntries<Entry> | undefined {
  let over = -most;
  const images: Image[] = [];
  for (const entry of entries) {
    over += leastUnits(entry, Infinity);
    for (const block of contentOf(entry)) if (isImage(block)) images.push(block);
  }
  // The largest first, so that few are left out.
  const out = new Set<unknown>();
  for (const image of images.sort((a, b) => b.data.length - a.data.length)) {
    // A sentence takes as much room as the smallest ones.
    if (over <= 0 || image.data.length <= SENTENCE_UNITS) break;
    over -= image.data.length - SENTENCE_UNITS;
    out.add(image);
  }
  if (over > 0) return undefined;
  return {
    entries: out.size === 0 ? entries : entries.map((entry) => without(entry, out)),
    imagesLeftOut: out.size,
  };
}

function without<Entry>(entry: Entry, out: ReadonlySet<unknown>): Entry {
  const content = contentOf(entry);
  if (!content.some((block) => out.has(block))) return entry;
  return withContent(
    entry,
    content.map((block) => isImage(block) && out.has(block) ? inItsPlace(block) : block),
  );
}
