// The tokens of one server: its own, which may do everything, and those minted from it for a role, some
// sessions, some time (PROTOCOL §9). Of minted ones only a hash is kept, in `tokens.json` of the state folder,
// so that they outlive a restart and cannot be read from disk. Knows no connection; tells when a token is over.
import { errorMessage } from "../error_message.ts";
import { type Access, ADMIN } from "../governor/access.ts";
import { MINTED_TOKENS } from "../governor/limits.ts";
import { type Failure, failure } from "../protocol/errors.ts";
import { isRecord } from "../protocol/json.ts";
import { type Role, ROLES } from "../protocol/roles.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** What the book is made of. */
export interface TokenBookParts {
  readonly runtime: Runtime;
  /** Where minted tokens are kept. */
  readonly file: string;
  /** The server's own token; absent: none is asked for. */
  readonly own?: string;
}

/** What a new token is to be good for. */
export interface Minting {
  readonly role: Role;
  readonly sessions?: readonly string[];
  readonly ttlMs: number;
}

/** A new token; told once and never again. */
export interface Minted {
  readonly token: string;
  readonly tokenId: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

interface Entry {
  readonly id: string;
  readonly hash: string;
  readonly role: Role;
  readonly sessions?: readonly string[];
  readonly expiresAt: number;
}

const TOKEN_BYTES = 32;

function parseRecord(value: unknown): Entry | undefined {
  if (!isRecord(value)) return undefined;
  const { id, hash, expiresAt, sessions } = value;
  const role = ROLES.find((one) => one === value["role"]);
  if (typeof id !== "string" || typeof hash !== "string" || role === undefined) return undefined;
  if (typeof expiresAt !== "number" || !Number.isSafeInteger(expiresAt)) return undefined;
  if (sessions === undefined) return { id, hash, role, expiresAt };
  // A damaged list must not become "all sessions".
  if (!Array.isArray(sessions) || !sessions.every((one) => typeof one === "string")) return undefined;
  return { id, hash, role, sessions, expiresAt };
}

function accessOf({ id, role, sessions, expiresAt }: Entry): Access {
  return { id, role, expiresAt, ...(sessions === undefined ? {} : { sessions: new Set(sessions) }) };
}

/** All tokens of a server. */
export class TokenBook {
  /** Called with the id of a token that was revoked. */
  revoked: (tokenId: string) => void = () => {};
  readonly #parts: TokenBookParts;
  readonly #byHash = new Map<string, Entry>();
  #saving: Promise<void> = Promise.resolve();

  private constructor(parts: TokenBookParts) {
    this.#parts = parts;
  }

  /** Reads what was minted before. A damaged file counts as none: its tokens are refused. */
  static async open(parts: TokenBookParts): Promise<TokenBook> {
    const book = new TokenBook(parts);
    const text = await parts.runtime.files.read(parts.file);
    let stored: unknown = [];
    try {
      stored = JSON.parse(text ?? "[]");
    } catch {
      // The next token that is minted writes it anew.
    }
    for (const record of Array.isArray(stored) ? stored.map(parseRecord) : []) {
      if (record !== undefined) book.#byHash.set(record.hash, record);
    }
    book.#forgetExpired();
    return book;
  }

  /** What a token is good for now; in time that does not depend on how much of it is right. */
  accessOf(token: string): Access | undefined {
    const { runtime, own } = this.#parts;
    if (own !== undefined && runtime.equalTexts(token, own)) return ADMIN;
    // What is looked up is a hash: nobody can learn a token by asking for hashes that begin alike.
    const record = this.#byHash.get(runtime.sha256(token));
    return record === undefined || record.expiresAt <= runtime.now() ? undefined : accessOf(record);
  }

  /** Makes a token. It is on disk before it is told. */
  async mint({ role, sessions, ttlMs }: Minting): Promise<Minted | Failure> {
    const { runtime } = this.#parts;
    this.#forgetExpired();
    if (this.#byHash.size >= MINTED_TOKENS) {
      const sentence = `There are ${MINTED_TOKENS} minted tokens, the most allowed; revoke one first`;
      return failure("overloaded", sentence, { data: { limit: "mintedTokens" } });
    }
    const token = runtime.randomHex(TOKEN_BYTES);
    const tokenId = runtime.uuid();
    const expiresAt = runtime.now() + ttlMs;
    const record: Entry = {
      id: tokenId,
      hash: runtime.sha256(token),
      role,
      ...(sessions === undefined ? {} : { sessions }),
      expiresAt,
    };
    this.#byHash.set(record.hash, record);
    try {
      await this.#save();
      return { token, tokenId, expiresAt };
    } catch (error) {
      this.#byHash.delete(record.hash);
      return unsaved(error, "no token was made");
    }
  }

  /** Ends a token, for connections that it has opened too; false when there is none of that id. */
  async revoke(tokenId: string): Promise<boolean | Failure> {
    const found = [...this.#byHash.values()].find(({ id }) => id === tokenId);
    if (found === undefined) return false;
    this.#byHash.delete(found.hash);
    this.revoked(tokenId);
    try {
      await this.#save();
      return true;
    } catch (error) {
      return unsaved(error, "the token is refused from now on, but not after a restart");
    }
  }

  #forgetExpired(): void {
    const now = this.#parts.runtime.now();
    for (const { hash, expiresAt } of [...this.#byHash.values()]) {
      if (expiresAt <= now) this.#byHash.delete(hash);
    }
  }

  /** One writing at a time; each writes what holds when its turn has come. */
  #save(): Promise<void> {
    const { runtime, file } = this.#parts;
    const write = (): Promise<void> =>
      runtime.files.writePrivate(file, `${JSON.stringify([...this.#byHash.values()], null, 2)}\n`);
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
  }
}

function unsaved(error: unknown, so: string): Failure {
  const reason = errorMessage(error);
  return failure("internal", `The state folder cannot be written: ${reason}; ${so}`);
}
