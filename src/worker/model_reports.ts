// Does: reports to the server what the user's models lack, and when nothing is missing any more.
// Used by: the session worker, once pi is loaded and for each session that is created.
// Invariant: the first report always comes, since health_check waits for it. Nothing is read again while nothing is missing.
import { errorMessage } from "../base/error_message.ts";
import type { ModelReport } from "../ipc/messages.ts";
import type { AgentFactory } from "./session/agent_port.ts";

/** The reports of one worker. */
export class ModelReports {
  readonly #send: (report: ModelReport) => void;
  /** Undefined before the first report. */
  #issues: number | undefined;

  constructor(send: (report: ModelReport) => void) {
    this.#send = send;
  }

  /** pi is loaded: reports what is missing. */
  report(factory: AgentFactory): void {
    const asked = factory.modelIssues?.() ?? Promise.resolve([]);
    void asked.then(
      (issues) => this.#report(issues),
      (error) => this.#report([`The models of pi cannot be read: ${errorMessage(error)}`]),
    );
  }

  /** pi could not be loaded. */
  failed(reason: string): void {
    this.#report([reason]);
  }

  /** A session is created: what was missing may be there by now. */
  again(factory: AgentFactory | undefined): void {
    if (factory !== undefined && (this.#issues ?? 0) > 0) this.report(factory);
  }

  #report(issues: readonly string[]): void {
    if (issues.length > 0 || this.#issues !== 0) this.#send({ kind: "model_report", issues });
    this.#issues = issues.length;
  }
}
