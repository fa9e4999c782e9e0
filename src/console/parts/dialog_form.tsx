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
  return (
    <section class="ask" aria-label={`Question: ${clip(visible(dialog.title), 120)}`}>
      <header>
        <h2 dir="auto">{clip(visible(dialog.title), 1000) || "A question"}</h2>
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

function Answer({ dialog, disabled, answer }: AnswerProps) {
  switch (dialog.method) {
    case "select":
      return (
        <div class="choices">
          {dialog.options.map((option, index) => (
            <button
              key={index}
              type="button"
              disabled={disabled}
              onClick={() => void answer(option)}
            >
              <bdi>{clip(visible(option), 400)}</bdi>
            </button>
          ))}
          <Cancel disabled={disabled} answer={answer} />
        </div>
      );
    case "confirm":
      return (
        <div class="choices">
          <Button class="primary" disabled={disabled} onClick={() => void answer(true)}>
            Yes
          </Button>
          <Button disabled={disabled} onClick={() => void answer(false)}>No</Button>
          <Cancel disabled={disabled} answer={answer} />
        </div>
      );
    default:
      return <TextAnswer dialog={dialog} disabled={disabled} answer={answer} />;
  }
}

function TextAnswer({ dialog, disabled, answer }: AnswerProps) {
  const [value, setValue] = useState(dialog.prefill);
  const label = clip(dialog.title, 200) || "Your answer";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void answer(value);
      }}
    >
      {dialog.method === "editor"
        ? (
          <textarea
            rows={6}
            dir="auto"
            aria-label={label}
            disabled={disabled}
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        )
        : (
          <input
            type="text"
            dir="auto"
            aria-label={label}
            placeholder={clip(dialog.placeholder, 200)}
            disabled={disabled}
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        )}
      <div class="choices">
        <button type="submit" class="primary" disabled={disabled}>Answer</button>
        <Cancel disabled={disabled} answer={answer} />
      </div>
    </form>
  );
}

function Cancel({ disabled, answer }: Omit<AnswerProps, "dialog">) {
  return <Button class="quiet" disabled={disabled} onClick={() => void answer(null)}>Cancel</Button>;
}
