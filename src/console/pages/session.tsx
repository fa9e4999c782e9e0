// The page of one session: head, transcript, questions, prompt box, and sheets for its settings and its tree.
import { useEffect, useRef, useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { useConsole, useMay } from "../app/console.ts";
import { DialogForm } from "../parts/dialog_form.tsx";
import { clip, visible } from "../text/format.ts";
import type { Completion } from "../prompt/input.ts";
import { PromptBox } from "../prompt/prompt_box.tsx";
import { SessionFeed, waitingCount } from "../session/feed.ts";
import { Interrupted } from "../session/interrupted.tsx";
import { SessionHead, type SheetName } from "../session/head.tsx";
import { SettingsSheet } from "../session/settings_sheet.tsx";
import { SideList } from "../session/side_list.tsx";
import { TreeSheet } from "../session/tree_sheet.tsx";
import { TranscriptList } from "../transcript/list.tsx";
import { Delete, Rename } from "./session_line.tsx";
import { Button } from "../parts/button.tsx";

/** The page of one session. */
export function SessionPage({ sessionId }: { readonly sessionId: string }) {
  const console = useConsole();
  const client = useCell(console.link.client);
  const [feed, setFeed] = useState<SessionFeed | undefined>(undefined);
  useEffect(() => {
    if (client === undefined) return;
    const opened = new SessionFeed(console, client, sessionId);
    setFeed(opened);
    return () => opened.stop();
  }, [client, sessionId]);
  return (
    <div class="session">
      <SideList current={sessionId} />
      {feed === undefined ? <div class="chat" /> : <Chat feed={feed} sessionId={sessionId} />}
    </div>
  );
}

interface ChatProps {
  readonly feed: SessionFeed;
  readonly sessionId: string;
}

function Chat({ feed, sessionId }: ChatProps) {
  const phase = useCell(feed.phase);
  const reason = useCell(feed.reason);
  const info = useCell(feed.info);
  const mayDrive = useMay("drive");
  const [sheet, setSheet] = useState<SheetName | undefined>(undefined);
  const commands = useCommands(feed, sessionId, mayDrive && phase === "open");
  const list = useRef<TranscriptList>(null);
  const close = (): void => setSheet(undefined);
  if (phase === "gone" || phase === "failed") {
    return (
      <div class="chat">
        <div class="empty" role="alert">
          <h1>{phase === "gone" ? "This session is gone" : "This session cannot be opened"}</h1>
          <p class="hint" dir="auto">{clip(visible(reason), 1000)}</p>
          <p>
            <a href="#/">To the sessions</a>
          </p>
        </div>
      </div>
    );
  }
  return (
    <div class="chat" aria-busy={phase === "loading"}>
      <SessionHead feed={feed} sessionId={sessionId} onSheet={setSheet} />
      {phase === "loading"
        ? (
          <div class="transcript loading" role="status">
            <p class="hint pulse">Loads the transcript</p>
          </div>
        )
        : <TranscriptList ref={list} transcript={feed.transcript} loadOlder={() => feed.loadOlder()} />}
      <div class="dock">
        <Interrupted feed={feed} sessionId={sessionId} />
        <Questions sessionId={sessionId} />
        <RunNote feed={feed} sessionId={sessionId} />
        {mayDrive
          ? phase === "open" && <PromptBox feed={feed} sessionId={sessionId} commands={commands} />
          : <p class="hint readonly">This page's token may read this session, and not write to it</p>}
      </div>
      <Speaker feed={feed} />
      {info !== undefined && sheet === "settings" && (
        <SettingsSheet
          feed={feed}
          info={info}
          onClose={close}
        />
      )}
      {sheet === "tree" && <TreeSheet feed={feed} sessionId={sessionId} onClose={close} />}
      {info !== undefined && sheet === "rename" && <Rename entry={info} onClose={close} />}
      {info !== undefined && sheet === "delete" && <Delete entry={info} onClose={close} />}
    </div>
  );
}

/** Slash commands, read when the session is open and after its extensions were loaded again. */
function useCommands(feed: SessionFeed, sessionId: string, wanted: boolean): readonly Completion[] {
  const { link } = useConsole();
  const [commands, setCommands] = useState<readonly Completion[]>([]);
  useEffect(() => {
    if (!wanted) return;
    let over = false;
    link.request("get_commands", { sessionId }).then((data) => {
      if (over) return;
      setCommands(data.commands.map(({ name, description = "", source }) => ({ name, description, source })));
    }, () => {});
    return () => {
      over = true;
    };
  }, [feed, sessionId, wanted]);
  return commands;
}

function Questions({ sessionId }: { readonly sessionId: string }) {
  const { dialogs } = useConsole();
  const open = useCell(dialogs.open).filter((dialog) => dialog.sessionId === sessionId);
  return (
    <div class="questions" aria-live="polite">
      {open.map((dialog) => <DialogForm key={dialog.requestId} dialog={dialog} named={false} />)}
    </div>
  );
}

/** What the run does beside talking, what waits in the queue, what extensions show. */
function RunNote({ feed, sessionId }: ChatProps) {
  const console = useConsole();
  const note = useCell(feed.note);
  const waiting = useCell(feed.waiting);
  const widgets = useCell(feed.widgets);
  const mayDrive = useMay("drive");
  const number = waitingCount(waiting);
  const clear = (): void =>
    void console.attempt(async () => {
      const { steering, followUp } = await console.link.request("clear_queue", { sessionId });
      feed.offer([...steering, ...followUp].join("\n\n"));
    });
  return (
    <div class="runnote">
      {widgets.map(({ key, lines }) => (
        <pre
          key={key}
          class="widget"
          dir="auto"
        >{lines.map((line) => clip(visible(line), 300)).join("\n")}</pre>
      ))}
      {note !== "" && <p class="note" role="status" dir="auto">{clip(visible(note), 600)}</p>}
      {number > 0 && (
        <div class="waiting">
          <ul aria-label="Queued messages">
            {[...waiting.steering, ...waiting.followUp].slice(0, 5).map((message, index) => (
              <li key={index}>
                <span class="chip">{index < waiting.steering.length ? "steer" : "follow-up"}</span>
                <bdi>{clip(visible(message), 200)}</bdi>
              </li>
            ))}
          </ul>
          {mayDrive && <Button class="quiet" onClick={clear}>Take back</Button>}
        </div>
      )}
    </div>
  );
}

/** Tells a screen reader when an answer is complete, and not each piece of it. */
function Speaker({ feed }: { readonly feed: SessionFeed }) {
  return <p class="sr" role="status" aria-live="polite">{useCell(feed.spoken)}</p>;
}
