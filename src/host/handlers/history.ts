// A session's history (PROTOCOL §5): new_session, switch_session_file, fork, clone, tree, export. Each of them
// refuses while the agent is busy, since pi would leave the run going, unseen.
import type { CommandOf } from "../../protocol/commands.ts";
import { failure } from "../../protocol/errors.ts";
import type { FileRepair } from "../../protocol/responses.ts";
import { COMMAND_GRACE_MS } from "../../governor/limits.ts";
import type { Outcome } from "../agent_port.ts";
import { agentBusy, fileInUse } from "../failures.ts";
import type { Handled, Session } from "../session.ts";
import { done, type Entry, foreignWrite, on } from "./handler.ts";

/** @param leaves the file is left as it is, or read anew: the way out when another program has written to it */
async function unlessBusy<T>(
  session: Session,
  change: () => Promise<Outcome<T>>,
  leaves = false,
): Promise<Handled> {
  if (session.agent.busy()) return { ok: false, failure: agentBusy() };
  const foreign = leaves ? undefined : foreignWrite(session);
  if (foreign !== undefined) return foreign;
  const outcome = await change();
  // navigate_tree moves to another branch without a word.
  session.rewritten();
  return outcome.ok ? done(outcome.value) : outcome;
}

/** What a switch has come to. */
interface Switched {
  readonly cancelled: boolean;
  readonly fileRepair?: FileRepair;
}

/** Checks the file, its folder and its owner before pi touches it. */
async function switchFile(session: Session, sessionPath: string): Promise<Outcome<Switched>> {
  const { guard, checker, claim, giveBack } = session.place;
  const { cwd } = session.agent.info();
  const path = await guard.file(cwd, sessionPath);
  if (!path.ok) return path;
  const inspected = await checker.inspect(path.value);
  if (!inspected.ok) return inspected;
  const { header } = inspected.value;
  const folder = await guard.folder(cwd, header.cwd === "" ? cwd : header.cwd);
  if (!folder.ok) return folder;
  const owner = await claim(session.sessionId, path.value);
  if (owner !== undefined && owner !== session.sessionId) {
    return { ok: false, failure: fileInUse(owner) };
  }
  const still = await guard.still(path.value);
  if (!still.ok) return still;
  const ready = await checker.ready(inspected.value);
  if (!ready.ok) {
    giveBack(session.sessionId);
    return ready;
  }
  const outcome = await session.agent.history.switchFile(path.value, ready.value);
  if (!outcome.ok || outcome.value.cancelled) giveBack(session.sessionId);
  if (!outcome.ok || ready.value === undefined) return outcome;
  return { ok: true, value: { ...outcome.value, fileRepair: ready.value } };
}

async function exportHtml(session: Session, command: CommandOf<"export_html">): Promise<Handled> {
  const { cwd, sessionFile } = session.agent.info();
  const { files } = session.place;
  const file = sessionFile?.split(files.separator).at(-1) ?? "in-memory";
  const name = `pi-session-${file.replace(/\.jsonl$/, "")}.html`;
  const path = await session.place.guard.output(cwd, command.outputPath ?? name);
  if (!path.ok) return path;
  const folder = await files.makeTemporaryFolder();
  try {
    // pi writes wherever a path leads by the time it writes; so it writes elsewhere, and the page is put there.
    const page = files.join(folder, "page.html");
    const outcome = await session.agent.history.exportHtml(page);
    if (!outcome.ok) return outcome;
    const text = await files.read(page) ?? "";
    if (await files.writeAt(path.value, text)) return done({ path: path.value });
    const sentence = `${path.value} is a link, or a second name of a file, or leads elsewhere by now`;
    return { ok: false, failure: failure("path_forbidden", `${sentence}; choose another`) };
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

/** The group's handlers. */
export const HISTORY: readonly Entry[] = [
  on("new_session", newSession),
  on("switch_session_file", (session, { sessionPath }) => {
    return unlessBusy(session, () => switchFile(session, sessionPath), true);
  }),
  on("fork", (session, { entryId }) => unlessBusy(session, () => session.agent.history.fork(entryId))),
  on("clone", (session) => unlessBusy(session, () => session.agent.history.clone())),
  on("get_fork_messages", (session) => done({ messages: session.agent.history.forkMessages() })),
  on("get_tree", (session) => done(session.agent.history.tree())),
  on("navigate_tree", (session, { targetId, options }) => {
    return unlessBusy(session, () => session.agent.history.navigate(targetId, options ?? {}));
  }, { holdMs: COMMAND_GRACE_MS, stop: (session) => session.agent.abortCompaction() }),
  on("export_html", exportHtml),
];
