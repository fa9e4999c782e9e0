// The state of a session at this point of the order, as `attach` answers it: encoded here, so that the router
// thread need not.
import type { Attachment } from "./edge.ts";
import type { Session } from "./session.ts";

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
    infoText: JSON.stringify(sessionInfo),
    pendingUi: pendingUi.map((request) => JSON.stringify(request)),
  };
}
