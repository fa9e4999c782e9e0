// Workers that do what the test says, a log that keeps its records, and a manager on top of them; for the tests of
// the manager and of the router.
import { createHash } from "node:crypto";
import type {
  FromWorker,
  FromWorkerHandlers,
  Reply,
  ToWorker,
  WorkerConfig,
} from "../../../src/ipc/messages.ts";
import type { SessionRecord } from "../../../src/ipc/session_record.ts";
import type { Log } from "../../../src/base/log.ts";
import { CommandJournal } from "../../../src/server/journal/command_journal.ts";
import type { LinkEvents, StartWorker } from "../../../src/server/workers/worker_link.ts";
import type { Isolation } from "../../../src/server/workers/worker_pool.ts";
import { SessionManager } from "../../../src/server/manager/session_manager.ts";
import type { ReplyTo } from "../../../src/server/journal/reply_to.ts";
import { Governor } from "../../../src/governor/governor.ts";
import { type Limits, withDefaults } from "../../../src/governor/limits.ts";
import type { Clock } from "../../../src/runtime/runtime.ts";
import { FakeClock } from "../../support/base/fake_clock.ts";
import { AS_FOUND } from "../../../src/protocol/pi_package.ts";

export const CONFIG: WorkerConfig = {
  cwd: "/",
  trustProjects: false,
  resources: AS_FOUND,
  demo: false,
  engine: "0.73",
  pendingUi: 3,
  outputDir: "/nowhere",
};
type Sent<K extends ToWorker["kind"]> = Extract<ToWorker, { kind: K }>;

/** What a worker tells of a session with a file. */
export function recordOf(sessionId: string, over: Partial<SessionRecord["info"]> = {}): SessionRecord {
  const modes = { steeringMode: "all", followUpMode: "all" } as const;
  return {
    inMemory: false,
    info: {
      sessionId,
      sessionFile: `/sessions/${sessionId}.jsonl`,
      cwd: "/",
      thinkingLevel: "off",
      isStreaming: false,
      isCompacting: false,
      ...modes,
      autoCompactionEnabled: true,
      messageCount: 0,
      pendingMessageCount: 0,
      createdAt: "2026-01-01T00:00:00.000Z",
      lastActivityAt: "2026-01-01T00:00:00.000Z",
      status: "live",
      subscribers: 0,
      sessionVersion: 3,
      epoch: "e",
      seq: 5,
      ...over,
    },
    kept: {
      thinkingLevel: "off",
      ...modes,
      autoCompaction: true,
      autoRetry: true,
      tools: [],
      trusted: false,
      written: true,
    },
  };
}

/** One started worker: what it was sent, and its mouth. */
export class ScriptedWorker {
  readonly sent: ToWorker[] = [];
  terminated = 0;
  dismissed = 0;
  /** Whether it owes a reply to a ping. */
  silent = false;
  readonly #events: LinkEvents;

  constructor(events: LinkEvents) {
    this.#events = events;
  }

  says(message: FromWorker): void {
    this.#events.onMessage(message);
  }

  dies(reason = "killed"): void {
    this.#events.onExit(reason);
  }

  of<K extends ToWorker["kind"]>(kind: K): Sent<K>[] {
    return this.sent.filter((one): one is Sent<K> => one.kind === kind);
  }

  /** The last message of that kind. */
  last<K extends ToWorker["kind"]>(kind: K): Sent<K> {
    const found = this.of(kind).at(-1);
    if (found === undefined) throw new Error(`no ${kind} was sent: ${JSON.stringify(this.sent)}`);
    return found;
  }

  reply(ref: number, reply: Reply = { ok: true, dataText: "{}" }): void {
    this.says({ kind: "reply", ref, reply });
  }

  /** Answers the last create or command. */
  refuses(kind: "create_session" | "command", code: "internal" | "version_conflict" = "internal"): void {
    this.reply(this.last(kind).ref, { ok: false, failure: { code, message: "m" } });
  }
}

/** Starts scripted workers and keeps them, the replaced ones too. */
export class ScriptedWorkers {
  readonly all: ScriptedWorker[] = [];

  readonly start: StartWorker = (_config, events) => {
    const worker = new ScriptedWorker(events);
    this.all.push(worker);
    const send = (message: ToWorker): void => {
      worker.sent.push(message);
      if (message.kind === "ping" && !worker.silent) {
        worker.says({ kind: "pong", ref: message.ref, at: 0, bytes: 0 });
      }
    };
    return { send, terminate: () => worker.terminated++, dismiss: () => worker.dismissed++ };
  };

  /** The worker that was started last, or the one of that number. */
  worker(index = -1): ScriptedWorker {
    const worker = this.all.at(index);
    if (worker === undefined) throw new Error("no worker was started");
    return worker;
  }
}

/** One handler for every kind of message. */
export function anyKind(handle: (message: FromWorker, worker: number) => void): FromWorkerHandlers {
  return new Proxy({} as FromWorkerHandlers, { get: () => handle });
}

/** A log and its records as text. */
export function keptLog(): { log: Log; records: string[] } {
  const records: string[] = [];
  const at = (level: string) => (message: string): void => void records.push(`${level} ${message}`);
  return { records, log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } };
}

/** A receiver and its replies. */
export class FakeAsker implements ReplyTo {
  readonly connection: number;
  readonly replies: Reply[] = [];
  accepts = 0;
  then: (reply: Reply) => void = () => {};

  constructor(connection = 1) {
    this.connection = connection;
  }

  onReleased(): void {
    this.accepts++;
  }

  answer(reply: Reply): void {
    this.replies.push(reply);
    this.then(reply);
  }

  /** `ok`, or the code, of each answer. */
  get told(): string[] {
    return this.replies.map((reply) => reply.ok ? "ok" : reply.failure.code);
  }
}

/** A ledger without a journal. */
export function memoryLedger(clock: Clock, log: Log, over: Partial<Limits> = {}): CommandJournal {
  const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64");
  return new CommandJournal({ clock, log, limits: withDefaults(over), sha256 });
}

/** A manager over scripted workers. */
export function makeManager(
  over: Partial<Limits> = {},
  workers = 1,
  isolation: Isolation = "shared",
  starts = 100,
) {
  const clock = new FakeClock();
  const started = new ScriptedWorkers();
  const governor = new Governor(withDefaults(over));
  const { log, records } = keptLog();
  let uuids = 0;
  const uuid = (): string => `uuid-${++uuids}`;
  const manager = new SessionManager({
    clock,
    uuid,
    governor,
    log,
    config: CONFIG,
    workers,
    isolation,
    starts,
    start: started.start,
    journal: memoryLedger(clock, log, over),
  });
  return { manager, clock, workers: started, governor, log, records };
}
