// What the holder of a token may do: a role, perhaps for some sessions only, perhaps for some time. Made by the
// gate at connect, asked by the router at every command and before every event. Pure.
import { covers, type Role } from "../../protocol/schema/roles.ts";

/** What a connection may do. */
export interface Access {
  /** Id of the token, the same for all its connections; `ADMIN`'s for the server's own token and for stdio. */
  readonly id: string;
  readonly role: Role;
  /** Only these sessions exist for the holder; absent: all. */
  readonly sessions?: ReadonlySet<string>;
  /** Milliseconds since the epoch; absent: never. */
  readonly expiresAt?: number;
  /** The token opens `/metrics` and no connection. */
  readonly scrape?: true;
}

/** Of the state folder's token, of stdio, and of everybody where no token is asked for. */
export const ADMIN: Access = { id: "admin", role: "admin" };

/** Whether that session exists for the holder. */
export function sees(access: Access, sessionId: string): boolean {
  return access.sessions === undefined || access.sessions.has(sessionId);
}

/** Whether the holder may send what asks for that role. */
export function may(access: Access, role: Role): boolean {
  return covers(access.role, role);
}
