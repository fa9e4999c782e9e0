// Generated from the schemas beside this file by `deno task gen`; do not edit.
// The protocol as plain interfaces, for clients and for the package's public interface.

export type * from "./wire_shapes.ts";
export type * from "./wire_commands.ts";
export type * from "./wire_answers.ts";
export type * from "./wire_events.ts";
