// Does: decides where export_html may write, and writes the page there.
// Used by: the history handlers. It knows a session file by its ending, by its owner, and by its first line.
// Invariant: it never overwrites a session file.
import { failure } from "../../../protocol/errors.ts";
import { isSystemError } from "../../../base/system_errors.ts";
import { isHeader, readHeader } from "./session_files.ts";
import type { Outcome } from "../../../protocol/failures.ts";
import type { SessionFiles } from "./session_file_access.ts";

/** Checks the path of the page. Returns the canonical path. */
export async function exportTarget(
  place: SessionFiles,
  cwd: string,
  outputPath: string,
): Promise<Outcome<string>> {
  const { guard, files, liveSession } = place;
  const path = await guard.output(cwd, outputPath);
  if (!path.ok) return path;
  // This includes a file that pi has not begun, and one whose first line is damaged.
  const named = /\.jsonl$/i.test(path.value) || liveSession(path.value) !== undefined;
  if (named) return sessionFile(path.value);
  try {
    const there = await files.stat(path.value) !== undefined;
    if (there && (await readHeader(files, path.value)).ok) return sessionFile(path.value);
    return path;
  } catch (error) {
    return refusedBySystem(path.value, error);
  }
}

/** Writes the page to a checked path. A failure leaves no new file. */
export async function writePage(
  place: SessionFiles,
  path: string,
  page: Uint8Array,
): Promise<Outcome<string>> {
  try {
    if (await place.files.writeAt(path, page, (head) => !isHeader(head))) return { ok: true, value: path };
  } catch (error) {
    return refusedBySystem(path, error);
  }
  const sentence = `${path} is a link, a second name of a file, or a session file, or leads elsewhere by now`;
  return { ok: false, failure: failure("path_forbidden", `${sentence}; choose another`) };
}

function sessionFile(path: string): Outcome<never> {
  const sentence = `${path} is a session file; choose a name that ends in .html`;
  return { ok: false, failure: failure("path_forbidden", sentence) };
}

function refusedBySystem(path: string, error: unknown): Outcome<never> {
  if (isSystemError(error, "name too long")) {
    const sentence = "The name of the page is too long for this system; send a shorter outputPath";
    return { ok: false, failure: failure("invalid_params", sentence) };
  }
  if (isSystemError(error, "missing")) {
    const sentence = `The folder of ${path} has gone away; send the command again`;
    return { ok: false, failure: failure("path_not_found", sentence) };
  }
  if (!isSystemError(error, "denied")) throw error;
  const sentence = `${path} cannot be written; check the permissions of its folder, or choose another`;
  return { ok: false, failure: failure("path_forbidden", sentence) };
}
