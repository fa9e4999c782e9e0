// Does: handles the commands for model, thinking level and modes (docs/PROTOCOL.md#session-commands).
// Used by: mod.ts. Invariant: no change reaches another session or a file.
import { done, type Entry, on, onFile } from "./handler.ts";

/** The group's handlers. */
export const MODEL: readonly Entry[] = [
  on("get_available_models", (session) => done({ models: session.agent.settings.models() })),
  onFile("set_model", async (session, { provider, modelId }) => {
    const outcome = await session.agent.settings.setModel(provider, modelId);
    return outcome.ok ? done({ model: outcome.value }) : outcome;
  }),
  onFile("cycle_model", async (session, { direction }) => {
    return done(await session.agent.settings.cycleModel(direction ?? "forward"));
  }),
  onFile("set_thinking_level", (session, { level }) => {
    const outcome = session.agent.settings.setThinkingLevel(level);
    return outcome.ok ? done({ level: outcome.value }) : outcome;
  }),
  onFile("cycle_thinking_level", (session) => {
    const level = session.agent.settings.cycleThinkingLevel();
    return done(level === null ? null : { level });
  }),
  on("get_available_thinking_levels", (session) => done({ levels: session.agent.settings.thinkingLevels() })),
  on("set_steering_mode", (session, { mode }) => {
    session.agent.settings.setSteeringMode(mode);
    return done({});
  }),
  on("set_follow_up_mode", (session, { mode }) => {
    session.agent.settings.setFollowUpMode(mode);
    return done({});
  }),
];
