// Does: keeps the minted tokens of all nodes in the bucket, as hashes, so that each node admits and ends the same ones.
// Used by: cluster.ts. Uses: the token store.
// Invariant: a token that was ended while its own node was away stays ended.
import { errorMessage } from "../../base/error_message.ts";
import { tryParse } from "../../base/json.ts";
import type { Log } from "../../base/log.ts";
import { parseRecord, sharedRecord, type TokenRecord } from "../auth/token_records.ts";
import type { TokenSharing, TokenStore } from "../auth/token_store.ts";
import type { Bus } from "./bus.ts";

export interface TokenSyncParts {
  readonly bus: Bus;
  readonly log: Log;
  readonly store: TokenStore;
  readonly bucketId: string;
}

const PREFIX = "token.";

/** The tokens of one cluster. */
export class TokenSync implements TokenSharing {
  readonly #parts: TokenSyncParts;

  constructor(parts: TokenSyncParts) {
    this.#parts = parts;
  }

  async publish(record: TokenRecord): Promise<string | undefined> {
    const { bus, bucketId, log } = this.#parts;
    if (!bus.connected) return undefined;
    try {
      await bus.put(`${PREFIX}${record.id}`, JSON.stringify(sharedRecord(record)));
      return bucketId;
    } catch (error) {
      log.warn("other nodes do not know a new token yet", {
        tokenId: record.id,
        reason: errorMessage(error),
      });
      return undefined;
    }
  }

  async withdraw(tokenIds: readonly string[]): Promise<void> {
    const { bus, log } = this.#parts;
    for (const tokenId of tokenIds) {
      await bus.remove(`${PREFIX}${tokenId}`).catch((error) => {
        const reason = errorMessage(error);
        log.error("other nodes still admit a revoked token; revoke it again once NATS is back", {
          tokenId,
          reason,
        });
      });
    }
  }

  /** The bucket has changed. */
  changed(key: string, value: string | undefined): void {
    if (!key.startsWith(PREFIX)) return;
    const { store } = this.#parts;
    if (value === undefined) return void store.drop(key.slice(PREFIX.length));
    const record = parseRecord(tryParse(value));
    if (record !== undefined && !store.refused.includes(record.id)) store.adopt(record);
  }

  /** These are all entries of the bucket. */
  async synced(keys: ReadonlySet<string>): Promise<void> {
    const { store, bucketId } = this.#parts;
    await this.withdraw(store.refused.filter((id) => keys.has(`${PREFIX}${id}`)));
    for (const { id, bucket, foreign } of store.records) {
      if (keys.has(`${PREFIX}${id}`)) continue;
      // It was there, so another node has ended it.
      if (foreign === true || bucket === bucketId) await store.drop(id);
      else await store.share(id);
    }
  }
}
