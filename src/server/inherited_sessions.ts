// Does: copies the sessions of a dead node out of its state folder, and adds them to those of this server.
// Used by: server.ts, for clusters with `--shared-sessions`. The cluster decides when and which.
// Invariant: a copy is on this server's disk before the session is claimed. Then its record leaves the other folder.
import { errorMessage } from "../base/error_message.ts";
import type { Log } from "../base/log.ts";
import type { Limits } from "../governor/limits.ts";
import type { SessionRecord } from "../ipc/session_record.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Estate, Heir } from "./cluster/shared/heir.ts";
import type { CommandJournal } from "./journal/command_journal.ts";
import { JournalFile } from "./journal/journal_file.ts";
import type { SessionManager } from "./manager/session_manager.ts";
import type { FileLeases } from "./state/file_leases.ts";
import { SessionStore } from "./state/session_store.ts";
import { StateFolder } from "./state/state_folder.ts";

export interface InheritedSessionsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly limits: Pick<Limits, "idempotencyKeys" | "idempotencyBytes">;
  readonly store: SessionStore;
  readonly journal: CommandJournal;
  readonly leases: FileLeases;
  readonly sessions: () => SessionManager;
  /** The name of this node. */
  readonly node: () => string | undefined;
  /** Tells the clients that the session has lost its worker. */
  readonly announce: (sessionId: string, epoch: string) => void;
}

/** The way to the sessions of dead nodes. */
export function inheritedSessions(parts: InheritedSessionsParts): Heir {
  const { runtime, log, limits } = parts;
  const { files, sha256 } = runtime;
  return {
    async open(folder, state) {
      if (await StateFolder.idOf(folder, runtime) !== state) {
        return `${folder} is not its state folder on this machine; mount that folder under the same path`;
      }
      const theirs = new SessionStore({
        files,
        clock: runtime,
        log,
        folder: files.join(folder, "sessions"),
        sha256,
      });
      const { folded, damage } = await JournalFile.read({ files, folder }, {
        keys: limits.idempotencyKeys,
        bytes: limits.idempotencyBytes,
      });
      if (damage !== undefined) log.warn("the journal of a dead node is not whole", { folder, why: damage });
      return estate(parts, theirs, state, (ids) => parts.journal.adopt(folded, ids));
    },
  };
}

function estate(
  { runtime, log, store, journal, leases, sessions, node, announce }: InheritedSessionsParts,
  theirs: SessionStore,
  state: string,
  adopt: (sessionIds: ReadonlySet<string>) => Promise<string | undefined>,
): Estate {
  const ready = new Map<string, SessionRecord>();
  /** The record as this server's own. Undefined when the session cannot go on here. */
  const inherited = async (sessionId: string): Promise<SessionRecord | undefined> => {
    const record = await theirs.find(sessionId);
    if (record === undefined || record.inMemory) return undefined;
    const { info, kept } = record;
    const file = record.file ?? info.sessionFile;
    if (file === undefined || kept.written && await runtime.files.stat(file) === undefined) return undefined;
    const { node: _node, ...rest } = info;
    const name = node();
    // A live session is one whose events may have gone further, so it gets another epoch.
    return { ...record, info: { ...rest, status: "live", ...(name === undefined ? {} : { node: name }) } };
  };
  return {
    async prepare(sessionIds) {
      const found = new Map<string, SessionRecord>();
      for (const sessionId of sessionIds) {
        const record = await inherited(sessionId);
        if (record === undefined) log.warn("a session of a dead node has no file here", { sessionId });
        else found.set(sessionId, record);
      }
      const trouble = await adopt(new Set(found.keys()));
      if (trouble !== undefined) throw new Error(trouble);
      for (const [sessionId, record] of found) {
        const own = journal.applyVersion(record);
        await store.put({ ...own, copy: true });
        ready.set(sessionId, own);
      }
      return [...ready.keys()];
    },
    commit(sessionId) {
      const record = ready.get(sessionId);
      if (record === undefined) return;
      const file = record.file ?? record.info.sessionFile;
      // A command that follows waits for this.
      if (file !== undefined) void leases.inherit(file, state);
      sessions().restore(store, [record]);
      // A node that comes back would have to ask whose it is, and could not once the session is deleted.
      void theirs.drop(sessionId).catch((error) => {
        log.warn("the record of a session stays in the folder of a dead node", {
          ...{ sessionId, reason: errorMessage(error) },
        });
      });
      announce(sessionId, sessions().epochOf(sessionId) ?? "");
    },
    async undo(sessionId) {
      ready.delete(sessionId);
      journal.onSessionDeleted(sessionId);
      await store.remove(sessionId).catch((error) => {
        log.warn("a copy of another node's session was not removed", {
          sessionId,
          reason: errorMessage(error),
        });
      });
    },
  };
}
