// What `doctor` found at one place, with the next step where something is wrong. Types alone.

/** `fail` keeps a server or a run from working; `warn` is worth a look. */
export type Level = "ok" | "warn" | "fail";

/** One line of `doctor`. */
export interface Finding {
  readonly level: Level;
  readonly about: string;
  readonly message: string;
  /** What to do about it. */
  readonly next?: string;
}

export const ok = (about: string, message: string): Finding => ({ level: "ok", about, message });
export const warn = (about: string, message: string, next: string): Finding => ({
  level: "warn",
  about,
  message,
  next,
});
export const fail = (about: string, message: string, next: string): Finding => ({
  level: "fail",
  about,
  message,
  next,
});
