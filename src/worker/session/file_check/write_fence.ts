// Does: keeps this thread from writing to session files once another node of the cluster may have its sessions.
// Used by: everything in a worker that writes to a session file. session_worker.ts sets the check (`--shared-sessions`).
// Invariant: the check is one step with the write that follows. Only a pause of the process fits between the two.

/** Why nothing was written. */
export const LEASE_OVER =
  "this node has lost its lease in the cluster, and another one may have the session; see list_nodes";

let mayWrite: () => boolean = () => true;

/** From now on each write asks this first. */
export function fenceWrites(check: () => boolean): void {
  mayWrite = check;
}

/** Throws when this thread may not write to session files now. */
export function checkFence(): void {
  if (!mayWrite()) throw new Error(LEASE_OVER);
}
