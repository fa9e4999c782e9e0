// Does: says which text can be the server's token.
// Used by: the server for a token from its environment, the state folder for the token file.
// Invariant: one rule. A short token can be guessed, and other characters cannot be sent as a subprotocol.

/** The rule in words, for errors. */
export const TOKEN_RULE: string = "must hold 16 to 512 characters of A-Z a-z 0-9 . _ ~ -";

/** Whether a token keeps the rule. */
export function isUsableToken(token: string): boolean {
  return /^[A-Za-z0-9._~-]{16,512}$/.test(token);
}
