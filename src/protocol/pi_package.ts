// Which pi this server is built on, as the greeting tells it, and what it reaches for: the router thread never loads
// pi to ask. An import map that puts another pi in place puts another file in this one's place, too. Pure.

/** The pi package that sessions run on. */
export const PI: { readonly package: string; readonly version: string } = {
  package: "@mariozechner/pi-coding-agent",
  version: "0.73.1",
};

/** Instructions that pi looks for in a session's folder and in every folder above it. */
export const CONTEXT_FILES: readonly string[] = ["AGENTS.md", "AGENTS.MD", "CLAUDE.md", "CLAUDE.MD"];

/** Hosts of its models and logins beyond those of every pi. */
export const MORE_HOSTS: readonly string[] = [];
