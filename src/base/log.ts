// The server's log: one line a record on stderr, as text for people or as JSON for machines. Never holds a
// token, and never stdout, which belongs to the protocol.
import { toJson } from "./text.ts";

/** How grave a record is; `silent` as a threshold shows none. */
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

/** Where and how records are written. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  now(): number;
  write(line: string): void;
}

/** Characters that a terminal acts on instead of showing them; those of an escape sequence with its parameters. */
const UNSHOWN = /[\p{Cc}\p{Bidi_Control}](?:\[[0-?]*[ -/]*[@-~])?/gu;

/** The same character by its number, as JSON writes it. */
function numbered(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value of a record. Peers and extensions choose some of them, so nothing that a terminal acts on is left. */
function shown(value: unknown): string {
  if (typeof value === "string" && /^\S+$/.test(value) && numbered(value) === value) return value;
  return numbered(JSON.stringify(value) ?? "undefined");
}

function textLine(time: string, level: string, message: string, fields: LogFields): string {
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`);
  // One record is one line: a message that holds line ends must not look like several records.
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
