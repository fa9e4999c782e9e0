// Does: names the folders in which pi keeps its settings, its keys and its sessions, by the rules of pi itself.
// Used by: both threads and the subcommands.
// Invariant: one rule for the whole product: an empty variable counts as unset, and `~` is the user's home.

/** What the rules need to know of the machine. */
export interface Machine {
  env(name: string): string | undefined;
  home(): string;
  absolute(path: string): string;
}

function expanded(machine: Machine, path: string): string {
  const inHome = path === "~" || path.startsWith("~/");
  return machine.absolute(inHome ? `${machine.home()}${path.slice(1)}` : path);
}

/** pi's own folder. */
export function agentFolder(machine: Machine): string {
  return expanded(machine, machine.env("PI_CODING_AGENT_DIR") || "~/.pi/agent");
}

/** The folder of sessions that a variable names; undefined when none does. */
export function namedSessionFolder(machine: Machine): string | undefined {
  const named = machine.env("PI_CODING_AGENT_SESSION_DIR") || undefined;
  return named === undefined ? undefined : expanded(machine, named);
}
