// The box at the foot of a session: text, pictures, slash commands and shell commands. While the agent works, Enter
// steers, Alt and Enter queue a follow-up, and the stop button or Escape ends the run.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { useConsole } from "../app/console.ts";
import { Icon } from "../parts/icons.tsx";
import { pictureOf } from "../text/links.ts";
import type { SessionFeed } from "../session/feed.ts";
import { CompletionList } from "./completion_list.tsx";
import { readDraft, writeDraft } from "./draft.ts";
import { type Completion, completions, typed } from "./input.ts";
import { type Attachment, MOST_PICTURES, readPictures } from "./pictures.ts";
import { sendTyped, type Way } from "./send.ts";
import { Button } from "../parts/button.tsx";

interface Props {
  readonly feed: SessionFeed;
  readonly sessionId: string;
  readonly commands: readonly Completion[];
}

/** The prompt box of one session. */
export function PromptBox({ feed, sessionId, commands }: Props) {
  const console = useConsole();
  const info = useCell(feed.info);
  const offered = useCell(feed.offered);
  const connected = useCell(console.link.state) === "connected";
  const busy = info?.isStreaming === true || info?.isCompacting === true;
  const [text, setText] = useState(() => readDraft(sessionId));
  const [pictures, setPictures] = useState<readonly Attachment[]>([]);
  const [sending, setSending] = useState(false);
  const [shell, setShell] = useState(false);
  const [picked, setPicked] = useState(0);
  const [closed, setClosed] = useState("");
  const area = useRef<HTMLTextAreaElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const list = closed === text ? [] : completions(text, commands);
  const change = (value: string): void => {
    setText(value);
    setPicked(0);
    writeDraft(sessionId, value);
  };
  useLayoutEffect(() => fit(area.current), [text]);
  useEffect(() => {
    if (offered.number === 0) return;
    change(offered.text);
    area.current?.focus();
  }, [offered.number]);
  const add = (files: Iterable<File>): void =>
    void console.attempt(async () => {
      const read = await readPictures(files);
      setPictures((before) => [...before, ...read].slice(0, MOST_PICTURES));
    });
  const send = async (way: Way): Promise<void> => {
    const what = typed(text);
    if (sending || (what.kind === "nothing" && pictures.length === 0)) return;
    setSending(true);
    if (what.kind === "shell") setShell(true);
    const [before, sentPictures] = [text, pictures];
    change("");
    setPictures([]);
    // A shell command answers when it ends; the next message need not wait for it.
    if (what.kind === "shell") setSending(false);
    const sent = await console.attempt(async () => {
      await sendTyped(console, feed, sessionId, what, sentPictures, way);
      return true;
    });
    setSending(false);
    if (what.kind === "shell") setShell(false);
    if (sent === true) return;
    // What could not be sent comes back, unless there is something new.
    if (area.current?.value === "") change(before);
    setPictures((now) => now.length === 0 ? sentPictures : now);
  };
  const abort = (): void =>
    void console.attempt(async () => {
      if (shell) return await console.link.request("abort_bash", { sessionId });
      const { steering, followUp } = await console.link.request("abort", { sessionId });
      const back = [...steering, ...followUp].join("\n\n");
      if (back !== "" && area.current?.value === "") change(back);
    });
  const complete = (one: Completion): void => {
    change(`/${one.name} `);
    area.current?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (list.length > 0 && completionKey(event, list.length, picked, setPicked)) return;
    if (list.length > 0 && (event.key === "Tab" || event.key === "Enter") && !event.shiftKey) {
      const one = list[picked];
      if (one !== undefined && text !== `/${one.name}`) {
        event.preventDefault();
        return complete(one);
      }
    }
    if (event.key === "Escape") {
      if (list.length > 0) setClosed(text);
      else if (busy || shell) abort();
      else return;
      event.preventDefault();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      void send(event.altKey ? "followUp" : "steer");
    }
  };
  const running = busy || shell;
  return (
    <form
      class="promptbox"
      aria-label="Prompt"
      onSubmit={(event) => {
        event.preventDefault();
        void send("steer");
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        add(event.dataTransfer?.files ?? []);
      }}
    >
      <CompletionList list={list} picked={picked} onPick={complete} />
      {pictures.length > 0 && (
        <ul class="thumbs" aria-label="Pictures to send">
          {pictures.map((picture, index) => (
            <li key={index}>
              <img src={pictureOf(picture.mimeType, picture.data)} alt={picture.name} />
              <Button
                class="icon"
                aria-label={`Remove ${picture.name}`}
                onClick={() => setPictures(pictures.filter((_, at) => at !== index))}
              >
                <Icon name="close" />
              </Button>
            </li>
          ))}
        </ul>
      )}
      <textarea
        ref={area}
        id="prompt"
        rows={1}
        dir="auto"
        aria-label="Message"
        aria-autocomplete="list"
        aria-controls="completions"
        aria-activedescendant={list.length > 0 ? `completion-${picked}` : undefined}
        placeholder={placeholderOf(busy)}
        value={text}
        onInput={(event) => change(event.currentTarget.value)}
        onKeyDown={onKey}
        onPaste={(event) => {
          const files = [...event.clipboardData?.files ?? []];
          if (files.length === 0) return;
          event.preventDefault();
          add(files);
        }}
      />
      <div class="promptbar">
        <input
          ref={file}
          type="file"
          accept="image/png,image/jpeg,image/gif,image/webp"
          multiple
          hidden
          aria-label="Pictures"
          onChange={(event) => {
            add([...event.currentTarget.files ?? []]);
            event.currentTarget.value = "";
          }}
        />
        <Button class="icon" aria-label="Add pictures" onClick={() => file.current?.click()}>
          <Icon name="picture" />
        </Button>
        <span class="hint keys" aria-hidden="true">
          {busy
            ? "Enter steers · Alt+Enter follows up · Esc stops"
            : "Enter sends · Shift+Enter new line · ! shell · / commands"}
        </span>
        <span class="space" />
        {running && (
          <Button class="stop" onClick={abort}>
            <Icon name="stop" /> Stop
          </Button>
        )}
        {busy && (
          <Button disabled={!connected || sending} onClick={() => void send("followUp")}>
            Follow up
          </Button>
        )}
        <button type="submit" class="primary" disabled={!connected || sending}>
          <Icon name="send" /> {busy ? "Steer" : "Send"}
        </button>
      </div>
    </form>
  );
}

function placeholderOf(busy: boolean): string {
  return busy ? "Steer the run" : "Message";
}

function completionKey(
  event: KeyboardEvent,
  length: number,
  picked: number,
  pick: (index: number) => void,
): boolean {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0) return false;
  event.preventDefault();
  pick((picked + step + length) % length);
  return true;
}

/** As high as its text, up to a third of the window; the style sheet bounds it. */
function fit(area: HTMLTextAreaElement | null): void {
  if (area === null) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}
