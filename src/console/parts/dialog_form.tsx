// The form that answers a dialog of an extension, for the inbox and for the page of its session.
import { useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { sessionHref } from "../app/routes.ts";
import type { OpenDialog } from "../state/dialog_book.ts";
import { nameOf } from "../state/session_book.ts";
import { ago, clip, visible } from "../text/format.ts";
import { Button } from "./button.tsx";

interface Props {
  readonly dialog: OpenDialog;
  /** Whether the session is named, with a link to it. */
  readonly named: boolean;
}

/** A question with what answers it. */
export function DialogForm({ dialog, named }: Props) {
  const console = useConsole();
  const mayAnswer = useMay("answer");
  const now = useCell(console.now);
  const entry = useCell(console.sessions.entries).get(dialog.sessionId);
  const [sending, setSending] = useState(false);
  const answer = async (value: string | boolean | null): Promise<void> => {
    setSending(true);
    const outcome = await console.attempt(() => console.dialogs.answer(dialog, value));
    if (outcome === "late") console.notices.done("Another client was quicker");
    setSending(false);
  };
  const disabled = sending || !mayAnswer;
  const title = visible(dialog.title);
  return (
    <section class="ask" aria-label={`Question: ${clip(title, 120)}`}>
      <header>
        <h2 dir="auto">{clip(title, 1000) || "A question"}</h2>
        <p class="meta">
          {named && (
            <a href={sessionHref(dialog.sessionId)}>
              <bdi>{clip(nameOf(entry) || dialog.sessionId, 80)}</bdi>
            </a>
          )}
          <span>{ago(dialog.since, now)}</span>
          {dialog.timeoutMs !== undefined && <span>ends by itself</span>}
        </p>
      </header>
      {dialog.message !== "" && <p class="said" dir="auto">{clip(visible(dialog.message), 10_000)}</p>}
      <Answer dialog={dialog} disabled={disabled} answer={answer} />
      {!mayAnswer && <p class="hint">This page's token may not answer</p>}
    </section>
  );
}

interface AnswerProps {
  readonly dialog: OpenDialog;
  readonly disabled: boolean;
  readonly answer: (value: string | boolean | null) => Promise<void>;
}

function Answer(props: AnswerProps) {
  const { dialog, disabled, answer } = props;
  switch (dialog.method) {
    case "select":
      return (
        <div class="choices">
          {dialog.options.map((option, index) => (
            <Button
              key={index}
              disabled={disabled}
              onClick={() => void answer(option)}
            >
              <bdi>{clip(visible(option), 400)}</bdi>
            </Button>
          ))}
          <Cancel {...props} />
        </div>
      );
    case "confirm":
      return (
        <div class="choices">
          <Button class="primary" disabled={disabled} onClick={() => void answer(true)}>
            Yes
          </Button>
          <Button disabled={disabled} onClick={() => void answer(false)}>No</Button>
          <Cancel {...props} />
        </div>
      );
    default:
      return <TextAnswer {...props} />;
  }
}

/** What was typed and not sent, by dialog: it stays when another page shows the same question. */
const typed = new Map<string, string>();

function TextAnswer(props: AnswerProps) {
  const { dialog, disabled, answer } = props;
  const [value, setValue] = useState(typed.get(dialog.requestId) ?? dialog.prefill);
  const type = ({ currentTarget }: { readonly currentTarget: { readonly value: string } }): void => {
    typed.set(dialog.requestId, currentTarget.value);
    setValue(currentTarget.value);
  };
  const label = clip(dialog.title, 200) || "Your answer";
  const field = { dir: "auto", "aria-label": label, disabled, value, onInput: type } as const;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        typed.delete(dialog.requestId);
        void answer(value);
      }}
    >
      {dialog.method === "editor"
        ? <textarea rows={6} {...field} />
        : <input type="text" placeholder={clip(dialog.placeholder, 200)} {...field} />}
      <div class="choices">
        <button type="submit" class="primary" disabled={disabled}>Answer</button>
        <Cancel {...props} />
      </div>
    </form>
  );
}

function Cancel({ disabled, answer }: Omit<AnswerProps, "dialog">) {
  return <Button class="quiet" disabled={disabled} onClick={() => void answer(null)}>Cancel</Button>;
}
