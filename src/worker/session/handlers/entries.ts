// Does: handles get_entries and get_content (docs/PROTOCOL.md#reading-a-long-history).
// Used by: mod.ts.
import { ANSWER_BYTES, ANSWER_HEAD_BYTES } from "../../../governor/limits.ts";
import { failure } from "../../../protocol/errors.ts";
import type { CommandOf } from "../../../protocol/schema/commands.ts";
import type { Referring } from "../events/bounded_json.ts";
import { pageOf } from "./entry_page.ts";
import type { Handled, Session } from "../session.ts";
import { done, type Entry, on, written } from "./handler.ts";

/** The form of an answer with history. */
export interface AnswerForm {
  /** Bytes of the history in it. */
  readonly most: number;
  readonly refs?: Referring;
}

/** The form that a command asks for. `maxBytes` is about the whole answer. */
export function formOf(
  session: Session,
  { maxBytes, refs }: { readonly maxBytes?: number; readonly refs?: boolean },
): AnswerForm {
  return {
    most: maxBytes === undefined ? ANSWER_BYTES : Math.min(ANSWER_BYTES, maxBytes - ANSWER_HEAD_BYTES),
    ...(refs === true ? { refs: session.refs } : {}),
  };
}

/** An answer that is written when it leaves. Before that, what goes by reference is hashed in turns. */
export function writtenWith(
  session: Session,
  { refs }: AnswerForm,
  items: readonly unknown[],
  write: () => string,
): Handled | Promise<Handled> {
  if (refs === undefined) return written(write);
  return session.refs.prepare(items).then(() => written(write));
}

function getEntries(session: Session, command: CommandOf<"get_entries">): Handled | Promise<Handled> {
  const form = formOf(session, command);
  const page = pageOf(session.agent.history.entries(), command, form);
  if (!page.ok) return page;
  return writtenWith(session, form, page.value.items, page.value.write);
}

/** All that a session's references may be about: entries, the messages of a run, and what is under way. */
function historyOf(session: Session): readonly unknown[] {
  const entries = session.agent.history.entries().placed.map(({ entry }) => entry);
  return [...entries, ...session.agent.messages()];
}

async function getContent(session: Session, command: CommandOf<"get_content">): Promise<Handled> {
  const { ref: hash } = command;
  const content = await session.refs.find(hash, () => historyOf(session));
  if (content === undefined) {
    const sentence = `The session's history holds no content "${hash}" any more; read the message again`;
    return { ok: false, failure: failure("content_not_found", sentence) };
  }
  const piece = session.refs.piece(content, command);
  return piece.ok ? done(piece.value) : piece;
}

/** The group's handlers. */
export const ENTRIES: readonly Entry[] = [
  on("get_entries", getEntries),
  on("get_content", getContent),
];
