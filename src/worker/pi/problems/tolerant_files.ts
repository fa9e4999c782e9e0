// Does: makes pi accept auth.json and models.json as people write them, and finds the faults in them.
// Used by: sdk/sdk.ts of each pi. Uses: base/json_text.ts.
// Invariant: no fault quotes the file, which holds keys. A file without faults reaches pi unchanged.
import { readFileSync, statSync } from "node:fs";
import { errorMessage } from "../../../base/error_message.ts";
import { isRecord } from "../../../base/json.ts";
import { readJsonText } from "../../../base/json_text.ts";

type WithLock = (work: (current: unknown) => unknown, ...rest: unknown[]) => unknown;

/** pi's auth.json. */
export class CredentialFile {
  readonly #path: string;
  #fault: string | undefined;
  #seen = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** What is wrong with the file, a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Whether the file is another one than at the last call, or has been written since. */
  changed(): boolean {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    const now = found === undefined
      ? ""
      : `${found.dev} ${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`;
    const changed = now !== this.#seen;
    this.#seen = now;
    return changed;
  }

  /** Has this storage of pi's hand on the text as JSON, and notes what is wrong with it. */
  watch(storage: object): void {
    const withLock: unknown = Reflect.get(storage, "withLock");
    if (typeof withLock !== "function") throw new Error("This pi keeps logins in another way");
    const tolerant: WithLock = (work, ...rest) => {
      // A refresh of a login may hold the lock for long. Only a write needs it.
      const text = wholeLogins(this.#path);
      const read = text === undefined ? undefined : work(this.#readable(text));
      if (isRecord(read) && read["next"] === undefined) return read["result"];
      try {
        return Reflect.apply(withLock, storage, [
          (current: unknown) => work(this.#readable(current)),
          ...rest,
        ]);
      } catch (error) {
        this.#fault ??= unreadable(this.#path, error);
        throw error;
      }
    };
    Reflect.set(storage, "withLock", tolerant);
    const withLockAsync: unknown = Reflect.get(storage, "withLockAsync");
    if (typeof withLockAsync !== "function") throw new Error("This pi keeps logins in another way");
    const later: WithLock = (work, ...rest) =>
      Reflect.apply(withLockAsync, storage, [(current: unknown) => work(this.#readable(current)), ...rest]);
    Reflect.set(storage, "withLockAsync", later);
  }

  #readable(current: unknown): unknown {
    this.#fault = undefined;
    if (typeof current !== "string" || current.trim() === "") return current === undefined ? current : "";
    this.#fault = loginsFault(this.#path, current);
    const read = readJsonText(current);
    if (!read.ok) return current;
    if (!isRecord(read.value)) return "{}";
    return read.strict ? current : JSON.stringify(read.value, null, 2);
  }
}

/**
 * The text of auth.json, read without its lock. Undefined when it is not complete, as while pi writes it: a text that
 * breaks off is never JSON.
 */
export function wholeLogins(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) return undefined;
  try {
    const text = readFileSync(path, "utf-8");
    const read = readJsonText(text);
    return read.ok && isRecord(read.value) ? text : undefined;
  } catch {
    // pi fails at it, too, and says why.
    return undefined;
  }
}

function loginsFault(path: string, text: string): string | undefined {
  const read = readJsonText(text);
  if (read.ok) {
    if (isRecord(read.value)) return undefined;
    return `${path} must hold an object with logins; remove it, and log in again`;
  }
  const { at: { line, column }, what } = read;
  const place = `line ${line}, column ${column}: ${what}`;
  return `${path} is not valid JSON (${place}), so pi uses no new login in it; correct it, or log in again`;
}

/** What is wrong with pi's auth.json as it lies on the disk. */
export function credentialFault(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) return undefined;
  try {
    const text = readFileSync(path, "utf-8");
    return text.trim() === "" ? undefined : loginsFault(path, text);
  } catch (error) {
    return unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): string {
  return `${path} cannot be read: ${errorMessage(error)}; check its owner and its mode`;
}

/** What pi says of models.json, in one line and with its path. */
export function modelsFault(path: string, error: string): string {
  const sentence = error.replace(`File: ${path}`, "").replace(/\s*\n\s*-?\s*/g, " ").trim();
  return `${path} is not used: ${sentence}`;
}

/** What is wrong with the text of pi's models.json beyond what pi reports, and what pi cannot read of it. */
export function modelsText(
  path: string,
  text: string,
): { readonly faults: string[]; readonly value?: unknown } {
  const read = readJsonText(text);
  if (!read.ok) {
    const { at: { line, column }, what } = read;
    const place = `line ${line}, column ${column}: ${what}`;
    return {
      faults: [`${path} is not valid JSON (${place}), so pi uses none of its models; correct it there`],
    };
  }
  if (read.strict) return { faults: [] };
  const { trailingComma: comma } = read;
  const faults = comma === undefined
    ? []
    : [`${path}: the comma in line ${comma.line}, column ${comma.column} is too much; remove it`];
  return { faults, value: read.value };
}

/** What pi 1.6 says of models.json. Where it quotes a text that is not JSON, its place stands instead, for the keys. */
export function modelsFaults(path: string, errors: readonly string[]): readonly string[] {
  if (errors.length === 0) return commaFaults(path);
  if (errors.some((one) => one.startsWith("Failed to parse"))) {
    try {
      const { faults } = modelsText(path, readFileSync(path, "utf-8"));
      if (faults.length > 0) return faults;
    } catch (error) {
      return [unreadable(path, error)];
    }
  }
  return [modelsFault(path, errors.join(" "))];
}

/** A comma that this pi reads over, and for which others do not use the file. */
function commaFaults(path: string): readonly string[] {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true ? modelsText(path, readFileSync(path, "utf-8")).faults : [];
}

/** Runs pi's own reading of a file with `value` in the place of what its text would be parsed to. */
export function parsedAs<T>(value: unknown, read: () => T): T {
  const { parse } = JSON;
  JSON.parse = () => value;
  try {
    return read();
  } finally {
    JSON.parse = parse;
  }
}
