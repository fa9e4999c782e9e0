// Does: names pi's own folder, whose settings and keys some subcommands read.
// Used by: doctor, attach.
import type { Io } from "../runtime/terminal/io.ts";

/** pi's own folder. */
export function agentFolder(io: Io): string {
  return io.absolute(io.env("PI_CODING_AGENT_DIR") ?? io.join(io.home(), ".pi", "agent"));
}
