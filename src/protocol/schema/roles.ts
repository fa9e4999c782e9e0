// Does: the roles of tokens (docs/PROTOCOL.md#roles). Each may do everything that the one before it may. Pure.
// Used by: command_spec.ts, where each command has its role, and server/auth.

/** The role of a token. */
export type Role = "observe" | "answer" | "drive" | "admin";

/** The roles, from the least to the most. */
export const ROLES: readonly Role[] = ["observe", "answer", "drive", "admin"];

/** The longest life of a minted token in milliseconds: 24 days, which a timer can hold. */
export const MOST_TTL_MS: number = 24 * 24 * 3_600_000;

/** Whether a token of role `held` may send a command for `needed`. */
export function covers(held: Role, needed: Role): boolean {
  return ROLES.indexOf(held) >= ROLES.indexOf(needed);
}
