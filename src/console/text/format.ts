// Numbers, times and texts as people read them. Pure: the time of now is handed in.

const UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
];

/** `3 min`, `2 h`; of a time that is ahead, or just now: `now`. */
export function ago(at: string | number, now: number): string {
  const ms = now - (typeof at === "number" ? at : Date.parse(at));
  if (!(ms >= 5000)) return "now";
  const [size, name] = UNITS.find(([unit]) => ms >= unit) ?? [1000, "s"];
  return `${Math.floor(ms / size)} ${name}`;
}

/** A length of time in its two largest units. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const at = UNITS.findIndex(([unit]) => ms >= unit);
  const [size, name] = UNITS[at] ?? [1000, "s"];
  const whole = `${Math.floor(ms / size)} ${name}`;
  const next = UNITS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % size) / next[0]);
  return rest === 0 || next === undefined ? whole : `${whole} ${rest} ${next[1]}`;
}

/** Money in US dollars; cents below ten dollars have more digits, since most runs cost little. */
export function money(usd: number): string {
  if (usd === 0) return "$0";
  if (usd < 0.001) return "<$0.001";
  return `$${usd.toFixed(usd < 1 ? 3 : 2)}`;
}

/** `980`, `12.3k`, `4.5M`. */
export function count(value: number): string {
  if (value < 1000) return String(Math.round(value * 100) / 100);
  if (value < 1e6) return `${(value / 1000).toFixed(value < 1e5 ? 1 : 0)}k`;
  if (value < 1e9) return `${(value / 1e6).toFixed(1)}M`;
  return `${(value / 1e9).toFixed(1)}G`;
}

/** `1 turn`, `2 turns`. */
export function several(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/** Bytes in the unit that fits. */
export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const at = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log(Math.max(value, 1)) / Math.log(1024))),
  );
  const amount = value / 1024 ** at;
  return `${amount < 10 && at > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[at]}`;
}

/** The last two parts of a folder. */
export function shortPath(path: string): string {
  const parts = path.split(/[\\/]/).filter((part) => part !== "");
  return parts.length <= 2 ? path : `…/${parts.slice(-2).join("/")}`;
}

/** Characters that turn the direction of the text around them, and control characters. */
// deno-lint-ignore no-control-regex
const HIDDEN = /[\u202a-\u202e\u2066-\u2069\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;
/** What a program tells a terminal and not a person. */
// deno-lint-ignore no-control-regex
const TERMINAL = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** Makes characters visible that could pretend another order of the text. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (one) => `⟦${one.charCodeAt(0).toString(16).padStart(4, "0")}⟧`);
}

/** The output of a terminal program as plain text: without colours, and of a line that was rewritten the last form. */
export function plainOutput(text: string): string {
  const plain = text.replace(TERMINAL, "").replaceAll("\r\n", "\n");
  return visible(plain.replace(/^[^\n]*\r(?=[^\n])/gm, "").replaceAll("\r", ""));
}

/** Cuts a text in two at most so many characters, without splitting one. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = most - 1;
  const code = text.charCodeAt(end - 1);
  return `${text.slice(0, code >= 0xd800 && code < 0xdc00 ? end - 1 : end)}…`;
}
