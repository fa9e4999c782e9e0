// Does: handles subscribe, unsubscribe and switch_session (docs/PROTOCOL.md#subscribing).
// Used by: the router. It asks workers for the state at one point, chooses live, replay or snapshot, and starts delivery.
// Invariant: events flow from exactly that point.
import type { Failure } from "../../protocol/errors.ts";
import { sees } from "../auth/access.ts";
import { ANSWER_HEAD_BYTES, SNAPSHOT_BYTES, SNAPSHOTS_BYTES } from "../../governor/limits.ts";
import type { EncodedEvent, SessionState, SnapshotForm } from "../../ipc/messages.ts";
import { conflictOf, noSession } from "../../protocol/failures.ts";
import type { SessionManager } from "../manager/session_manager.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { Connection, Wanted } from "./connection.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** The point up to which a client has read. */
export interface Cursor {
  readonly epoch: string;
  readonly seq: number;
}

/** A request to subscribe. */
export interface Request {
  readonly connection: Connection;
  readonly wanted: Wanted;
  /** Whether a snapshot is wanted in any case. */
  readonly snapshot: boolean;
  /** Bytes of the whole answer, at most. */
  readonly maxBytes?: number;
  /** The version that the session must have. */
  readonly ifSessionVersion?: number;
  readonly replyTo: ReplyTo;
}

type Mode = "live" | "replay" | "snapshot";

/** The start of a subscription: the mode, and the events between the cursor and the state. */
interface Start {
  readonly mode: Mode;
  readonly missed: readonly EncodedEvent[];
}

const LIVE: Start = { mode: "live", missed: [] };
const SNAPSHOT: Start = { mode: "snapshot", missed: [] };

function answerText(state: SessionState, mode: Mode): string {
  const { epoch, seq, infoText, pendingUi, snapshot } = state;
  const head = JSON.stringify({ mode, epoch, seq }).slice(0, -1);
  const snapshotText = snapshot === undefined ? "" : `,"snapshot":${snapshot}`;
  return `${head},"sessionInfo":${infoText},"pendingUi":[${pendingUi.join(",")}]${snapshotText}}`;
}

/** The form of each of so many snapshots in one answer. */
function formOf({ maxBytes, wanted }: Request, count: number): SnapshotForm {
  const all = maxBytes === undefined
    ? SNAPSHOTS_BYTES
    : Math.min(SNAPSHOTS_BYTES, maxBytes - ANSWER_HEAD_BYTES);
  return {
    bytes: Math.min(SNAPSHOT_BYTES, Math.floor(all / Math.max(1, count))),
    ...(maxBytes === undefined ? {} : { whole: true }),
    ...(wanted.refs === true ? { refs: true } : {}),
  };
}

/** Connects subscriptions and the manager. */
export class SubscriptionService {
  readonly #manager: SessionManager;
  readonly #subscriptions: Subscriptions;

  constructor(manager: SessionManager, subscriptions: Subscriptions) {
    this.#manager = manager;
    this.#subscriptions = subscriptions;
  }

  /** Subscribes to one session, from a cursor if there is one. */
  subscribe(request: Request, sessionId: string, from: Cursor | undefined): void {
    this.#one(request, sessionId, from, ({ state, mode }) => answerText(state, mode));
  }

  /** Subscribes to one session with full updates. */
  switch(request: Request, sessionId: string): void {
    this.#one(request, sessionId, undefined, ({ state }) => `{"sessionInfo":${state.infoText}}`);
  }

  /** Subscribes to all sessions, now and later. Sessions with a cursor start there. */
  subscribeAll(request: Request, from: Readonly<Record<string, Cursor>>): void {
    const { connection, wanted, replyTo } = request;
    const asked = this.#subscriptions.ask(connection, "*", wanted);
    const workers = this.#manager.asked;
    const gathering = this.#subscriptions.beginWildcard(connection, wanted, workers);
    this.demandChanged();
    const found = new Map<string, { state: SessionState; start: Start }>();
    let failed: Failure | undefined;
    // One more than workers, because there may be none to ask.
    let open = workers.length + 1;
    const parked = this.#manager.parked.filter(({ sessionId }) => sees(connection.access, sessionId));
    const finish = (): void => {
      if (--open > 0) return;
      const wants = asked.settle();
      for (const state of parked) {
        const { sessionId } = state;
        if (!found.has(sessionId)) found.set(sessionId, { state, start: LIVE });
      }
      if (failed !== undefined) replyTo.answer({ ok: false, failure: failed });
      else replyTo.answer({ ok: true, dataText: allText(found) });
      if (failed === undefined && wants) this.#beginAll(request, gathering, found);
      else this.#subscriptions.abortWildcard(connection, gathering);
      this.demandChanged();
    };
    const stale = this.#stale(wanted, from);
    // A client that has seen the last event of a parked session needs nothing. Others need its whole state.
    const moved = new Set(parked.filter(({ sessionId, epoch, seq }) => {
      const cursor = cursorOf(from, sessionId);
      return cursor !== undefined && (cursor.epoch !== epoch || cursor.seq !== seq);
    }));
    // It brings back at most as many as may be live, because more would push these out again.
    const room = request.snapshot ? this.#manager.maxSessions : 0;
    const live = this.#manager.sessionIds.length - parked.length;
    const count = request.snapshot
      ? live + moved.size + Math.min(room, parked.length - moved.size)
      : stale.length + moved.size;
    const form = formOf(request, count);
    const whole = (sessionId: string, how: (state: SessionState) => Start = () => SNAPSHOT): void => {
      open++;
      this.#manager.stateOf(sessionId, true, (again) => {
        const [state] = isFailure(again) ? [] : again;
        const left = parked.find((one) => one.sessionId === sessionId);
        // A session that cannot be brought back is reported as missed.
        if (state === undefined && left !== undefined) {
          found.set(sessionId, { state: left, start: SNAPSHOT });
        } else if (state === undefined) found.delete(sessionId);
        else found.set(sessionId, { state, start: how(state) });
        finish();
      }, form);
    };
    this.#manager.statesOfAll(request.snapshot ? "all" : stale, (sessions, worker) => {
      gathering.unanswered.delete(worker);
      if (isFailure(sessions)) failed = sessions;
      else {
        for (const state of sessions) {
          if (!sees(connection.access, state.sessionId)) continue;
          const start = this.#start(state, wanted, cursorOf(from, state.sessionId));
          found.set(state.sessionId, { state, start });
          if (start.mode !== "snapshot" || state.snapshot !== undefined) continue;
          // The replay buffer has advanced since the check, so the state is needed after all.
          whole(state.sessionId);
        }
      }
      finish();
    }, form);
    let left = room;
    for (const one of parked) {
      const { sessionId } = one;
      if (moved.has(one)) whole(sessionId);
      else if (left-- > 0) {
        whole(sessionId, (state) => this.#start(state, wanted, cursorOf(from, sessionId)));
      }
    }
    finish();
  }

  /** Ends a subscription. False when there was none. */
  unsubscribe(connection: Connection, target: string): boolean {
    const ended = this.#subscriptions.remove(connection, target);
    if (ended) this.demandChanged();
    return ended;
  }

  /** Reports the demand for every session to the workers. */
  demandChanged(): void {
    for (const sessionId of this.#manager.sessionIds) this.#tell(sessionId);
  }

  #one(
    request: Request,
    sessionId: string,
    from: Cursor | undefined,
    dataText: (found: { state: SessionState; mode: Mode }) => string,
  ): void {
    const { connection, wanted, replyTo } = request;
    const asked = this.#subscriptions.ask(connection, sessionId, wanted);
    this.#tell(sessionId);
    const attach = (snapshot: boolean): void =>
      this.#manager.stateOf(sessionId, snapshot, (sessions) => {
        const [state] = isFailure(sessions) ? [] : sessions;
        const start = state === undefined ? LIVE : this.#start(state, wanted, from);
        if (start.mode === "snapshot" && state?.snapshot === undefined) return attach(true);
        const wants = asked.settle();
        const { sessionVersion = 0 } = state ?? {};
        const stale = conflictOf(request.ifSessionVersion, sessionVersion);
        if (state === undefined) {
          replyTo.answer({ ok: false, failure: isFailure(sessions) ? sessions : noSession(sessionId) });
        } else if (stale !== undefined) {
          replyTo.answer({ ok: false, failure: stale, sessionVersion });
        } else {
          replyTo.answer({ ok: true, dataText: dataText({ state, mode: start.mode }), sessionVersion });
          if (wants) this.#begin(request, sessionId, state, start);
        }
        this.#tell(sessionId);
      }, formOf(request, 1));
    attach(
      request.snapshot || this.#stale(wanted, from === undefined ? {} : { [sessionId]: from }).length > 0,
    );
  }

  #begin(
    { connection, wanted }: Request,
    sessionId: string,
    { epoch }: SessionState,
    { missed }: Start,
  ): void {
    connection.caughtUp(sessionId);
    for (const record of missed) connection.sendEvent(sessionId, epoch, record, wanted);
    this.#subscriptions.add(connection, sessionId, wanted);
  }

  #beginAll(
    { connection, wanted }: Request,
    gathering: ReturnType<Subscriptions["beginWildcard"]>,
    found: ReadonlyMap<string, { state: SessionState; start: Start }>,
  ): void {
    connection.caughtUp("*");
    const reached = new Map<string, number>();
    for (const [sessionId, { state, start }] of found) {
      // A session that has crashed since then counts from 1 again.
      const { epoch } = this.#manager.replayOf(sessionId) ?? state;
      if (epoch === state.epoch) reached.set(sessionId, state.seq);
      // A subscription by id goes on unchanged.
      if (this.#subscriptions.has(connection, sessionId)) continue;
      for (const record of start.missed) connection.sendEvent(sessionId, state.epoch, record, wanted);
    }
    this.#subscriptions.commitWildcard(connection, gathering, reached);
  }

  /** Decides when the reply arrives. The replay buffer then ends exactly at the reply. */
  #start(state: SessionState, wanted: Wanted, from: Cursor | undefined): Start {
    if (from === undefined) return LIVE;
    const { sessionId, epoch, seq } = state;
    const kept = this.#manager.replayOf(sessionId);
    if (kept === undefined || wanted.updates === "full" || from.epoch !== epoch) return SNAPSHOT;
    if (!kept.log.covers(from.seq, seq)) return SNAPSHOT;
    return { mode: "replay", missed: kept.log.since(from.seq) };
  }

  /** Sessions whose cursors are probably older than the replay buffer. */
  #stale(wanted: Wanted, from: Readonly<Record<string, Cursor>>): string[] {
    return Object.entries(from).filter(([sessionId, { epoch, seq }]) => {
      const kept = this.#manager.replayOf(sessionId);
      if (kept === undefined || wanted.updates === "full" || kept.epoch !== epoch) return true;
      return !kept.log.covers(seq, kept.log.lastSeq);
    }).map(([sessionId]) => sessionId);
  }

  #tell(sessionId: string): void {
    this.#manager.setDemand(sessionId, this.#subscriptions.demand(sessionId));
  }
}

function allText(found: ReadonlyMap<string, { state: SessionState; start: Start }>): string {
  const parts = [...found].map(([sessionId, { state, start }]) =>
    `${JSON.stringify(sessionId)}:${answerText(state, start.mode)}`
  );
  return `{"sessions":{${parts.join(",")}}}`;
}

function cursorOf(from: Readonly<Record<string, Cursor>>, sessionId: string): Cursor | undefined {
  return Object.hasOwn(from, sessionId) ? from[sessionId] : undefined;
}

function isFailure(value: readonly SessionState[] | Failure): value is Failure {
  return !Array.isArray(value);
}
