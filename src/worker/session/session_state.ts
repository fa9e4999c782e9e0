// Does: encodes the current state of sessions, as the reply to `get_states`.
// Used by: session_worker.ts. The encoding happens here, so the server thread does not have to.
import { SNAPSHOT_BYTES, SNAPSHOTS_BYTES } from "../../governor/limits.ts";
import { toJson } from "../../base/text.ts";
import type { FromWorker, SessionState, SnapshotForm } from "../../ipc/messages.ts";
import { EncodeCache } from "./events/encode_cache.ts";
import type { MakeMessage } from "../../ipc/send_queue.ts";
import type { Session } from "./session.ts";

const encoder = new TextEncoder();

const ENCODED = new WeakMap<Session, EncodeCache>();

/** A session's SessionInfo as JSON. Clients poll it, and it seldom changes. */
export function infoText(session: Session): string {
  const encoded = ENCODED.get(session) ?? new EncodeCache();
  ENCODED.set(session, encoded);
  return encoded.of(session.info());
}

/** The state of a session, and an encoder of its snapshot if the client asks for one. */
interface LiveState {
  readonly state: SessionState;
  readonly snapshot?: () => string;
}

/**
 * The state of the sessions that are live. A snapshot is of this moment, and is encoded when the message is posted.
 *
 * @param snapshots sessions whose snapshots are wanted; with many sessions each snapshot is smaller
 * @param form the size of each snapshot, and whether large texts go by reference
 */
export function statesReply(
  ref: number,
  wanted: readonly (Session | undefined)[],
  snapshots: "all" | readonly string[],
  form?: SnapshotForm,
): FromWorker | MakeMessage {
  const live = wanted.filter((session): session is Session => session?.live === true);
  const named = snapshots === "all" ? undefined : new Set(snapshots);
  const isWanted = ({ sessionId }: Session): boolean => named?.has(sessionId) ?? true;
  const count = live.filter(isWanted).length;
  const most = form?.bytes ?? Math.min(SNAPSHOT_BYTES, Math.floor(SNAPSHOTS_BYTES / Math.max(1, count)));
  const found = live.map((session): LiveState => {
    const state = stateOf(session);
    if (!isWanted(session)) return { state };
    const left = form?.whole === true ? most - bytesBeside(state) : most;
    return { state, snapshot: session.snapshot(left, form) };
  });
  const message = (): FromWorker => ({
    kind: "states",
    ref,
    sessions: found.map(({ state, snapshot }) =>
      snapshot === undefined ? state : { ...state, snapshot: snapshot() }
    ),
  });
  return count === 0 ? message() : message;
}

/** Bytes of the state that stand beside the snapshot. */
function bytesBeside({ infoText: info, pendingUi }: SessionState): number {
  return [info, ...pendingUi].reduce((sum, text) => sum + encoder.encode(text).length + 1, 0);
}

function stateOf(session: Session): SessionState {
  const sessionInfo = session.info();
  const { epoch, seq, sessionId, sessionVersion } = sessionInfo;
  return {
    sessionId,
    epoch,
    seq,
    sessionVersion,
    infoText: infoText(session),
    pendingUi: session.dialogs.pending.map((request) => toJson(request)),
  };
}
