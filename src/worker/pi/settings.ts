// Does: model, thinking level and modes of one pi session.
// Used by: agent.ts. pi's writes go to the session's settings overlay (sdk/settings_overlay.ts).
import { type Failure, failure } from "../../protocol/errors.ts";
import type { AgentSettings, ThinkingLevel } from "../session/agent_port.ts";
import { pi } from "./engines/packages.ts";
import type { LiveSession, PiSession } from "./live_session.ts";
import { levelHere, levelOf, modelsOf } from "./sdk/sdk.ts";
import { toWireModel } from "./sdk/wire_model.ts";

/** pi's placeholder for "no model" is truthy. */
export function hasModel(model: PiSession["model"]): model is NonNullable<PiSession["model"]> {
  return model !== undefined && model.provider !== "unknown";
}

export function noKey(provider: string): Failure {
  return failure("no_api_key", `pi has no credentials for ${provider}; log in with pi, or set its API key`);
}

export function noSuchModel(provider: string, modelId: string): Failure {
  const sentence = `pi knows no model ${provider}/${modelId}; see get_available_models`;
  return failure("model_not_found", sentence);
}

/** A level that the engine does not have. `highest` is the one that comes next to it. */
export function noSuchLevel(level: ThinkingLevel, highest: ThinkingLevel): Failure {
  const sentence = `pi ${pi.VERSION} has no thinking level ${level}; choose ${highest}, or run the ` +
    "server with --pi 1.6";
  return failure("not_supported_by_engine", sentence);
}

/** The settings of the session behind `live`. */
export function piSettings(live: LiveSession): AgentSettings {
  return {
    models: () => modelsOf(live.session).getAvailable().map(toWireModel),
    async setModel(provider, modelId) {
      const models = modelsOf(live.session);
      const model = models.find(provider, modelId);
      if (model === undefined) return { ok: false, failure: noSuchModel(provider, modelId) };
      if (!models.hasConfiguredAuth(model)) return { ok: false, failure: noKey(provider) };
      await live.session.setModel(model);
      live.environment.modelChosen?.();
      return { ok: true, value: toWireModel(model) };
    },
    async cycleModel(direction) {
      const result = await live.session.cycleModel(direction);
      if (result === undefined) return null;
      const { model, thinkingLevel, isScoped } = result;
      return { model: toWireModel(model), thinkingLevel: levelOf(thinkingLevel), isScoped };
    },
    setThinkingLevel(level) {
      const wanted = levelHere(level);
      if (wanted !== level) return { ok: false, failure: noSuchLevel(level, wanted) };
      live.session.setThinkingLevel(wanted);
      return { ok: true, value: levelOf(live.session.thinkingLevel) };
    },
    thinkingLevels: () => live.session.getAvailableThinkingLevels().map(levelOf),
    cycleThinkingLevel() {
      const level = live.session.cycleThinkingLevel();
      return level === undefined ? null : levelOf(level);
    },
    setSteeringMode: (mode) => live.session.setSteeringMode(mode),
    setFollowUpMode: (mode) => live.session.setFollowUpMode(mode),
    setAutoCompaction: (enabled) => live.session.setAutoCompactionEnabled(enabled),
    setAutoRetry: (enabled) => live.session.setAutoRetryEnabled(enabled),
  };
}
