// Does: reads a session's history in pages, and what its references stand for (docs/PROTOCOL.md#reading-a-long-history).
// Used by: mod.ts and browser.ts, for programs, the console and attach. Uses: client.ts.
import { isRecord } from "../base/json.ts";
import type { ContentRef, GetEntriesData } from "../protocol/generated/mod.ts";
import type { Client, FieldsOf } from "./client.ts";

/** How to read entries. */
export type EntriesOptions = Omit<FieldsOf<"get_entries">, "sessionId">;

/** Bytes up to which `fillTexts` fetches a text. */
const FILLED_BYTES = 1024 * 1024;

/** Bytes of one piece. A multiple of three, so that the pieces can be joined in base64. */
const PIECE_BYTES = 384 * 1024;

/** The reference that stands in the place of a value; undefined for any other value. */
export function contentRefOf(value: unknown): ContentRef | undefined {
  if (!isRecord(value) || Object.keys(value).length !== 1) return undefined;
  const ref = value["contentRef"];
  if (!isRecord(ref) || typeof ref["hash"] !== "string" || typeof ref["size"] !== "number") return undefined;
  // The server's own schema guarantees the type of the rest.
  return ref as unknown as ContentRef;
}

/**
 * Reads the content of a reference as base64, piece by piece.
 *
 * @param client the client
 * @param sessionId the session whose message holds the reference
 * @param ref the reference
 * @returns the whole content in base64
 * @throws {RequestError} `content_not_found` when the session does not hold it any more
 */
export async function readBase64(
  client: Pick<Client, "request">,
  sessionId: string,
  { hash }: Pick<ContentRef, "hash">,
): Promise<string> {
  let whole = "";
  for (let offset: number | undefined = 0; offset !== undefined;) {
    const fields = { sessionId, ref: hash, offset, length: PIECE_BYTES };
    const piece: { data: string; nextOffset?: number } = await client.request("get_content", fields);
    whole += piece.data;
    offset = piece.nextOffset;
  }
  return whole;
}

/** Like `readBase64`, with the bytes: of an image the file, of a text UTF-8. */
export async function readContent(
  client: Pick<Client, "request">,
  sessionId: string,
  ref: Pick<ContentRef, "hash">,
): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(atob(await readBase64(client, sessionId, ref)), (char) => char.charCodeAt(0));
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
    for (const [name, one] of Object.entries(value)) fields[name] = await fill(one);
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
 * The messages in entries, as `get_messages` would have them if nothing was hidden.
 *
 * @param entries entries of a branch, oldest first
 * @returns a message for each entry that people read
 */
export function messagesIn(
  entries: readonly Readonly<Record<string, unknown>>[],
): Record<string, unknown>[] {
  return entries.flatMap((entry) => {
    const { type, message, summary, lineBytes } = entry;
    const at = Date.parse(String(entry["timestamp"]));
    const timestamp = Number.isNaN(at) ? {} : { timestamp: at };
    if (entry["oversized"] === true && typeof lineBytes === "number") {
      const content = `An entry of ${lineBytes} bytes`;
      return [{ role: "custom", customType: "oversized", content, ...timestamp }];
    }
    if (type === "message" && isRecord(message)) return [message];
    if (type === "compaction") return [{ role: "compactionSummary", summary, ...timestamp }];
    if (type === "branch_summary") return [{ role: "branchSummary", summary, ...timestamp }];
    if (type === "custom_message") return [{ ...entry, role: "custom", ...timestamp }];
    return [];
  });
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
