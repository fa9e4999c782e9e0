// Carries out subscribe, unsubscribe and switch_session: asks the hosts for the state at a point of the
// order, and lets events flow from exactly there.
import type { Failure } from "../protocol/errors.ts";
import type { Attachment } from "../host/edge.ts";
import { noSession } from "../host/failures.ts";
import type { Asker, Manager } from "../manager/manager.ts";
import type { Connection } from "./connection.ts";
import type { Subscriptions, Wanted } from "./subscriptions.ts";

/** Ties subscriptions to the manager. */
export class Subscriber {
  readonly #manager: Manager;
  readonly #subscriptions: Subscriptions;

  constructor(manager: Manager, subscriptions: Subscriptions) {
    this.#manager = manager;
    this.#subscriptions = subscriptions;
  }

  /** Subscribes to one session; `dataText` makes the answer of what the host said. */
  one(
    connection: Connection,
    sessionId: string,
    wanted: Wanted,
    asker: Asker,
    dataText: (attachment: Attachment) => string,
  ): void {
    const asked = this.#subscriptions.ask(connection, sessionId, wanted);
    this.#tell(sessionId);
    this.#manager.attach(sessionId, (sessions) => {
      const wants = asked.settle();
      const [attachment] = Array.isArray(sessions) ? sessions : [];
      if (attachment === undefined) {
        this.#tell(sessionId);
        return asker.answer({ ok: false, failure: isFailure(sessions) ? sessions : noSession(sessionId) });
      }
      asker.answer({ ok: true, dataText: dataText(attachment) });
      if (wants) this.#subscriptions.add(connection, sessionId, wanted);
      this.#tell(sessionId);
    });
  }

  /** Subscribes to all sessions, now and later. */
  all(connection: Connection, wanted: Wanted, asker: Asker): void {
    const asked = this.#subscriptions.ask(connection, "*", wanted);
    const gathering = this.#subscriptions.gather(connection, wanted);
    this.demandChanged();
    const parts: string[] = [];
    let failed: Failure | undefined;
    this.#manager.attachAll((sessions, host) => {
      if (isFailure(sessions)) failed = sessions;
      else parts.push(...sessions.map(({ sessionId, text }) => `${JSON.stringify(sessionId)}:${text}`));
      gathering.answered.add(host);
      if (gathering.answered.size < this.#manager.hosts) return;
      const wants = asked.settle();
      if (failed !== undefined) asker.answer({ ok: false, failure: failed });
      else asker.answer({ ok: true, dataText: `{"sessions":{${parts.join(",")}}}` });
      if (failed === undefined && wants) this.#subscriptions.gathered(connection, gathering);
      else this.#subscriptions.ungather(connection, gathering);
      this.demandChanged();
    });
  }

  /** Ends a subscription; false when there was none. */
  end(connection: Connection, target: string): boolean {
    const ended = this.#subscriptions.remove(connection, target);
    if (ended) this.demandChanged();
    return ended;
  }

  /** Tells the hosts how many want what, of every session. */
  demandChanged(): void {
    for (const sessionId of this.#manager.sessionIds) this.#tell(sessionId);
  }

  #tell(sessionId: string): void {
    this.#manager.setDemand(sessionId, this.#subscriptions.demand(sessionId));
  }
}

function isFailure(value: readonly Attachment[] | Failure): value is Failure {
  return !Array.isArray(value);
}
