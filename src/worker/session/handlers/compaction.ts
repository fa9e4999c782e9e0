// Does: handles compact, its abort, and the switches for compaction and retry (docs/PROTOCOL.md#session-commands).
// Used by: mod.ts.
import { COMMAND_GRACE_MS } from "../../../governor/limits.ts";
import { agentBusy } from "../../../protocol/failures.ts";
import { done, type Entry, externalWrite, on } from "./handler.ts";

/** The group's handlers. */
export const COMPACTION: readonly Entry[] = [
  on("compact", async (session, { customInstructions }) => {
    // pi would stop the run without an event.
    if (session.agent.busy()) return { ok: false, failure: agentBusy() };
    const foreign = externalWrite(session);
    if (foreign !== undefined) return foreign;
    const outcome = await session.agent.compact(customInstructions);
    return outcome.ok ? done(outcome.value) : outcome;
  }, { holdMs: COMMAND_GRACE_MS, stop: (session) => session.agent.abortCompaction() }),
  on("abort_compaction", (session) => {
    session.agent.abortCompaction();
    return done({});
  }),
  on("set_auto_compaction", (session, { enabled }) => {
    session.agent.settings.setAutoCompaction(enabled);
    return done({});
  }),
  on("set_auto_retry", (session, { enabled }) => {
    session.agent.settings.setAutoRetry(enabled);
    return done({});
  }),
  on("abort_retry", (session) => {
    session.agent.abortRetry();
    return done({});
  }),
];
