// Does: reads a session's history in pages, and what its references stand for (docs/PROTOCOL.md#reading-a-long-history).
// Used by: mod.ts and browser.ts, for programs, the console and attach. Uses: client.ts.
import { isRecord } from "../base/json.ts";
import type { ContentRef, GetEntriesData } from "../protocol/generated/mod.ts";
import type { Client, FieldsOf } from "./client.ts";

/** How to read entries. */
export type EntriesOptions = Omit<FieldsOf<"get_entries">, "sessionId">;

/** Bytes up to which `fillTexts` fetches a text. */
const FILLED_BYTES = 1024 * 1024;

/** The reference that stands in the place of a value; undefined for any other value. */
export function contentRefOf(value: unknown): ContentRef | undefined {
  if (!isRecord(value) || Object.keys(value).length !== 1) return undefined;
  const ref = value["contentRef"];
  if (!isRecord(ref) || typeof ref["hash"] !== "string" || typeof ref["size"] !== "number") return undefined;
  // The server's own schema guarantees the type of the rest.
  return ref as unknown as ContentRef;
}

/**
 * Reads the content of a reference, piece by piece.
 *
 * @param client the client
 * @param sessionId the session whose message holds the reference
 * @param ref the reference
 * @returns its bytes: of an image the file, of a text UTF-8
 * @throws {RequestError} `content_not_found` when the session does not hold it any more
 */
export async function readContent(
  client: Pick<Client, "request">,
  sessionId: string,
  { hash, size }: Pick<ContentRef, "hash" | "size">,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  for (let offset: number | undefined = 0; offset !== undefined && offset < size;) {
    const piece: { data: string; nextOffset?: number } = await client.request("get_content", {
      sessionId,
      ref: hash,
      offset,
    });
    const text = atob(piece.data);
    for (let at = 0; at < text.length; at++) bytes[offset + at] = text.charCodeAt(at);
    offset = piece.nextOffset;
  }
  return bytes;
}

/**
 * Puts back the texts that went by reference. Images and larger texts stay references.
 *
 * @param client the client
 * @param sessionId the session of the items
 * @param items messages or entries, as they came with `refs`
 * @param most bytes that a text may have
 * @returns the items with their texts
 */
export async function fillTexts<T>(
  client: Pick<Client, "request">,
  sessionId: string,
  items: readonly T[],
  most: number = FILLED_BYTES,
): Promise<T[]> {
  const fill = async (value: unknown): Promise<unknown> => {
    const ref = contentRefOf(value);
    if (ref !== undefined) {
      if (ref.kind !== "text" || ref.size > most) return value;
      return new TextDecoder().decode(await readContent(client, sessionId, ref));
    }
    if (Array.isArray(value)) {
      const filled: unknown[] = [];
      for (const one of value) filled.push(await fill(one));
      return filled;
    }
    if (!isRecord(value)) return value;
    const fields: Record<string, unknown> = {};
    for (const [name, one] of Object.entries(value)) {
      fields[name] = typeof one === "object" && one !== null ? await fill(one) : one;
    }
    return fields;
  };
  const filled: T[] = [];
  for (const item of items) {
    // Most items hold no reference, and stay the same object.
    if (!JSON.stringify(item).includes('"contentRef"')) filled.push(item);
    // Only texts take the place of references, so the item keeps its type.
    else filled.push(await fill(item) as T);
  }
  return filled;
}

/**
 * Reads the entries of a session page by page: from the newest backwards, or with `since` forwards.
 *
 * @param client the client
 * @param sessionId the session
 * @param options where to begin, and how large a page is; `since: null` begins with the oldest
 * @yields each page, its entries oldest first
 *
 * @example
 * ```ts
 * import { connect, entryPages } from "@pi/server/client";
 *
 * await using client = await connect();
 * for await (const { entries } of entryPages(client, "a", { scope: "branch", limit: 50 })) {
 *   console.log(entries.length);
 * }
 * ```
 */
export async function* entryPages(
  client: Pick<Client, "request">,
  sessionId: string,
  options: EntriesOptions = {},
): AsyncGenerator<GetEntriesData, void> {
  let fields = options;
  while (true) {
    const page = await client.request("get_entries", { ...fields, sessionId });
    yield page;
    const { nextSince, nextBefore } = page;
    if (nextSince !== undefined) fields = { ...fields, since: nextSince };
    else if (nextBefore !== undefined) fields = { ...fields, before: nextBefore };
    else return;
  }
}
