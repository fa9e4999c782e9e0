/**
 * The wire protocol of pi-server as types and as JSON Schema: every command, what it answers with, every event
 * beyond pi's own, and the error codes. For clients in TypeScript that bring their own connection; `./client` has
 * one built on these.
 *
 * @example
 * ```ts
 * import type { PromptCommand, SessionInfo } from "@pi/server/protocol";
 *
 * const command: PromptCommand = { type: "prompt", sessionId: "a", message: "Hello" };
 * const name = (info: SessionInfo): string => info.sessionName ?? info.sessionId;
 * console.log(JSON.stringify(command), name.length);
 * ```
 *
 * @module
 */
import { ERRORS as TABLE, type ErrorTraits } from "./errors.ts";
import type { ErrorCode } from "./generated/mod.ts";

export type * from "./generated/mod.ts";
export type * from "./pi_events.ts";
export { KEYED, REPEATABLE } from "./generated/command_traits.ts";
export type { ErrorTraits } from "./errors.ts";
export { commandSchema, protocolSchema } from "./json_schema.ts";
export { PROTOCOL_VERSION, SERVER_VERSION } from "./version.ts";

/** All error codes: their meaning, and whether a retry can help. */
export const ERRORS: Readonly<Record<ErrorCode, ErrorTraits>> = TABLE;
