// What the worker's tests stand on: a session around an agent that does what the test says, whose answers, events
// and log records are kept. Imports no pi.
import { defined } from "../../../src/base/json.ts";
import { common } from "../../../src/runtime/common.ts";
import { FileClaims } from "../../../src/worker/file_claims.ts";
import type { EncodedEvent, FromWorker, Reply, SubscriberDemand } from "../../../src/ipc/messages.ts";
import { FileChecker } from "../../../src/worker/session/file_check/file_checker.ts";
import { HANDLERS } from "../../../src/worker/session/handlers/mod.ts";
import { PathGuard } from "../../../src/worker/session/files/path_guard.ts";
import { Session, type SessionParts } from "../../../src/worker/session/session.ts";
import type { Command } from "../../../src/protocol/schema/commands.ts";
import type { Files } from "../../../src/runtime/runtime.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { PLAIN_FORMAT } from "./fake_format.ts";
import { FakeAgent } from "../session/fake_agent.ts";
import { EVERYWHERE } from "./fake_runtime.ts";
import type { SessionFiles } from "../../../src/worker/session/files/session_file_access.ts";

/** No subscriber; a delta reader; a reader of both forms. */
export const NOBODY: SubscriberDemand = { full: false, subscribers: 0 };
export const DELTA: SubscriberDemand = { full: false, subscribers: 1 };
export const BOTH: SubscriberDemand = { full: true, subscribers: 2 };

/** The element, or an error that says what is missing. */
export function at<T>(list: readonly T[], index: number): T {
  const found = list.at(index);
  if (found === undefined) throw new Error(`there is no element ${index} of ${list.length}`);
  return found;
}

/** A reply in short: the data, or the code. */
export function brief(reply: Reply | undefined): unknown {
  if (reply === undefined) return undefined;
  return reply.ok ? JSON.parse(reply.dataText) : reply.failure.code;
}

/** A place where everything is inside the roots, and whose files no other session drives. */
export function placeOf(files: Files = EVERYWHERE, over: Partial<SessionFiles> = {}): SessionFiles {
  return {
    guard: new PathGuard(files, ["/"]),
    files,
    checker: new FileChecker({ files, format: PLAIN_FORMAT, log: () => {} }),
    claim: () => Promise.resolve(undefined),
    giveBack: () => {},
    liveSession: () => undefined,
    ...over,
  };
}

/** A worker's claims, and a server thread that answers each `claim` with the owner that `owners` names. */
export function answeredClaims(owners: ReadonlyMap<string, string> = new Map()) {
  const sent: FromWorker[] = [];
  const claims: FileClaims = new FileClaims((message) => {
    sent.push(message);
    if (message.kind !== "claim_file") return;
    const owner = owners.get(message.file);
    claims.handlers.claim_result({ kind: "claim_result", ref: message.ref, ...defined({ owner }) });
  });
  return { claims, sent };
}

/** A session and all that came out of it. */
export class SessionBench {
  readonly clock = new FakeClock();
  readonly agent = new FakeAgent();
  readonly replies: { ref: number; reply: Reply }[] = [];
  readonly accepted: number[] = [];
  readonly records: EncodedEvent[] = [];
  readonly logs: string[] = [];
  /** Steps of messages: `1 began`, … */
  readonly messages: string[] = [];
  /** What left the session, in order: `reply 1`, `event agent_start`, `flush`, … */
  readonly order: string[] = [];
  readonly session: Session;
  changes = 0;
  removed = 0;
  #ref = 0;
  #uuids = 0;

  constructor(demand: SubscriberDemand = DELTA, over: Partial<SessionParts> = {}) {
    this.session = new Session({
      handlers: HANDLERS,
      sessionId: "a",
      epoch: "e1",
      clock: this.clock,
      content: common.content,
      uuid: () => `u${++this.#uuids}`,
      pendingUi: 3,
      place: placeOf(),
      demand,
      reply: (ref, reply) => {
        this.replies.push({ ref, reply: typeof reply === "function" ? reply() : reply });
        this.order.push(`reply ${ref}`);
      },
      message: (ref, state) => this.messages.push(`${ref} ${state}`),
      accepted: (ref) => {
        this.accepted.push(ref);
        this.order.push(`accepted ${ref}`);
      },
      flush: () => this.order.push("flush"),
      event: (_id, record) => {
        this.records.push(record);
        this.order.push(`event ${record.type}`);
      },
      log: (level, message) => this.logs.push(`${level} ${message}`),
      keep: () => undefined,
      changed: () => this.changes++,
      removed: (session) => {
        this.removed++;
        session.close({ code: "cancelled", message: "The session was deleted" });
      },
      ...over,
    });
  }

  /** A live session whose session_start handlers are through. */
  static async live(
    demand: SubscriberDemand = DELTA,
    over: Partial<SessionParts> = {},
  ): Promise<SessionBench> {
    const bench = new SessionBench(demand, over);
    bench.session.built(bench.agent);
    bench.session.open();
    bench.agent.starting.resolve();
    await bench.clock.advance(0);
    return bench;
  }

  /** Sends a command about this session; returns its reference. */
  submit(command: Record<string, unknown> & { type: Command["type"] }, connection = 1): number {
    const ref = ++this.#ref;
    // The codec has checked commands by the time a session gets them.
    this.session.submit({ ref, connection, command: { sessionId: "a", ...command } as Command });
    return ref;
  }

  /** The one answer to that command; undefined when none has come, an error when there are two. */
  replyTo(ref: number): Reply | undefined {
    const found = this.replies.filter((one) => one.ref === ref);
    if (found.length > 1) throw new Error(`command ${ref} was answered ${found.length} times`);
    return found[0]?.reply;
  }

  /** The answer in short, once all that is ready has run. */
  async answer(ref: number): Promise<unknown> {
    await this.clock.advance(0);
    return brief(this.replyTo(ref));
  }
}
