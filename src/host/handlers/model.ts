// The session's model: get_available_models, set_model (PROTOCOL §5). Levels and cycling join them here.
import { done, type Entry, on } from "./handler.ts";

/** The group's handlers. */
export const MODEL: readonly Entry[] = [
  on("get_available_models", (session) => done({ models: session.agent.models() })),
  on("set_model", async (session, { provider, modelId }) => {
    const outcome = await session.agent.setModel(provider, modelId);
    return outcome.ok ? done({ model: outcome.value }) : outcome;
  }),
];
