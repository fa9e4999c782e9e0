// Does: logs errors of extensions and of their loading, each error once for each worker.
// Used by: session_worker.ts, for every event of a session.
// Invariant: an extension that fails with every event cannot fill the log, and the memory for this is bounded.
import type { SessionEvent } from "../protocol/events.ts";
import { cut } from "../base/text.ts";

/** Errors that are remembered; at this number the memory starts again. */
const REMEMBERED = 1_000;
/** Characters of an error that the log holds. */
const ERROR_CHARS = 1_000;

/** Logs the errors of one worker's extensions. */
export class ExtensionErrorLog {
  readonly #warn: (message: string, fields: Record<string, unknown>) => void;
  readonly #logged = new Set<string>();

  constructor(warn: (message: string, fields: Record<string, unknown>) => void) {
    this.#warn = warn;
  }

  /** Logs the event if it is an `extension_error` that this worker has not logged yet. */
  follow(sessionId: string, emitted: SessionEvent): void {
    if (emitted.type !== "extension_error") return;
    const { extensionPath, event, error } = emitted;
    const key = JSON.stringify([extensionPath, event, error]);
    if (this.#logged.has(key)) return;
    if (this.#logged.size >= REMEMBERED) this.#logged.clear();
    this.#logged.add(key);
    const message = event === "load"
      ? "something was not loaded"
      : event === "model"
      ? "a session's model is gone"
      : `an extension failed (${cut(String(event), 64)})`;
    this.#warn(message, { error: cut(String(error), ERROR_CHARS), file: extensionPath, sessionId });
  }
}
