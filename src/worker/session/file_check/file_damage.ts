// Lines of a session file that don't parse: what of them is whole, and what the rest says of the entry that stood
// there. A line that was cut by a crash is joined with the next one; a disk that lost power leaves NUL bytes. Pure.
import type { Hole } from "./entry_chain.ts";

/** Bytes of a broken line that are searched; pi writes the ids of an entry at its beginning. */
const SEARCHED = 1_000;

/** Places in a broken line at which an entry may begin, that are tried. */
const TRIES = 8;

/** A value that was found whole in a broken line. */
export interface Found {
  readonly text: string;
  readonly value: unknown;
}

/** The value of a line; nothing when it does not parse. */
export function parseLine(text: string): Found | undefined {
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** The entry that ends a broken line whole, if one does. */
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

/** What the remains of a line say of its entry. */
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

/** The type of the entry that a broken line began with, where that can be read. */
export function typeOf(broken: string): string | undefined {
  return /^\s*\{\s*"type"\s*:\s*"([^"\\]{1,64})"/.exec(broken)?.[1];
}
