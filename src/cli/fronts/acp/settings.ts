// Does: shows a session's model and thinking level as modes and options of the editor, and keeps them up to date.
// Used by: acp_session.ts. The levels are modes as well, for editors that show no options.
import type { SessionConfigOption, SessionModeState, SessionUpdate } from "@agentclientprotocol/sdk";
import { isRecord } from "../../../base/json.ts";
import type { Client, Model, SessionEvent, SessionInfo } from "../../../client/mod.ts";
import { invalid } from "./errors.ts";

type Level = SessionInfo["thinkingLevel"];

const LEVELS: Readonly<Record<Level, string>> = {
  off: "Thinking off",
  minimal: "Thinking minimal",
  low: "Thinking low",
  medium: "Thinking medium",
  high: "Thinking high",
  xhigh: "Thinking extra high",
  max: "Thinking maximum",
};

const MODEL = "model";
const THINKING = "thinking";
/** Stands for the model of a session that has none. */
const NO_MODEL = "none";

function isLevel(value: unknown): value is Level {
  return typeof value === "string" && Object.hasOwn(LEVELS, value);
}

function valueOf({ provider, id }: Pick<Model, "provider" | "id">): string {
  return `${provider}/${id}`;
}

/** What `session/new` answers about settings. */
export interface SettingsState {
  readonly modes: SessionModeState;
  readonly configOptions: SessionConfigOption[];
}

/** The settings of one session. */
export class Settings {
  readonly #sessionId: string;
  #models: readonly Model[];
  #model: Pick<Model, "provider" | "id" | "name" | "reasoning"> | undefined;
  #level: Level;
  #levels: readonly Level[];

  /** @param models those that pi has credentials for, @param levels those of the session's model */
  constructor(info: SessionInfo, models: readonly Model[], levels: readonly Level[]) {
    this.#sessionId = info.sessionId;
    this.#models = models;
    this.#model = info.model;
    this.#level = info.thinkingLevel;
    this.#levels = levels;
  }

  /** The modes and options as they are now. */
  get state(): SettingsState {
    return { modes: this.#modes(), configOptions: this.#options() };
  }

  /** Takes what a fresh state of the session says; the updates of what has changed. */
  renew(info: SessionInfo): SessionUpdate[] {
    const same = this.#level === info.thinkingLevel && this.#value() === valueOf(info.model ?? NONE);
    this.#level = info.thinkingLevel;
    this.#model = info.model;
    return same ? [] : this.#changed();
  }

  /**
   * The updates of an event; none for events about other things.
   *
   * @param read reads the levels of the session's model
   */
  async event(event: SessionEvent, read: () => Promise<readonly Level[]>): Promise<SessionUpdate[]> {
    const { type, level, model } = event;
    if (type === "thinking_level_changed" && isLevel(level)) {
      if (this.#level === level) return [];
      this.#level = level;
      return this.#changed();
    }
    if (type !== "model_changed" || !isRecord(model)) return [];
    const { provider, id, name, reasoning } = model;
    if (typeof provider !== "string" || typeof id !== "string") return [];
    this.#model = { provider, id, name: String(name ?? id), reasoning: reasoning === true };
    // A session that is gone by now has no levels any more.
    this.#levels = await read().catch(() => this.#levels);
    return this.#changed();
  }

  /** Sets the level. Returns the updates where the model makes another level of it. */
  async setMode(client: Client, modeId: string): Promise<SessionUpdate[]> {
    const known = this.#modes().availableModes.map(({ id }) => id);
    if (!isLevel(modeId) || !known.includes(modeId)) {
      throw invalid(`there is no mode "${modeId}"; choose one of ${known.join(", ")}`);
    }
    const { level } = await client.request("set_thinking_level", {
      sessionId: this.#sessionId,
      level: modeId,
    });
    this.#level = level;
    return this.#changed();
  }

  /** Sets an option. Returns the updates. */
  async setOption(client: Client, configId: string, value: unknown): Promise<SessionUpdate[]> {
    if (configId === THINKING) return await this.setMode(client, String(value));
    if (configId !== MODEL) {
      throw invalid(`there is no option "${configId}"; choose one of ${MODEL}, ${THINKING}`);
    }
    const model = this.#models.find((one) => valueOf(one) === value);
    if (model === undefined) throw invalid(`there is no model "${value}" that pi has credentials for`);
    const sessionId = this.#sessionId;
    await client.request("set_model", { sessionId, provider: model.provider, modelId: model.id });
    // Another model may think less.
    const info = await client.request("get_state", { sessionId });
    this.#model = info.model;
    this.#level = info.thinkingLevel;
    this.#levels = (await client.request("get_available_thinking_levels", { sessionId })).levels;
    return this.#changed();
  }

  #value(): string {
    return valueOf(this.#model ?? NONE);
  }

  #modes(): SessionModeState {
    const levels = this.#levels.includes(this.#level) ? this.#levels : [...this.#levels, this.#level];
    return {
      currentModeId: this.#level,
      availableModes: levels.map((id) => ({ id, name: LEVELS[id] })),
    };
  }

  #options(): SessionConfigOption[] {
    const current = this.#model === undefined ? NO_MODEL : this.#value();
    const known = this.#models.map((model) => ({ value: valueOf(model), name: model.name }));
    const here = known.some(({ value }) => value === current)
      ? []
      : [{ value: current, name: this.#model?.name ?? "No model" }];
    return [
      {
        type: "select",
        id: MODEL,
        name: "Model",
        category: "model",
        currentValue: current,
        options: [...here, ...known],
      },
      {
        type: "select",
        id: THINKING,
        name: "Thinking",
        category: "thought_level",
        currentValue: this.#level,
        options: this.#modes().availableModes.map(({ id, name }) => ({ value: id, name })),
      },
    ];
  }

  #changed(): SessionUpdate[] {
    return [
      { sessionUpdate: "current_mode_update", currentModeId: this.#level },
      { sessionUpdate: "config_option_update", configOptions: this.#options() },
    ];
  }
}

const NONE = { provider: "", id: "" };
