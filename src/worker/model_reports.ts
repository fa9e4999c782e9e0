// Does: reports to the server what the user's models lack, and that it is there now.
// Used by: the session worker, once pi is loaded and for each session that is created.
// Invariant: nothing is read again while nothing is missing.
import { errorMessage } from "../base/error_message.ts";
import type { ModelReport } from "../ipc/messages.ts";
import type { AgentFactory } from "./session/agent_port.ts";

/** The reports of one worker. */
export class ModelReports {
  readonly #send: (report: ModelReport) => void;
  #issues = 0;

  constructor(send: (report: ModelReport) => void) {
    this.#send = send;
  }

  /** pi is loaded: reports what is missing. */
  report(factory: AgentFactory | undefined): void {
    const asked = factory?.modelIssues?.() ?? Promise.resolve([]);
    const told = (issues: readonly string[]): void => {
      if (issues.length > 0 || this.#issues > 0) this.#send({ kind: "model_report", issues });
      this.#issues = issues.length;
    };
    void asked.then(told, (error) => told([`The models of pi cannot be read: ${errorMessage(error)}`]));
  }

  /** A session is created: what was missing may be there by now. */
  again(factory: AgentFactory | undefined): void {
    if (this.#issues > 0) this.report(factory);
  }
}
