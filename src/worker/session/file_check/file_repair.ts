// Does: writes the whole entries of a damaged session file into a new file, and joins them across the lost ones.
// Used by: file_checker.ts. pi and its terminal then read a complete file.
// Invariant: the damaged file keeps all of its bytes under another name.
import { errorMessage } from "../../../base/error_message.ts";
import { failure } from "../../../protocol/errors.ts";
import { defined, isRecord } from "../../../base/json.ts";
import { type FileRepair, REPAIR_LINES } from "../../../protocol/schema/responses.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { Damage, Inspected } from "./file_inspector.ts";
import { type FileLine, fileLines, joined } from "./file_lines.ts";
import type { Outcome } from "../../../protocol/failures.ts";

/** Bytes that are written at once. */
const PIECE = 256 * 1024;

const LINE_END = new Uint8Array([10]);

/** Lines that the sentence names with a reason. */
const NAMED = 5;

/** The most copies of one file. A repaired file is whole, so there are hardly more. */
const COPIES = 100;

/** The damage as a sentence for people. */
function sentenceOf({ lost, rest, parents, firstKept }: Damage): string {
  const parts = [...lost].slice(0, NAMED).map(([line, why]) => `line ${line} ${why}`);
  if (lost.size > NAMED) parts.push(`${lost.size - NAMED} more lines are lost`);
  for (const line of [...rest.keys()].slice(0, NAMED)) parts.push(`line ${line} is whole only at its end`);
  const joins = parents.size + firstKept.size;
  if (joins > 0) parts.push(`${joins} entries name one that is missing and were joined to the nearest`);
  return parts.join("; ");
}

/** The report of a repair. */
function repairOf(file: string, copy: string, damage: Damage): FileRepair {
  const lines = [...damage.lost.keys(), ...damage.rest.keys()].sort((a, b) => a - b);
  return {
    file,
    copy,
    lostLines: lines.length,
    lines: lines.slice(0, REPAIR_LINES),
    rejoined: damage.parents.size + damage.firstKept.size,
    message: sentenceOf(damage),
  };
}

/** The line to write. Undefined when it is left out. */
function mended({ line, bytes }: FileLine, damage: Damage): Uint8Array | undefined {
  const { lost, rest, parents, firstKept } = damage;
  if (lost.has(line)) return undefined;
  const parentId = parents.get(line);
  const kept = firstKept.get(line);
  const whole = rest.get(line);
  if (parentId === undefined && kept === undefined) {
    return whole === undefined ? bytes : new TextEncoder().encode(whole);
  }
  const entry: unknown = JSON.parse(whole ?? new TextDecoder().decode(bytes));
  const changed = {
    ...(isRecord(entry) ? entry : {}),
    ...defined({ parentId, firstKeptEntryId: kept }),
  };
  return new TextEncoder().encode(JSON.stringify(changed));
}

async function write(files: Files, from: string, to: string, damage: Damage): Promise<void> {
  const file = await files.newFile(to);
  try {
    let piece: Uint8Array[] = [];
    let size = 0;
    const put = async (): Promise<void> => {
      await file.append(joined(piece));
      piece = [];
      size = 0;
    };
    for await (const line of fileLines(files, from)) {
      const bytes = mended(line, damage);
      if (bytes === undefined) continue;
      piece.push(bytes, LINE_END);
      size += bytes.length + LINE_END.length;
      if (size >= PIECE) await put();
    }
    await put();
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives the damaged file a second name that no other file has. */
async function keep(files: Files, path: string): Promise<string> {
  for (let n = 1; n < COPIES; n++) {
    const copy = n === 1 ? `${path}.damaged` : `${path}.damaged-${n}`;
    if (await files.stat(copy) !== undefined || await files.isLink(copy)) continue;
    await files.link(path, copy);
    return copy;
  }
  throw new Error(`there are ${COPIES} damaged copies of it; remove them`);
}

/**
 * Repairs the file, unless it has changed since the inspection.
 *
 * @param tell gets the damage before anything is written
 */
export async function repairFile(
  files: Files,
  inspected: Inspected & { readonly damage: Damage },
  tell: (message: string) => void,
): Promise<Outcome<FileRepair>> {
  const { path, size, modifiedAt, damage } = inspected;
  tell(sentenceOf(damage));
  const beside = `${path}.repair`;
  try {
    await write(files, path, beside, damage);
    await files.copyMode(path, beside);
    const now = await files.stat(path);
    if (now?.size !== size || now.modifiedAt !== modifiedAt) {
      throw new Error("another program writes to it; end that one, and try again");
    }
    const copy = await keep(files, path);
    await files.rename(beside, path);
    await files.syncFolder(files.parent(path));
    return { ok: true, value: repairOf(path, copy, damage) };
  } catch (error) {
    await files.remove(beside).catch(() => {});
    const reason = errorMessage(error);
    const sentence = `${path} is damaged (${sentenceOf(damage)}), and cannot be repaired: ${reason}`;
    return { ok: false, failure: failure("session_file_damaged", sentence) };
  }
}
