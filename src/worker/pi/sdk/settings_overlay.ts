// Does: keeps the settings of one session in memory, on top of the user's and the project's files.
// Used by: factory.ts. pi would write each change to the user's settings file (docs/PI.md#settings).
// Invariant: it never writes a file, and knows only the fields below.
import { isRecord, tryParseRecord } from "../../../base/json.ts";

/** pi's two scopes. */
export type SettingsScope = "global" | "project";

/** Reads a settings file, or nothing when there is none. */
export type ReadSettings = (scope: SettingsScope) => string | undefined;

type Settings = Record<string, unknown>;

/**
 * Settings that a session may change. Project settings win over global ones, so these move to the global text.
 */
const PLAIN = [
  "defaultProvider",
  "defaultModel",
  "defaultThinkingLevel",
  "steeringMode",
  "followUpMode",
] as const;
const NESTED = [["compaction", "enabled"], ["retry", "enabled"]] as const;

/** Moves the session's settings from the project text to the global one. */
export function hoist(global: Settings, project: Settings): { global: Settings; project: Settings } {
  const up: Settings = { ...global };
  const rest: Settings = { ...project };
  for (const name of PLAIN) {
    if (rest[name] === undefined) continue;
    up[name] = rest[name];
    delete rest[name];
  }
  for (const [group, name] of NESTED) {
    const from = rest[group];
    if (!isRecord(from) || from[name] === undefined) continue;
    const { [name]: value, ...others } = from;
    const into = up[group];
    up[group] = { ...(isRecord(into) ? into : {}), [name]: value };
    rest[group] = others;
  }
  return { global: up, project: rest };
}

/** Storage for pi's SettingsManager; one for each session. */
export class SettingsOverlay {
  readonly #read: ReadSettings;
  readonly #trusted: () => boolean;
  #written: string | undefined;

  /** @param trusted whether the project's settings count; asked at each read */
  constructor(read: ReadSettings, trusted: () => boolean) {
    this.#read = read;
    this.#trusted = trusted;
  }

  /** pi's storage interface. `fn` gets the text of a scope and returns a new one, or nothing. */
  withLock(scope: SettingsScope, fn: (current: string | undefined) => string | undefined): void {
    const next = fn(this.#text(scope));
    // pi writes the project scope only to install packages, which it must not do here.
    if (next !== undefined && scope === "global") this.#written = next;
  }

  #text(scope: SettingsScope): string | undefined {
    const globalText = this.#written ?? this.#read("global");
    const projectText = this.#trusted() ? this.#read("project") : undefined;
    const project = tryParseRecord(projectText);
    if (project === undefined) return scope === "global" ? globalText : projectText;
    // pi itself reports a global file that cannot be parsed.
    const global = globalText === undefined ? {} : tryParseRecord(globalText);
    if (global === undefined) return scope === "global" ? globalText : projectText;
    // The session's own writes win over the project.
    const moved = this.#written === undefined ? hoist(global, project) : hoist({}, project);
    if (scope === "project") return JSON.stringify(moved.project);
    return this.#written ?? JSON.stringify(moved.global);
  }
}
