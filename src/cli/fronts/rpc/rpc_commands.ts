// Does: translates the commands of pi's RPC mode into the protocol's, and the answers back. Pure.
// Used by: rpc_front.ts. pi's own rpc-types of each engine are the reference for both directions.
// Invariant: a command carries only the fields that pi reads; pi ignores others, and the server refuses them.
import { isRecord } from "../../../base/json.ts";

/** A record of pi's RPC mode. */
export type PiRecord = Readonly<Record<string, unknown>>;

/** The engine whose dialect is spoken. */
export type Dialect = "0.73" | "1.6";

/** What the server is sent for a command of pi. */
export interface Translation {
  readonly type: string;
  readonly fields: PiRecord;
  /** pi's `data` of the answer; undefined for an answer without data. */
  readonly data?: (data: unknown, sessionId: string) => unknown;
}

type Translate = (command: PiRecord, dialect: Dialect) => Translation;

/** Those of the fields that are there. */
function taken(command: PiRecord, ...names: readonly string[]): PiRecord {
  return Object.fromEntries(
    names.map((name) => [name, command[name]] as const).filter(([, value]) =>
      value !== undefined && value !== null
    ),
  );
}

const whole = (data: unknown): unknown => data;

/** The named fields of an answer. */
const only = (...names: readonly string[]) => (data: unknown): unknown =>
  isRecord(data) ? taken(data, ...names) : data;

/** A command of the same name; without `data` its answer has none. */
function same(fields: readonly string[], data?: (data: unknown, sessionId: string) => unknown): Translate {
  return (command) => ({
    type: String(command["type"]),
    fields: taken(command, ...fields),
    ...(data === undefined ? {} : { data }),
  });
}

/** The disposition, which only the newer dialect tells. */
function told(fields: readonly string[]): Translate {
  return (command, dialect) => ({
    type: String(command["type"]),
    fields: taken(command, ...fields),
    ...(dialect === "1.6" ? { data: only("disposition") } : {}),
  });
}

const STATE = [
  "model",
  "thinkingLevel",
  "isStreaming",
  "isCompacting",
  "steeringMode",
  "followUpMode",
  "sessionFile",
  "sessionId",
  "sessionName",
  "autoCompactionEnabled",
  "messageCount",
  "pendingMessageCount",
];

/** pi's own id of a session, which its file's name ends with; the wire's id where there is no file. */
export function piSessionId(file: unknown, sessionId: string): string {
  const name = typeof file === "string" ? /_([^_\\/]+)\.jsonl$/.exec(file)?.[1] : undefined;
  return name ?? sessionId;
}

function withPiId(data: unknown, sessionId: string): unknown {
  return isRecord(data) ? { ...data, sessionId: piSessionId(data["sessionFile"], sessionId) } : data;
}

const MESSAGE = ["message", "images"];

/** By pi's name of the command. */
const TRANSLATIONS: Readonly<Record<string, Translate>> = {
  prompt: told([...MESSAGE, "streamingBehavior"]),
  steer: told(MESSAGE),
  follow_up: told(MESSAGE),
  abort: same([]),
  new_session: same(["parentSession"], whole),
  get_state: same([], (data, sessionId) => only(...STATE)(withPiId(data, sessionId))),
  set_model: same(["provider", "modelId"], (data) => isRecord(data) ? data["model"] : data),
  cycle_model: same([], whole),
  get_available_models: same([], only("models")),
  set_thinking_level: same(["level"]),
  cycle_thinking_level: same([], whole),
  set_steering_mode: same(["mode"]),
  set_follow_up_mode: same(["mode"]),
  compact: same(["customInstructions"], whole),
  set_auto_compaction: same(["enabled"]),
  set_auto_retry: same(["enabled"]),
  abort_retry: same([]),
  bash: (command, dialect) => ({
    type: "bash",
    fields: taken(command, "command", ...(dialect === "1.6" ? ["excludeFromContext"] : [])),
    data: whole,
  }),
  abort_bash: same([]),
  get_session_stats: same([], withPiId),
  export_html: (command) => ({
    type: "export_html",
    fields: taken(command, "outputPath"),
    // pi gives the path back as it was named.
    data: (data) =>
      typeof command["outputPath"] === "string" ? { path: command["outputPath"] } : only("path")(data),
  }),
  switch_session: (command) => ({
    type: "switch_session_file",
    fields: taken(command, "sessionPath"),
    data: only("cancelled"),
  }),
  fork: same(["entryId"], only("text", "cancelled")),
  clone: same([], only("cancelled")),
  get_fork_messages: same([], only("messages")),
  get_last_assistant_text: same([], only("text")),
  set_session_name: same(["name"]),
  get_messages: same([], only("messages")),
  get_commands: same([], only("commands")),
  // Only the newer pi has these. Programs that are made for it send them to any.
  clear_queue: same([], whole),
  get_available_thinking_levels: same([], only("levels")),
  get_entries: same(["since"], only("entries", "leafId")),
};

/** The translation of a command; undefined when pi's RPC mode has no such command. */
export function translate(command: PiRecord, dialect: Dialect): Translation | undefined {
  const type = command["type"];
  if (typeof type !== "string") return undefined;
  return Object.hasOwn(TRANSLATIONS, type) ? TRANSLATIONS[type]?.(command, dialect) : undefined;
}

/** pi's sentence for an error where programs look for it; else the server's own. */
export function errorText(command: PiRecord, error: Error): string {
  const code: unknown = Reflect.get(error, "code");
  if (code === "agent_busy" && command["type"] === "prompt") {
    return "Agent is already processing. Specify streamingBehavior ('steer' or 'followUp') to queue the message.";
  }
  if (code === "model_not_found" && command["type"] === "set_model") {
    return `Model not found: ${command["provider"]}/${command["modelId"]}`;
  }
  if (code === "entry_not_found" && command["type"] === "fork") return "Invalid entry ID for forking";
  if (code === "invalid_params" && command["type"] === "set_session_name") {
    return "Session name cannot be empty";
  }
  return error.message;
}
