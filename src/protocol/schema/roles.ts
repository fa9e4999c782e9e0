// Roles of tokens, each of which may do all that the one before it may (docs/PROTOCOL.md#roles). Which command asks for
// which role stands with the command itself (command_spec.ts). Pure.

/** What a token is for. */
export type Role = "observe" | "answer" | "drive" | "admin";

/** The roles, from the least to the most. */
export const ROLES: readonly Role[] = ["observe", "answer", "drive", "admin"];

/** Most milliseconds that a minted token may live: 24 days, as long as a timer can be set. */
export const MOST_TTL_MS: number = 24 * 24 * 3_600_000;

/** Whether a token of role `held` may do what asks for `needed`. */
export function covers(held: Role, needed: Role): boolean {
  return ROLES.indexOf(held) >= ROLES.indexOf(needed);
}
