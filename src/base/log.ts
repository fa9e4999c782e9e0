// Does: writes the server's log on stderr, one line a record, as text or as JSON.
// Used by: both threads. Invariant: it never holds a token, and never goes to stdout, which carries the protocol.
import { toJson } from "./text.ts";

/** The gravity of a record. `silent` as a threshold shows none. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** The levels, least grave first. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/** Details of a record. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes records. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Options of a log. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  now(): number;
  write(line: string): void;
}

/** Characters that a terminal acts on, with the parameters of an escape sequence. */
const UNSHOWN = /[\p{Cc}\p{Bidi_Control}](?:\[[0-?]*[ -/]*[@-~])?/gu;

/** The same character by its number, as JSON writes it. */
function numbered(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value of a record. Peers and extensions choose some values, so control characters are removed. */
function shown(value: unknown): string {
  if (typeof value === "string" && /^\S+$/.test(value) && numbered(value) === value) return value;
  return numbered(JSON.stringify(value) ?? "undefined");
}

function textLine(time: string, level: string, message: string, fields: LogFields): string {
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`);
  // One record is one line, so a message must not contain line ends.
  const line = message.replace(/[\r\n\u2028\u2029]+/g, " ⏎ ").replaceAll("\t", " ").replace(UNSHOWN, "");
  return `${time} ${level.padEnd(5)} ${line}${details.join("")}\n`;
}

/** Makes a log. */
export function createLog(options: LogOptions): Log {
  const threshold = LOG_LEVELS.indexOf(options.level);
  const at = (level: LogLevel) => (message: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(level) < threshold) return;
    const time = new Date(options.now()).toISOString();
    const line = options.format === "json"
      ? `${numbered(toJson({ time, level, message, ...fields }))}\n`
      : textLine(time, level, message, fields);
    options.write(line);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
