// Does: reads one line of a session file as an entry, or of a huge line only its place in the tree. Pure.
// Used by: stored_history.ts. Clients see the same entries as of a loaded session.
import { isRecord, tryParseRecord } from "../../base/json.ts";
import type { FileFormat } from "../../ipc/file_format.ts";

/** An entry's place in the tree. */
export interface StoredHead {
  readonly id: string;
  readonly parentId: string | null;
  readonly type: string;
}

/** Fields at the beginning of a line, in the order in which pi writes them. */
const FIRST = /^\{"type":"([^"\\]{1,64})","id":"([^"\\]{1,128})","parentId":(?:"([^"\\]{1,128})"|null)[,}]/;
/** The same fields at its end, for programs that write them there. */
const TYPE = /^\{"type":"([^"\\]{1,64})"/;
const LAST = /,"id":"([^"\\]{1,128})","parentId":(?:"([^"\\]{1,128})"|null),"timestamp":"[^"\\]{0,64}"\}$/;

/** Bytes at both ends of a line in which these fields are looked for. */
export const HEAD_BYTES: number = 1024;

/** Types that no client sees, whatever the loaded pi knows. */
const NEVER: ReadonlySet<string> = new Set(["context_edit", "usage"]);

/** The place of a line in the tree, from its beginning and its end alone. */
export function headIn(beginning: string, end: string): StoredHead | undefined {
  const first = FIRST.exec(beginning);
  if (first !== null) {
    const [, type = "", id = "", parentId = null] = first;
    return { type, id, parentId };
  }
  const [, type] = TYPE.exec(beginning) ?? [];
  const last = LAST.exec(end);
  if (type === undefined || last === null) return undefined;
  const [, id = "", parentId = null] = last;
  return { type, id, parentId };
}

/** The entry in a line. Undefined for a header, and for a line that pi cannot use. */
export function entryIn(text: string): (Record<string, unknown> & StoredHead) | undefined {
  const entry = tryParseRecord(text);
  if (entry === undefined) return undefined;
  const { type, id, parentId = null } = entry;
  if (typeof type !== "string" || type === "session" || typeof id !== "string") return undefined;
  if (parentId !== null && typeof parentId !== "string") return undefined;
  return { ...entry, type, id, parentId };
}

/** Whether clients see an entry. */
export function isShown(entry: StoredHead & { readonly message?: unknown }, format: FileFormat): boolean {
  const { type, message } = entry;
  if (NEVER.has(type) || !format.types.has(type)) return false;
  if (type !== "message" || !isRecord(message)) return true;
  const { role } = message;
  return typeof role === "string" && role !== "system" && format.roles.has(role);
}
