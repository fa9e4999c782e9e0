// The state of a session at this point of the order, as `attach` answers it: encoded here, so that the router
// thread need not.
import { toJson } from "../protocol/text.ts";
import type { Attachment } from "./edge.ts";
import { Encoded } from "./encoded.ts";
import type { Session } from "./session.ts";

const ENCODED = new WeakMap<Session, Encoded>();

/** A session's SessionInfo as JSON; clients poll it, and mostly nothing has changed. */
export function infoText(session: Session): string {
  const encoded = ENCODED.get(session) ?? new Encoded();
  ENCODED.set(session, encoded);
  return encoded.of(session.info());
}

/** @param snapshot whether the whole state is wanted too */
export function attachment(session: Session, snapshot: boolean): Attachment {
  const sessionInfo = session.info();
  const { epoch, seq, sessionId, sessionVersion } = sessionInfo;
  const pendingUi = session.dialogs.pending;
  return {
    sessionId,
    epoch,
    seq,
    sessionVersion,
    ...(snapshot ? { snapshot: session.snapshotText() } : {}),
    infoText: infoText(session),
    pendingUi: pendingUi.map((request) => toJson(request)),
  };
}
