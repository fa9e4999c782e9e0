// Does: describes how a node takes sessions over from the state folder of a dead one. Types only.
// Used by: takeover.ts. src/server/inherited_sessions.ts implements it.

/** What a dead node has left of its sessions. */
export interface Estate {
  /**
   * Copies what the folder knows of these sessions into this server's own, and onto the disk. Returns the sessions that
   * can go on here.
   */
  prepare(sessionIds: readonly string[]): Promise<readonly string[]>;
  /** The session is this server's from now on, parked. One step, so that a loss of the lease finds it. */
  commit(sessionId: string): void;
  /** The session is another node's: drops the copy. */
  undo(sessionId: string): Promise<void>;
}

/** The way to what dead nodes have left. */
export interface Heir {
  /** Opens the state folder of a dead node by its path and id, or says why it is not there. */
  open(folder: string, state: string): Promise<Estate | string>;
}
