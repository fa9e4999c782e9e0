// Does: the schemas of the commands on tokens (docs/PROTOCOL.md#roles).
// Used by: commands.ts.
import { type Static, Type } from "typebox";
import { anySession, server, SessionId } from "./command_spec.ts";
import { MOST_TTL_MS, ROLES } from "./roles.ts";

const TokenId = Type.String({ minLength: 1, maxLength: 128 });

const Label = Type.String({ minLength: 1, maxLength: 128 });
const Time = Type.Integer();

/** A minted token as `list_tokens` shows it. */
export const MintedTokenSchema = Type.Object({
  tokenId: TokenId,
  label: Type.Optional(Label),
  parentId: Type.Optional(TokenId),
  role: Type.Enum([...ROLES]),
  sessions: Type.Optional(Type.Array(SessionId)),
  scrape: Type.Optional(Type.Literal(true)),
  mintedAt: Time,
  expiresAt: Type.Optional(Time),
  lastUsedAt: Type.Optional(Time),
});
/** A minted token, without its secret. */
export type MintedToken = Static<typeof MintedTokenSchema>;

const Listed = Type.Object({
  ...MintedTokenSchema.properties,
  connections: Type.Integer({ minimum: 0 }),
});

/** By name. */
export const ACCESS_COMMANDS = {
  mint_token: server(
    "mint_token",
    {
      ...anySession,
      role: Type.Enum([...ROLES]),
      sessions: Type.Optional(Type.Array(SessionId, { minItems: 1, maxItems: 1_000 })),
      label: Type.Optional(Label),
      ttlMs: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_TTL_MS })),
    },
    Type.Object({ token: Type.String(), tokenId: TokenId, expiresAt: Type.Optional(Time) }),
    { role: "admin", scoped: false },
  ),
  list_tokens: server(
    "list_tokens",
    anySession,
    Type.Object({ tokens: Type.Array(Listed) }),
    { role: "admin", scoped: false, duringShutdown: true },
  ),
  revoke_token: server(
    "revoke_token",
    { ...anySession, tokenId: TokenId },
    Type.Object({ revoked: Type.Boolean() }),
    { role: "admin", scoped: false },
  ),
};
