// Does: keeps the server's own token and the tokens minted from it (docs/PROTOCOL.md#roles).
// Used by: the gate at each connect, and the router for mint_token, list_tokens and revoke_token.
// Invariant: a minted token ends with its parent. `tokens.json` holds hashes, so the file opens nothing.
import { errorMessage } from "../../base/error_message.ts";
import { defined } from "../../base/json.ts";
import { type Access, ADMIN } from "./access.ts";
import { MINTED_TOKENS } from "../../governor/limits.ts";
import type { Log } from "../../base/log.ts";
import type { MintedToken } from "../../protocol/schema/access_commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/schema/roles.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { parseTokens, rootMark, type TokenRecord } from "./token_records.ts";

export interface TokenStoreParts {
  readonly runtime: Runtime;
  readonly log: Log;
  /** The file of the minted tokens. */
  readonly file: string;
  /** The server's own token. Absent: the server asks for no token. */
  readonly own?: string;
}

/** The request for a new token. */
export interface Minting {
  /** Id of the parent token. The new token ends with it. */
  readonly parent: string;
  readonly role: Role;
  readonly sessions?: readonly string[];
  readonly label?: string;
  /** Absent: the token opens `/metrics` alone, and lives until its parent ends or an admin revokes it. */
  readonly ttlMs?: number;
}

/** A new token. This is the only copy of its secret. */
export interface Minted {
  readonly token: string;
  readonly tokenId: string;
  /** Milliseconds since the epoch. Absent: it ends when it is revoked. */
  readonly expiresAt?: number;
}

const TOKEN_BYTES = 32;

/** A record with its changes while the server runs. */
interface Entry extends TokenRecord {
  lastUsedAt?: number;
  bucket?: string;
  /** Another node of the cluster has minted it, and keeps it on its disk. */
  foreign?: true;
}

/** The other nodes of a cluster, which admit the same tokens. */
export interface TokenSharing {
  /** Shares a new token. Resolves with the id of the bucket that holds it, or undefined when it cannot be stored now. */
  publish(record: TokenRecord): Promise<string | undefined>;
  /** Tells them that tokens are over. */
  withdraw(tokenIds: readonly string[]): Promise<void>;
}

function accessOf({ id, role, sessions, expiresAt, scrape }: Entry): Access {
  return {
    id,
    role,
    ...defined({ expiresAt }),
    ...(sessions === undefined ? {} : { sessions: new Set(sessions) }),
    ...(scrape === true ? { scrape } : {}),
  };
}

/** All tokens of a server. */
export class TokenStore {
  /** Called with the id of a revoked token, or of one whose parent was revoked. */
  revoked: (tokenId: string) => void = () => {};
  /** Tokens of the file that are over, since the server's own token is another one now. */
  refused: readonly string[] = [];
  /** Absent outside of a cluster. */
  sharing: TokenSharing | undefined;
  readonly #parts: TokenStoreParts;
  readonly #root: string | undefined;
  readonly #byHash = new Map<string, Entry>();
  readonly #byId = new Map<string, Entry>();
  /** Whether a token was used since the last write of the file. */
  #used = false;
  #saving: Promise<void> = Promise.resolve();

  private constructor(parts: TokenStoreParts) {
    this.#parts = parts;
    this.#root = parts.own === undefined ? undefined : rootMark(parts.runtime, parts.own);
  }

  /** Reads the minted tokens of earlier servers. A damaged file counts as empty, so its tokens are refused. */
  static async open(parts: TokenStoreParts): Promise<TokenStore> {
    const store = new TokenStore(parts);
    const refused = store.#take(parseTokens(await store.#read()));
    store.#forgetExpired();
    if (refused > 0) await store.#dropRefused(refused);
    return store;
  }

  async #read(): Promise<string | undefined> {
    const { runtime, log, file } = this.#parts;
    try {
      return await runtime.files.read(file);
    } catch (error) {
      const reason = errorMessage(error);
      log.warn("minted tokens cannot be read and are refused; repair or remove the file", { file, reason });
      return undefined;
    }
  }

  /** The rights of a token now. The time does not depend on how much of the token is right. */
  accessOf(token: string): Access | undefined {
    const { runtime, own } = this.#parts;
    if (own !== undefined && runtime.equalTexts(token, own)) return ADMIN;
    // A peer cannot guess a hash by its beginning, because the store hashes the peer's text.
    const entry = this.#byHash.get(runtime.sha256(token));
    if (entry === undefined || this.#isOver(entry)) return undefined;
    entry.lastUsedAt = runtime.now();
    this.#used = true;
    return accessOf(entry);
  }

  /** Whether the token opens anything now. */
  holds(tokenId: string): boolean {
    if (tokenId === ADMIN.id) return true;
    const entry = this.#byId.get(tokenId);
    return entry !== undefined && !this.#isOver(entry);
  }

  /** The minted tokens, oldest first, without secrets. */
  list(): MintedToken[] {
    this.#forgetExpired();
    return [...this.#byId.values()].map((entry) => {
      const { id, parent, label, role, sessions, scrape, mintedAt, expiresAt, lastUsedAt } = entry;
      return {
        tokenId: id,
        ...defined({ label, parentId: parent }),
        role,
        ...(sessions === undefined ? {} : { sessions: [...sessions] }),
        ...(scrape === true ? { scrape } : {}),
        mintedAt,
        ...defined({ expiresAt, lastUsedAt }),
      };
    });
  }

  /** Mints a token. Its record is on disk when the promise resolves. */
  async mint({ parent, role, sessions, label, ttlMs }: Minting): Promise<Minted | Failure> {
    const { runtime } = this.#parts;
    this.#forgetExpired();
    if (!this.holds(parent)) {
      return failure("forbidden", "The token of this connection has ended; connect with another one");
    }
    if (this.#byId.size >= MINTED_TOKENS) {
      const sentence = `There are ${MINTED_TOKENS} minted tokens, the most allowed; revoke one first`;
      return failure("overloaded", sentence, { data: { limit: "mintedTokens" } });
    }
    const token = runtime.randomHex(TOKEN_BYTES);
    const mintedAt = runtime.now();
    const expiresAt = this.#endOf(parent, ttlMs === undefined ? undefined : mintedAt + ttlMs);
    const entry: Entry = {
      id: runtime.uuid(),
      hash: runtime.sha256(token),
      role,
      ...(this.#root === undefined ? {} : { root: this.#root }),
      ...(parent === ADMIN.id ? {} : { parent }),
      ...defined({ label, sessions }),
      ...(ttlMs === undefined ? { scrape: true } : {}),
      mintedAt,
      ...defined({ expiresAt }),
    };
    this.#add(entry);
    try {
      await this.#save();
      await this.share(entry.id);
      return { token, tokenId: entry.id, ...defined({ expiresAt }) };
    } catch (error) {
      this.#remove(entry);
      return unsaved(error, "no token was made");
    }
  }

  /** Ends a token, its descendants and their connections. False for an unknown id. */
  async revoke(tokenId: string): Promise<boolean | Failure> {
    const found = this.#byId.get(tokenId);
    if (found === undefined) return false;
    const over = [found, ...this.#mintedFrom(tokenId)];
    for (const entry of over) this.#remove(entry);
    for (const { id } of over) this.revoked(id);
    await this.sharing?.withdraw(over.map(({ id }) => id));
    try {
      await this.#save();
      return true;
    } catch (error) {
      return unsaved(error, "the server refuses the token now, but accepts it again after a restart");
    }
  }

  /** The minted tokens that other nodes may know. */
  get records(): readonly (TokenRecord & { readonly foreign?: true })[] {
    return [...this.#byId.values()];
  }

  /** Shares a token with the other nodes, and remembers that the bucket holds it. */
  async share(tokenId: string): Promise<void> {
    const entry = this.#byId.get(tokenId);
    const bucket = entry === undefined ? undefined : await this.sharing?.publish(entry);
    if (entry === undefined || bucket === undefined || entry.bucket === bucket) return;
    entry.bucket = bucket;
    // Without that write the next start shares the token again.
    await this.#save().catch(() => {});
  }

  /** Another node has minted a token. */
  adopt(record: TokenRecord): void {
    if (!this.#byId.has(record.id)) this.#add({ ...record, foreign: true });
  }

  /** Another node has ended a token. */
  async drop(tokenId: string): Promise<void> {
    const entry = this.#byId.get(tokenId);
    if (entry === undefined) return;
    this.#remove(entry);
    this.revoked(tokenId);
    if (entry.foreign !== true) await this.#save().catch(() => {});
  }

  /** Writes when tokens were last used. */
  async close(): Promise<void> {
    await this.#saving.catch(() => {});
    // Tokens open the same without that write.
    if (this.#used) await this.#save().catch(() => {});
  }

  /** Adds the records with a known parent and the server's own token as root. Returns the number of others. */
  #take(records: readonly TokenRecord[]): number {
    // A server without a token of its own cannot judge. It keeps the records for one that can.
    const ours = this.#root === undefined ? records : records.filter(({ root }) => root === this.#root);
    const adopt = (parent: string | undefined): void => {
      for (const record of ours.filter((one) => one.parent === parent)) {
        if (this.#byId.has(record.id)) continue;
        this.#add(record);
        adopt(record.id);
      }
    };
    adopt(undefined);
    this.refused = records.map(({ id }) => id).filter((id) => !this.#byId.has(id));
    return this.refused.length;
  }

  /** Writes the file without them, so that an own token that returns brings none of them back. */
  async #dropRefused(tokens: number): Promise<void> {
    const { log, file } = this.#parts;
    const why = "the token that minted them is no longer in use; mint new ones";
    log.warn(`minted tokens are refused: ${why}`, { tokens });
    await this.#save().catch((error) => {
      const reason = errorMessage(error);
      log.warn("the refused tokens stay in the file; make it writable, or remove it", { file, reason });
    });
  }

  /** The earlier of that time and the parent's end. Undefined when neither ends by itself. */
  #endOf(parent: string, wanted: number | undefined): number | undefined {
    const most = this.#byId.get(parent)?.expiresAt;
    return most === undefined ? wanted : Math.min(most, wanted ?? most);
  }

  #isOver({ expiresAt }: Entry): boolean {
    return expiresAt !== undefined && expiresAt <= this.#parts.runtime.now();
  }

  /** All descendants of a token. */
  #mintedFrom(tokenId: string): Entry[] {
    const own = [...this.#byId.values()].filter(({ parent }) => parent === tokenId);
    return own.flatMap((entry) => [entry, ...this.#mintedFrom(entry.id)]);
  }

  #add(entry: Entry): void {
    this.#byHash.set(entry.hash, entry);
    this.#byId.set(entry.id, entry);
  }

  #remove({ hash, id }: Entry): void {
    this.#byHash.delete(hash);
    this.#byId.delete(id);
  }

  #forgetExpired(): void {
    for (const entry of [...this.#byId.values()]) if (this.#isOver(entry)) this.#remove(entry);
  }

  /** One write at a time. Each writes the state at its turn. */
  #save(): Promise<void> {
    const { runtime, file } = this.#parts;
    const write = (): Promise<void> => {
      this.#used = false;
      const own = [...this.#byId.values()].filter(({ foreign }) => foreign !== true);
      const text = `${JSON.stringify(own, null, 2)}\n`;
      return runtime.files.writePrivate(file, text);
    };
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
  }
}

function unsaved(error: unknown, so: string): Failure {
  const reason = errorMessage(error);
  return failure("internal", `The state folder cannot be written: ${reason}; ${so}`);
}
