// Does: describes what the holder of a token may do: a role, with or without sessions and an end. Pure.
// Used by: the gate at connect, and the router at every command and event.
import { covers, type Role } from "../../protocol/schema/roles.ts";

/** The rights of a connection. */
export interface Access {
  /**
   * Id of the token, the same for all its connections. `ADMIN` has that of the server's own token and of stdio.
   */
  readonly id: string;
  readonly role: Role;
  /** Only these sessions exist for the holder. Absent: all. */
  readonly sessions?: ReadonlySet<string>;
  /** Milliseconds since the epoch. Absent: never. */
  readonly expiresAt?: number;
  /** The token opens `/metrics` and no connection. */
  readonly scrape?: true;
}

/** The rights of the state folder's token, of stdio, and of all clients where no token is needed. */
export const ADMIN: Access = { id: "admin", role: "admin" };

/** Whether that session exists for the holder. */
export function sees(access: Access, sessionId: string): boolean {
  return access.sessions === undefined || access.sessions.has(sessionId);
}

/** Whether the holder may send a command for that role. */
export function may(access: Access, role: Role): boolean {
  return covers(access.role, role);
}
