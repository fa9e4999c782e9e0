// Does: reads the records of minted tokens from `tokens.json`.
// Used by: token_store.ts. Invariant: a damaged record opens nothing.
import { ADMIN } from "./access.ts";
import { defined, isRecord, tryParse } from "../../base/json.ts";
import { type Role, ROLES } from "../../protocol/schema/roles.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** A minted token in the file. */
export interface TokenRecord {
  readonly id: string;
  readonly hash: string;
  readonly role: Role;
  /** Mark of the server's own token at that time. Absent: the server had none. */
  readonly root?: string;
  /** Id of the parent token. Absent: the server's own, or stdio. */
  readonly parent?: string;
  readonly label?: string;
  readonly sessions?: readonly string[];
  /** The token opens `/metrics` alone, and may have no end of its own. */
  readonly scrape?: true;
  /** Milliseconds since the epoch, like the other times. */
  readonly mintedAt: number;
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
  /** Id of the bucket of a cluster that holds the token. Absent: none did yet. */
  readonly bucket?: string;
}

/** A minted token without what only its own server knows. */
export function sharedRecord(
  { lastUsedAt: _at, root: _root, bucket: _bucket, ...record }: TokenRecord,
): TokenRecord {
  return record;
}

/** Identifies an own token without revealing it. */
export function rootMark({ sha256 }: Pick<Runtime, "sha256">, own: string): string {
  return sha256(`the root of minted tokens ${own}`);
}

/** The valid records of the file. */
export function parseTokens(text: string | undefined): TokenRecord[] {
  // The next write replaces a file that cannot be read.
  const stored = tryParse(text);
  const records = Array.isArray(stored) ? stored.map(parseRecord) : [];
  return records.filter((record) => record !== undefined);
}

/** The record of a value. Undefined for one that would open nothing, or too much. */
export function parseRecord(value: unknown): TokenRecord | undefined {
  if (!isRecord(value)) return undefined;
  const { id, hash, mintedAt, sessions, expiresAt, scrape } = value;
  const role = ROLES.find((one) => one === value["role"]);
  if (typeof id !== "string" || id === ADMIN.id || typeof hash !== "string" || role === undefined) {
    return undefined;
  }
  if (!isTime(mintedAt) || !isOptional(expiresAt, isTime) || !isOptional(value["lastUsedAt"], isTime)) {
    return undefined;
  }
  // A damaged list must not become "all sessions".
  if (!isOptional(sessions, isTexts) || !isOptional(scrape, isTrue)) return undefined;
  if (scrape === undefined ? expiresAt === undefined : role !== "observe" || sessions !== undefined) {
    return undefined;
  }
  const { root, parent, label, lastUsedAt, bucket } = value;
  if (
    !isOptional(root, isText) || !isOptional(bucket, isText) || !isOptional(parent, isText) ||
    !isOptional(label, isText)
  ) {
    return undefined;
  }
  return {
    id,
    hash,
    role,
    mintedAt,
    ...defined({ root, parent, label, sessions, scrape, expiresAt }),
    ...(isTime(lastUsedAt) ? { lastUsedAt } : {}),
    ...(bucket === undefined ? {} : { bucket }),
  };
}

function isOptional<T>(value: unknown, is: (value: unknown) => value is T): value is T | undefined {
  return value === undefined || is(value);
}

const isTrue = (value: unknown): value is true => value === true;
const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isTime = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value);
