// Does: names the pi that this server runs on, the instructions that it reads, and its hosts. Pure.
// Used by: the greeting and the sandbox. The server thread never loads pi to ask.
// Invariant: the import map of compat/ replaces this file when it replaces pi.

/** The pi package that sessions run on. */
export const PI: { readonly package: string; readonly version: string } = {
  package: "@mariozechner/pi-coding-agent",
  version: "0.73.1",
};

/** Files with instructions that pi looks for in a session's folder and in every folder above it. */
export const CONTEXT_FILES: readonly string[] = ["AGENTS.md", "AGENTS.MD", "CLAUDE.md", "CLAUDE.MD"];

/** Hosts of its models and logins beside those of every pi. */
export const MORE_HOSTS: readonly string[] = [];
