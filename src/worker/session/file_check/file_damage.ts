// Does: finds the whole part of a line that does not parse, and what its rest says of the lost entry. Pure.
// Used by: file_inspector.ts. A crash joins a cut line with the next one; a power loss leaves NUL bytes.
import type { Hole } from "./entry_chain.ts";

/** Bytes of a broken line that are searched. pi writes the ids of an entry at its beginning. */
const SEARCHED = 1_000;

/** Positions in a broken line that are tried as the beginning of an entry. */
const TRIES = 8;

/** A value that was whole in a broken line. */
export interface Found {
  readonly text: string;
  readonly value: unknown;
}

/** The value of a line. Undefined when it does not parse. */
export function parseLine(text: string): Found | undefined {
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** The whole entry at the end of a broken line, if there is one. */
export function wholeIn(broken: string): Found | undefined {
  const text = broken.replace(/^\0+|\0+$/g, "");
  if (text.length < broken.length) {
    const found = parseLine(text);
    if (found !== undefined) return found;
  }
  let tries = 0;
  for (const { index } of text.matchAll(/\{\s*"type"\s*:/g)) {
    if (index === 0) continue;
    if (++tries > TRIES) break;
    const found = parseLine(text.slice(index));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What the rest of a line says of its entry. */
export function holeOf(line: number, broken: string): Hole {
  const head = broken.slice(0, SEARCHED);
  const id = /"id"\s*:\s*"([^"\\]{1,128})"/.exec(head)?.[1];
  const parent = /"parentId"\s*:\s*(?:null|"([^"\\]{1,128})")/.exec(head);
  return {
    line,
    ...(id === undefined ? {} : { id }),
    ...(parent === null ? {} : { parentId: parent[1] ?? null }),
  };
}

/** The type of the entry at the beginning of a broken line, if readable. */
export function typeOf(broken: string): string | undefined {
  return /^\s*\{\s*"type"\s*:\s*"([^"\\]{1,64})"/.exec(broken)?.[1];
}
