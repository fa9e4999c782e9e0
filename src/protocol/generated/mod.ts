// Generated from the schemas beside this file by `deno task gen`; do not edit.
// The protocol as plain interfaces, for clients and for the package's public interface.

export type * from "./shapes.ts";
export type * from "./commands.ts";
export type * from "./answers.ts";
export type * from "./events.ts";
