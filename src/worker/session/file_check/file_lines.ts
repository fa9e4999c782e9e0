// Does: reads the lines of a file as bytes and as text, of any length and with any bytes.
// Used by: file_inspector.ts and file_repair.ts. It accepts invalid UTF-8, as pi does.
import type { Files } from "../../../runtime/runtime.ts";

/** One line, without its end. */
export interface FileLine {
  /** The number, from 1. */
  readonly line: number;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** Whether a line end follows. */
  readonly ended: boolean;
}

const LF = 10;

/** The parts in one piece. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads line by line. Other work runs between two pieces of the file. */
export async function* fileLines(files: Files, path: string): AsyncGenerator<FileLine> {
  // A byte order mark stays, and makes the first line unreadable: one pi accepts it, another overwrites the
  // file.
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  let parts: Uint8Array[] = [];
  let line = 0;
  const finish = (ended: boolean): FileLine => {
    const bytes = joined(parts);
    parts = [];
    return { line: ++line, bytes, text: utf8.decode(bytes), ended };
  };
  for await (const chunk of files.chunks(path)) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      parts.push(chunk.subarray(start, end));
      yield finish(true);
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.slice(start));
  }
  if (parts.length > 0) yield finish(false);
}
