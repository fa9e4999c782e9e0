// Does: reports to the server what the user's models lack, and when nothing is missing any more.
// Used by: the session worker, once pi is loaded and for each session that is created.
// Invariant: the first report always comes, since health_check waits for it. Nothing is read again while nothing is missing.
import { errorMessage } from "../base/error_message.ts";
import type { ModelReport } from "../ipc/messages.ts";
import type { AgentFactory } from "./session/agent_port.ts";

const SLOW_LOGIN = "A provider has not answered the refresh of its login for 5 s or longer; " +
  "requests that need a login wait, and those to that provider fail after 60 s";

/** The reports of one worker. */
export class ModelReports {
  readonly #send: (report: ModelReport) => void;
  /** Undefined before the first report. */
  #issues: readonly string[] | undefined;
  #loginIsSlow = false;
  /** How many issues the last report had. */
  #sent: number | undefined;

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

  /** Reports from now on when a provider is slow with the refresh of a login. */
  watch({ logins }: AgentFactory): void {
    if (logins === undefined) return;
    logins.onSlow = (isSlow) => {
      this.#loginIsSlow = isSlow;
      // Before the first report the models are not read, so health_check must not hear that nothing is missing.
      if (isSlow || this.#issues !== undefined) this.#tell();
    };
  }

  /** pi could not be loaded. */
  failed(reason: string): void {
    this.#report([reason]);
  }

  /** A session is created: what was missing may be there by now. */
  again(factory: AgentFactory | undefined): void {
    if (factory !== undefined && (this.#issues?.length ?? 0) > 0) this.report(factory);
  }

  #report(issues: readonly string[]): void {
    this.#issues = issues;
    this.#tell();
  }

  #tell(): void {
    const missing = this.#issues ?? [];
    const issues = this.#loginIsSlow ? [...missing, SLOW_LOGIN] : missing;
    if (this.#sent === 0 && issues.length === 0) return;
    this.#sent = issues.length;
    this.#send({ kind: "model_report", issues });
  }
}
