// Does: decides whether a connection's token allows a command (docs/PROTOCOL.md#roles). Pure.
// Used by: the router, after the check of the message and before any limit.
// Invariant: the refusal is the same whether a hidden session exists or not.
import { type Access, may, sees } from "./access.ts";
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";
import { type Failure, failure } from "../../protocol/errors.ts";

/** Why a command is refused. Undefined when it is allowed. */
export function forbidden(access: Access, command: Command, spec: CommandSpec): Failure | undefined {
  if (!may(access, spec.role)) {
    const sentence = `${command.type} asks for the role ${spec.role}, this token has ${access.role}`;
    return failure("forbidden", `${sentence}; connect with a token of that role`);
  }
  if (access.sessions === undefined) return undefined;
  if (!spec.scoped) {
    const sentence = `${command.type} is about more than the sessions that this token is for`;
    return failure("forbidden", `${sentence}; connect with the server's own token`);
  }
  const { sessionId } = command;
  // `*` stands for the holder's sessions. A command without a session answers about those alone.
  const named = sessionId !== undefined && sessionId !== "*";
  if (named ? sees(access, sessionId) : command.type !== "create_session") return undefined;
  const sentence = named ? `This token is not for session "${sessionId}"` : "This token is for some sessions";
  return failure("forbidden", `${sentence}; name one of: ${[...access.sessions].slice(0, 10).join(", ")}`);
}
