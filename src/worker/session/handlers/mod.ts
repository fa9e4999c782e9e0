// Does: collects the handlers of all session commands, by command.
// Used by: session_worker.ts. Each group has a file; a new command belongs into one of them.
import { BASH } from "./bash.ts";
import { BUDGET } from "./budget.ts";
import { COMPACTION } from "./compaction.ts";
import { DISCOVERY } from "./discovery.ts";
import { ENTRIES } from "./entries.ts";
import { HISTORY } from "./history.ts";
import { INTERACTION } from "./interaction.ts";
import { MODEL } from "./model.ts";
import type { Handler } from "../session.ts";
import { STATE } from "./state.ts";

/** Handlers by command name. */
export const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ...INTERACTION,
  ...STATE,
  ...MODEL,
  ...BASH,
  ...BUDGET,
  ...COMPACTION,
  ...HISTORY,
  ...ENTRIES,
  ...DISCOVERY,
]);
