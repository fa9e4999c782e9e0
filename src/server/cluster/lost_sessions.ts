// Does: frees the id of a session whose node is gone for good (`delete_session` with `lost`).
// Used by: cluster.ts. Invariant: a node that answers keeps its ids, and so does one whose claim has changed.
import { errorMessage } from "../../base/error_message.ts";
import { type Failure, failure } from "../../protocol/errors.ts";
import { noSession } from "../../protocol/failures.ts";
import type { Bus } from "./bus.ts";
import type { Claims } from "./claims.ts";

export interface LostParts {
  readonly bus: Bus;
  readonly claims: Pick<Claims, "find" | "free">;
  /** Whether a node is in the cluster now. */
  alive(node: string): boolean;
  /** The subject on which a start of that node would answer. Undefined for a node that has not registered. */
  subject(node: string): string | undefined;
}

/** Frees an id. `there`: its node is in the cluster, and deletes the session itself. */
export async function freeLost(
  sessionId: string,
  { bus, claims, alive, subject }: LostParts,
): Promise<"freed" | "there" | Failure> {
  try {
    const claim = await claims.find(sessionId);
    if (claim === undefined) return noSession(sessionId);
    const { node } = claim.owner;
    if (alive(node)) return "there";
    const at = subject(node);
    if (at !== undefined && await bus.ask(at)) {
      const sentence = `Node ${node} still answers, so its sessions are not lost; see list_nodes`;
      return failure("node_unavailable", sentence, { retryAfterMs: 1_000, data: { node } });
    }
    if (await claims.free(sessionId, claim)) return "freed";
    return failure("node_unavailable", "The session has just moved; try again", { retryAfterMs: 1_000 });
  } catch (error) {
    const sentence = `The id cannot be freed now (${errorMessage(error)}); try again`;
    return failure("node_unavailable", sentence, { retryAfterMs: 1_000 });
  }
}
