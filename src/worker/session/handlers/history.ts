// Does: handles new_session, switch_session_file, fork, clone, the tree and export_html.
// Used by: mod.ts. See docs/PROTOCOL.md#commands-on-history-and-discovery.
// Invariant: each refuses while the agent is busy, because pi would let the run go on without events.
import type { CommandOf } from "../../../protocol/schema/commands.ts";
import type { FileRepair } from "../../../protocol/schema/responses.ts";
import { toJson } from "../../../base/text.ts";
import { ANSWER_BYTES, COMMAND_GRACE_MS } from "../../../governor/limits.ts";
import { agentBusy, fileInUse, type Outcome } from "../../../protocol/failures.ts";
import { newestJson } from "../events/bounded_json.ts";
import { exportTarget, writePage } from "../files/export_target.ts";
import type { Inspected } from "../file_check/file_inspector.ts";
import type { Handled, Session } from "../session.ts";
import { done, type Entry, externalWrite, on, written } from "./handler.ts";

/** @param leaves the file stays as it is, or is read again: the way out after a write of another program */
async function unlessBusy<T>(
  session: Session,
  change: () => Promise<Outcome<T>>,
  leaves = false,
): Promise<Handled> {
  if (session.agent.busy()) return { ok: false, failure: agentBusy() };
  const foreign = leaves ? undefined : externalWrite(session);
  if (foreign !== undefined) return foreign;
  const outcome = await change();
  // navigate_tree moves to another branch without an event.
  session.rewritten();
  return outcome.ok ? done(outcome.value) : outcome;
}

/** The result of a switch. */
interface Switched {
  readonly cancelled: boolean;
  readonly fileRepair?: FileRepair;
}

/** Replaces the session by the one in a checked file. */
export interface SwitchTo {
  /** Called after the check of the file, before the last check of its path. */
  ready(): Promise<void>;
  /** @param repair the repair of the file */
  change(path: string, repair: FileRepair | undefined): Promise<Outcome<{ cancelled: boolean }>>;
}

/** Checks the file, its folder and its owner before pi opens it, for clients and for extensions. */
export async function switchFile(
  session: Session,
  sessionPath: string,
  to: SwitchTo,
): Promise<Outcome<Switched>> {
  const { guard, checker, claim, giveBack } = session.place;
  const { cwd } = session.agent.info();
  const path = await guard.file(cwd, sessionPath);
  if (!path.ok) return path;
  const inspected = await checker.inspect(path.value);
  if (!inspected.ok) return inspected;
  const { header } = inspected.value;
  const folder = await guard.folderOf(path.value, cwd, header.cwd === "" ? cwd : header.cwd);
  if (!folder.ok) return folder;
  const owner = await claim(session.sessionId, path.value);
  if (owner !== undefined && owner !== session.sessionId) {
    return { ok: false, failure: fileInUse(owner) };
  }
  const outcome = await switchChecked(session, inspected.value, to).catch((error) => {
    giveBack(session.sessionId);
    throw error;
  });
  if (!outcome.ok || outcome.value.cancelled) giveBack(session.sessionId);
  return outcome;
}

async function switchChecked(
  session: Session,
  inspected: Inspected,
  { ready, change }: SwitchTo,
): Promise<Outcome<Switched>> {
  await ready();
  const { guard, checker } = session.place;
  const still = await guard.still(inspected.path);
  if (!still.ok) return still;
  const readied = await checker.ready(inspected);
  if (!readied.ok) return readied;
  const fileRepair = readied.value;
  const outcome = await change(inspected.path, fileRepair);
  if (!outcome.ok || fileRepair === undefined) return outcome;
  return { ok: true, value: { ...outcome.value, fileRepair } };
}

async function exportHtml(session: Session, command: CommandOf<"export_html">): Promise<Handled> {
  const { cwd, sessionFile } = session.agent.info();
  const { files } = session.place;
  const file = sessionFile?.split(files.separator).at(-1) ?? "in-memory";
  const name = `pi-session-${file.replace(/\.jsonl$/, "")}.html`;
  const path = await exportTarget(session.place, cwd, command.outputPath ?? name);
  if (!path.ok) return path;
  const folder = await files.makeTemporaryFolder();
  try {
    // pi writes where the path leads at the time of the write. So pi writes elsewhere.
    const outcome = await session.agent.history.exportHtml(files.join(folder, "page.html"));
    if (!outcome.ok) return outcome;
    const { page, imagesLeftOut } = outcome.value;
    const written = await writePage(session.place, path.value, page);
    if (!written.ok) return written;
    return done({ path: written.value, ...(imagesLeftOut === undefined ? {} : { imagesLeftOut }) });
  } finally {
    await files.removeFolder(folder);
  }
}

async function newSession(session: Session, command: CommandOf<"new_session">): Promise<Handled> {
  const { parentSession } = command;
  if (parentSession !== undefined) {
    const { cwd } = session.agent.info();
    const parent = await session.place.guard.file(cwd, parentSession);
    if (!parent.ok) return parent;
  }
  return await unlessBusy(session, () => session.agent.history.newSession(parentSession), true);
}

/** Fields of an answer that is not complete. */
function leftOut(what: string): string {
  const message =
    `${what}, since an answer has at most ${ANSWER_BYTES} bytes; read the session's file for all`;
  return `,"truncated":true,"message":${JSON.stringify(message)}`;
}

/** The group's handlers. */
export const HISTORY: readonly Entry[] = [
  on("new_session", newSession),
  on("switch_session_file", (session, { sessionPath }) => {
    const to: SwitchTo = {
      ready: () => Promise.resolve(),
      change: (path, repair) => session.agent.history.switchFile(path, repair),
    };
    return unlessBusy(session, () => switchFile(session, sessionPath, to), true);
  }),
  on("fork", (session, { entryId }) => unlessBusy(session, () => session.agent.history.fork(entryId))),
  on("clone", (session) => unlessBusy(session, () => session.agent.history.clone())),
  on("get_fork_messages", (session) => {
    const messages = session.agent.history.forkMessages();
    return written(() => {
      const { text, start } = newestJson(messages);
      return `{"messages":${text}${start === 0 ? "" : leftOut(`${start} older messages are left out`)}}`;
    });
  }),
  on("get_tree", (session) => {
    const { currentLeafId, nodes } = session.agent.history.tree();
    return written(() => {
      let short = 0;
      const { text, start } = newestJson(nodes, ANSWER_BYTES, (node) => {
        short++;
        return { ...Object(node), text: undefined };
      });
      const missing = start > 0
        ? leftOut(`${start} older entries are left out, and the texts of the next`)
        : short > 0
        ? leftOut(`The texts of the ${short} oldest entries are left out`)
        : "";
      return `{"currentLeafId":${toJson(currentLeafId)},"nodes":${text}${missing}}`;
    });
  }),
  on("navigate_tree", (session, { targetId, options }) => {
    return unlessBusy(session, () => session.agent.history.navigate(targetId, options ?? {}));
  }, { holdMs: COMMAND_GRACE_MS, stop: (session) => session.agent.abortCompaction() }),
  on("export_html", exportHtml),
];
