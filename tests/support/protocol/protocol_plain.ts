// Makes recorded messages fit for a page that is the same each time. Values that change from run to run (ids, times,
// paths, ports) get a fixed value, long texts and lists are cut, and JSON is laid out in few lines. Pure.

import { isObject, type Json, type JsonObject } from "../base/json.ts";

/** A text of the recording and what the page shows instead. */
export type Replacement = readonly [from: string, to: string];

const WIDTH = 100;
const MOST_CHARS = 160;
const KEPT_CHARS = 120;
/** Characters of JSON that a list may have before it is cut, and items that are kept all the same. */
const LIST_CHARS = 1000;
const KEPT_ITEMS = 2;

/** Numbers that are 0 in one run and not in the next. */
const OFTEN_0: ReadonlySet<string> = new Set(["router", "outboxBytes", "events"]);

/** Every time on the page, as a text, as it stands in names of files, and in milliseconds. */
const TIME = "2026-01-01T12:00:00.000Z";
const FILE_TIME = "2026-01-01T12-00-00-000Z";
const TIME_MS = Date.parse(TIME);
/** Numbers in here are taken for times in milliseconds: the years 2020 to 2100. */
const [EARLIEST_MS, LATEST_MS] = [Date.UTC(2020), Date.UTC(2100)];
/**
 * Numbers by the name of their field: how many pieces a streamed message comes in depends on the network, and so does
 * what is counted of it. 0 stays 0.
 */
const NUMBERS: Readonly<Record<string, number>> = {
  seq: 41,
  uptimeMs: 60_000,
  events: 41,
  bytesIn: 1_024,
  bytesOut: 65_536,
  router: 0.25,
  outboxBytes: 0,
  wallMs: 250,
  keyBytes: 0,
  messageBytes: 0,
  files: 12,
  indexed: 12,
};

/** What a server with one worker may hold. */
const MEMORY: Json = { process: 250_000_000, router: 20_000_000, hosts: [100_000_000] };

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** A token; the page shows none, not even one that is over. */
const TOKEN = /^[0-9a-f]{64}$/;
/** pi's ids of entries. */
const ENTRY_ID = /^[0-9a-f]{8}$/;
/** What the scripted model calls its answers and calls of tools. */
const MODEL_ID = /\b(call|toolu|msg|chatcmpl)([_-])\d+\b/g;

/** Replaces what changes from run to run. One for each section of the page, so that sections do not move others. */
export class Plain {
  readonly #replacements: readonly Replacement[];
  readonly #numbers = new Map<string, number>();
  readonly #counts = new Map<string, number>();

  constructor(replacements: readonly Replacement[]) {
    this.#replacements = replacements;
  }

  /** The message as the page shows it. */
  of(message: JsonObject): string {
    return layout(this.#value(message), 0);
  }

  #value(value: Json | undefined): Json {
    if (typeof value === "string") return cut(this.#text(value));
    if (typeof value === "number") return value > EARLIEST_MS && value < LATEST_MS ? TIME_MS : value;
    if (Array.isArray(value)) return cutList(value.map((each) => this.#value(each)));
    if (!isObject(value)) return value ?? null;
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return Object.fromEntries(
      fields.map(([name, field]) => [
        name,
        // A reference is the hash of a content, which is the same in every run.
        numberOf(name, field) ?? (name === "ref" || name === "hash" ? field ?? null : this.#value(field)),
      ]),
    );
  }

  #text(text: string): string {
    let plain = text;
    for (const [from, to] of this.#replacements) plain = plain.replaceAll(from, to);
    if (TOKEN.test(plain)) return "64-hexadecimal-digits";
    if (ENTRY_ID.test(plain)) return `e${String(this.#number("entry", plain)).padStart(7, "0")}`;
    return plain
      .replace(UUID, (id) => `00000000-0000-4000-8000-${String(this.#number("uuid", id)).padStart(12, "0")}`)
      .replace(MODEL_ID, (id, kind: string, dash: string) => `${kind}${dash}${this.#number(kind, id)}`)
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, TIME)
      .replace(/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z/g, FILE_TIME)
      .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:3141")
      .replace(/sha256-[A-Za-z0-9+/=]+/g, "sha256-…");
  }

  /** The same text gets the same number, in the order in which texts of that kind come. */
  #number(kind: string, text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const next = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, next);
    this.#numbers.set(text, next);
    return next;
  }
}

function numberOf(name: string, value: Json | undefined): Json | undefined {
  // Delays of threads are the only list of plain numbers.
  if (name === "memoryBytes" && isObject(value)) return MEMORY;
  if (name === "hosts" && Array.isArray(value)) return value.map(() => 1);
  if (typeof value !== "number" || !Object.hasOwn(NUMBERS, name)) return undefined;
  return value > 0 || OFTEN_0.has(name) ? NUMBERS[name] : undefined;
}

function cut(text: string): string {
  const chars = [...text];
  return chars.length > MOST_CHARS ? `${chars.slice(0, KEPT_CHARS).join("")}…` : text;
}

/** Lists of objects are cut; lists of words are short and worth seeing. */
function cutList(items: Json[]): Json[] {
  if (!items.every(isObject)) return items;
  let chars = 0;
  const fits = items.findIndex((each) => (chars += JSON.stringify(each).length) > LIST_CHARS);
  const kept = fits < 0 ? items.length : Math.max(KEPT_ITEMS, fits);
  return kept >= items.length ? items : [...items.slice(0, kept), `… and ${items.length - kept} more`];
}

/** JSON that keeps on one line what fits there. */
export function layout(value: Json, indent: number, room = WIDTH): string {
  const line = inline(value);
  if (line.length <= room - indent || typeof value !== "object" || value === null) return line;
  const pad = " ".repeat(indent + 2);
  const end = `\n${" ".repeat(indent)}`;
  if (Array.isArray(value)) {
    return `[\n${value.map((each) => `${pad}${layout(each, indent + 2)}`).join(",\n")}${end}]`;
  }
  const fields = Object.entries(value).map(([name, field]) => {
    const key = `${JSON.stringify(name)}: `;
    return `${pad}${key}${layout(field ?? null, indent + 2, WIDTH - key.length)}`;
  });
  return `{\n${fields.join(",\n")}${end}}`;
}

function inline(value: Json): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  const fields = Object.entries(value).map(([name, field]) =>
    `${JSON.stringify(name)}: ${inline(field ?? null)}`
  );
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}
