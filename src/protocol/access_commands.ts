// Commands on who may do what (PROTOCOL §9): tokens for a role, some sessions, some time.
import { Type } from "typebox";
import { anySession, server, SessionId } from "./command_spec.ts";
import { MOST_TTL_MS, ROLES } from "./roles.ts";

const TokenId = Type.String({ minLength: 1, maxLength: 128 });

/** By name. */
export const ACCESS_COMMANDS = {
  mint_token: server(
    "mint_token",
    {
      ...anySession,
      role: Type.Enum([...ROLES]),
      sessions: Type.Optional(Type.Array(SessionId, { minItems: 1, maxItems: 1_000 })),
      ttlMs: Type.Integer({ minimum: 1, maximum: MOST_TTL_MS }),
    },
    Type.Object({ token: Type.String(), tokenId: TokenId, expiresAt: Type.Integer() }),
    { role: "admin", scoped: false },
  ),
  revoke_token: server(
    "revoke_token",
    { ...anySession, tokenId: TokenId },
    Type.Object({ revoked: Type.Boolean() }),
    { role: "admin", scoped: false },
  ),
};
