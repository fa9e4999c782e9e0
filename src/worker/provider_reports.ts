// Does: reports to the server each answer of a model that failed, and the first one that succeeds after that.
// Used by: the session worker, with every event of a session.
// Invariant: an answer that succeeds costs one look-up; nothing is sent for it while its provider works.
import { isRecord } from "../base/json.ts";
import { cut } from "../base/text.ts";
import type { ProviderReport } from "../ipc/messages.ts";
import type { SessionEvent } from "../protocol/events.ts";

/** Characters of an error that a report holds. */
const ERROR_CHARS = 500;

/** The reports of one worker. */
export class ProviderReports {
  readonly #send: (report: ProviderReport) => void;
  readonly #failing = new Set<string>();

  constructor(send: (report: ProviderReport) => void) {
    this.#send = send;
  }

  /** An event of a session has been emitted. */
  follow(sessionId: string, event: SessionEvent): void {
    if (event.type !== "message_end") return;
    const message: unknown = event["message"];
    if (!isRecord(message) || message["role"] !== "assistant") return;
    const { provider, model: modelId, stopReason, errorMessage } = message;
    if (typeof provider !== "string" || typeof modelId !== "string") return;
    const about = { kind: "provider_report", sessionId, provider, modelId } as const;
    if (stopReason === "error") {
      this.#failing.add(provider);
      this.#send({ ...about, error: cut(String(errorMessage ?? "no reason given"), ERROR_CHARS) });
    } else if (stopReason !== "aborted" && this.#failing.delete(provider)) this.#send(about);
  }
}
