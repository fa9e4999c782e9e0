// Does: opens a session file with one read of it. pi 0.73 reads and parses the whole file twice, and stalls its thread.
// Used by: factory.ts.
// Invariant: the opened history is the one that pi's own `open` would return.
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type * as pi from "@mariozechner/pi-coding-agent";
import { isRecord } from "../../../base/json.ts";

/** Bytes in which the header's line must end. Otherwise pi's own `open` reads the file. */
const HEADER_BYTES = 64 * 1024;

/** The session's folder that the header names, or undefined. */
function folderOf(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const bytes = new Uint8Array(HEADER_BYTES);
  const handle = openSync(file, "r");
  try {
    const [line, rest] = new TextDecoder().decode(bytes.subarray(0, readSync(handle, bytes))).split("\n", 2);
    const header: unknown = rest === undefined ? undefined : JSON.parse(line ?? "");
    if (!isRecord(header) || header["type"] !== "session") return undefined;
    return typeof header["cwd"] === "string" ? header["cwd"] : undefined;
  } catch {
    // A damaged header is pi's to judge.
    return undefined;
  } finally {
    closeSync(handle);
  }
}

/** Replaces `SessionManager.open`. */
export function readOnce(manager: typeof pi.SessionManager): void {
  const open = manager.open.bind(manager);
  manager.open = (file, folder, cwd) => {
    const place = cwd ?? folderOf(file);
    if (place === undefined) return open(file, folder, cwd);
    const opened = manager.create(place, folder ?? dirname(resolve(file)));
    opened.setSessionFile(file);
    return opened;
  };
}
