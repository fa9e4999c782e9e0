// Does: sends a session's commands to its worker, in order, and not before the journal has recorded them.
// Used by: the session manager, which chooses the session. Uses: the queue, the journal and the worker pool.
// Invariant: commands of one session never overtake each other.
import type { Permit } from "../../governor/governor.ts";
import type { Reply, ToWorker } from "../../ipc/messages.ts";
import type { Command } from "../../protocol/schema/commands.ts";
import type { ForwardedCommand } from "../journal/command_journal.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { ParkedSessions } from "./parking/parked_sessions.ts";
import type { SessionContext } from "./session_context.ts";
import type { SessionEntry } from "./session_entry.ts";
import { deletionOf } from "./session_persistence.ts";

/** The way of commands to workers. */
export class CommandDispatcher {
  readonly #context: SessionContext;
  readonly #parked: ParkedSessions;

  constructor(context: SessionContext, parked: ParkedSessions) {
    this.#context = context;
    this.#parked = parked;
  }

  /** Has a new session built, which has a live slot. */
  buildSession(entry: SessionEntry, command: Command, replyTo: ReplyTo): void {
    const { registry, lifecycle, commands, journal } = this.#context;
    const { sessionId } = entry;
    const worker = registry.assignWorker(entry);
    lifecycle.to(entry, "building");
    const afterReply = (reply: Reply): void => {
      entry.inFlight--;
      if (!registry.isCurrent(entry)) return;
      if (!reply.ok) return lifecycle.remove(entry);
      lifecycle.to(entry, "live");
      this.#context.sink.onServerEvent("session_created", { sessionId });
      if (entry.record?.info.unloaded !== undefined) return this.#parked.adopt(entry);
      this.#parked.reevaluate();
    };
    entry.inFlight++;
    const ref = commands.expect({ worker, replyTo, permit: undefined, afterReply });
    this.#enqueue(worker, { ref, sessionId, command, replyTo, durable: false }, () => {
      const demand = this.#context.sink.demandFor(sessionId);
      return { kind: "create_session", ref, demand, command, interrupted: journal.interrupted(sessionId) };
    });
    entry.releaseWaiters(undefined);
  }

  /** Sends a command to a session that runs or is being built. */
  forward(entry: SessionEntry, command: Command, replyTo: ReplyTo, permit: Permit | undefined): void {
    const { registry, lifecycle, commands, journal } = this.#context;
    const { sessionId, worker } = entry;
    const deletes = command.type === "delete_session";
    // A live session is gone for every client as soon as its deletion is forwarded, and its id is free again. With
    // `ifSessionVersion` the worker may still refuse.
    if (deletes && !("ifSessionVersion" in command) && entry.state === "live") lifecycle.delete(entry);
    const beforeReply = ({ sessionVersion }: Reply): void => {
      if (!entry.inMemory && registry.isCurrent(entry)) journal.recordVersion(sessionId, sessionVersion);
    };
    const afterReply = (reply: Reply): void => {
      entry.inFlight--;
      journal.onReply(ref, reply);
      if (deletes && reply.ok) this.#context.sink.onServerEvent("session_deleted", { sessionId });
      this.#parked.reevaluate();
    };
    entry.inFlight++;
    const written = journal.acknowledgeAfterWrite(command, replyTo);
    const answered = deletes ? this.#onceRemoved(entry, written) : written;
    const ref = commands.expect({ worker, replyTo: answered, permit, beforeReply, afterReply });
    const { connection } = replyTo;
    this.#enqueue(worker, { ref, sessionId, command, replyTo, durable: !entry.inMemory }, () => {
      return { kind: "command", ref, connection, command };
    });
  }

  /** Sends the message when the journal allows it; never, when the command has its answer by then. */
  #enqueue(worker: number, forwarded: ForwardedCommand, message: () => ToWorker): void {
    const { queue, commands, workers, journal } = this.#context;
    const { ref, sessionId } = forwarded;
    const send = (): void => {
      if (commands.has(ref)) workers.send(worker, message());
    };
    const recorded = journal.recordIntent(forwarded);
    if (recorded === undefined) return queue.run(sessionId, send);
    queue.runAfter(sessionId, recorded, (failed) => {
      if (failed === undefined) send();
      else commands.answer(ref, { ok: false, failure: failed, unstarted: true });
    });
  }

  /** Delays the answer to a deletion until a restart would not bring the session back. */
  #onceRemoved(entry: SessionEntry, replyTo: ReplyTo): ReplyTo {
    const { registry, lifecycle } = this.#context;
    const answer = (reply: Reply): void => {
      if (reply.ok && registry.isCurrent(entry)) lifecycle.delete(entry);
      if (!reply.ok || entry.removed === undefined) replyTo.answer(reply);
      else void entry.removed.then((trouble) => replyTo.answer(deletionOf(reply, trouble)));
    };
    return { ...replyTo, onReleased: () => replyTo.onReleased(), answer };
  }
}
