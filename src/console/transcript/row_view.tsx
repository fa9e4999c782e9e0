// One row of the transcript: a message of a person, an answer, a shell command, a summary. A row renders again only
// when its own version goes up.
import { Component, type VNode } from "preact";
import { useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { clip, count, money, plainOutput, visible } from "../text/format.ts";
import { LongText } from "../parts/long_text.tsx";
import { Pictures } from "../parts/pictures.tsx";
import { blocks, type Fields, fields, number, text } from "../text/read.ts";
import type { ChunkedText } from "./chunks.ts";
import { chunkedOnce, Markdown, MarkdownText } from "./markdown_view.tsx";
import { ToolCall } from "./tool_call.tsx";
import type { Row, StreamingBlock, Transcript } from "./transcript.ts";
import { Button } from "../parts/button.tsx";

interface Props {
  readonly row: Row;
  readonly transcript: Transcript;
}

/** A row that stays as it is while its row object does. */
export class RowView extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    return next.row !== this.props.row;
  }

  override render() {
    return <RowBody row={this.props.row} transcript={this.props.transcript} />;
  }
}

function RowBody({ row, transcript }: Props): VNode {
  useCell(row.version);
  const { message } = row;
  switch (text(message, "role")) {
    case "user":
      return <UserRow message={message} />;
    case "assistant":
      return <AnswerRow row={row} transcript={transcript} />;
    case "bashExecution":
      return <ShellRow message={message} />;
    case "compactionSummary":
      return <Note title="The older messages were compacted" body={text(message, "summary")} of={message} />;
    case "branchSummary":
      return <Note title="Summary of another branch" body={text(message, "summary")} of={message} />;
    case "custom":
      return <CustomRow message={message} />;
    default:
      return <Note title={`A message of the kind ${clip(text(message, "role"), 40)}`} body="" of={message} />;
  }
}

function timeOf(message: Fields): VNode | null {
  const at = number(message, "timestamp");
  if (at === undefined) return null;
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return null;
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
    </time>
  );
}

function joined(all: readonly Fields[]): string {
  return all.filter((block) => text(block, "type") === "text").map((block) => text(block, "text")).join("\n");
}

function UserRow({ message }: { readonly message: Fields }) {
  const all = blocks(message);
  const said = visible(joined(all));
  return (
    <article class="row user" aria-label="Your message">
      <div class="bubble">
        <div class="said" dir="auto">{said.length > 20_000 ? `${said.slice(0, 20_000)}…` : said}</div>
        <Pictures blocks={all} />
      </div>
      {timeOf(message)}
    </article>
  );
}

function AnswerRow({ row, transcript }: Props) {
  const { message, streaming } = row;
  return (
    <article class="row answer" aria-label="Answer" aria-busy={streaming !== undefined}>
      {streaming === undefined
        ? blocks(message).map((block, index) => wholeBlock(index, block, transcript))
        : streaming.map((block, index) => comingBlock(index, block, index === streaming.length - 1))}
      {streaming !== undefined && streaming.length === 0 && <p class="hint pulse">Waits for the model</p>}
      {streaming === undefined && <AnswerFoot message={message} />}
    </article>
  );
}

// Both make the same elements: when an answer ends, its texts stay in the page as they are.

function wholeBlock(key: number, block: Fields, transcript: Transcript): VNode | null {
  switch (text(block, "type")) {
    case "text":
      return <MarkdownText key={key} text={chunkedOnce(block, text(block, "text"))} live={false} />;
    case "thinking": {
      const said = text(block, "thinking");
      return said.trim() === "" ? null : <Thinking key={key} text={chunkedOnce(block, said)} />;
    }
    case "toolCall":
      return <ToolCall key={key} call={block} transcript={transcript} />;
    default:
      return null;
  }
}

function comingBlock(key: number, block: StreamingBlock, last: boolean): VNode {
  switch (block.type) {
    case "text":
      return <MarkdownText key={key} text={block.text} live />;
    case "thinking":
      return <Thinking key={key} text={block.text} live busy={last} />;
    default:
      return (
        <div key={key} class="tool waiting" role="group" aria-label="Tool call">
          <div class="toolline">
            <span class="dot running" aria-hidden="true" />
            <bdi class="toolname">{text(block.call ?? {}, "name").slice(0, 80) || "tool"}</bdi>
            <bdi class="toolarg">{clip(visible(block.text.tail), 200)}</bdi>
            <span class="state">is written</span>
          </div>
        </div>
      );
  }
}

interface ThinkingProps {
  readonly text: ChunkedText;
  readonly live?: boolean;
  readonly busy?: boolean;
}

function Thinking({ text, live = false, busy = false }: ThinkingProps) {
  const [open, setOpen] = useState(false);
  return (
    <div class="thinking" role="group" aria-label="Thinking">
      <Button class="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class={busy ? "pulse" : ""}>{busy ? "Thinks" : "Thought"}</span>
      </Button>
      {open && (
        <div class="foldbody">
          <MarkdownText text={text} live={live} />
        </div>
      )}
    </div>
  );
}

const ENDS: Readonly<Record<string, string>> = {
  aborted: "Stopped",
  length: "The answer reached the model's limit of length",
  error: "The model failed",
};

function AnswerFoot({ message }: { readonly message: Fields }) {
  const end = ENDS[text(message, "stopReason")];
  const usage = fields(message, "usage");
  const cost = number(fields(usage, "cost"), "total") ?? 0;
  const failure = text(message, "errorMessage");
  if (text(message, "stopReason") === "toolUse" && end === undefined) return null;
  return (
    <footer class="foot">
      {end !== undefined && (
        <p class={text(message, "stopReason") === "error" ? "failure" : "hint"}>
          {end}
          {failure !== "" && `: ${clip(visible(failure), 2000)}`}
        </p>
      )}
      <p class="meta">
        <bdi>{clip(visible(text(message, "model")), 80)}</bdi>
        {(number(usage, "totalTokens") ?? 0) > 0 && (
          <span>{count(number(usage, "totalTokens") ?? 0)} tokens</span>
        )}
        {cost > 0 && <span>{money(cost)}</span>}
        {timeOf(message)}
      </p>
    </footer>
  );
}

function ShellRow({ message }: { readonly message: Fields }) {
  const code = number(message, "exitCode");
  const running = message["running"] === true;
  const ended = running
    ? "runs"
    : message["cancelled"] === true
    ? "stopped"
    : code === undefined || code === 0
    ? "done"
    : `exit code ${code}`;
  const failed = ended !== "runs" && ended !== "done";
  const command = clip(visible(text(message, "command")), 2000);
  return (
    <article class={`row tool shell ${failed ? "failed" : ""}`} aria-label="Shell command">
      <div class="toolline">
        <span class={`dot ${running ? "running" : failed ? "failed" : "done"}`} aria-hidden="true" />
        <bdi class="toolname">!</bdi>
        <bdi class="toolarg">{command}</bdi>
        <span class={ended === "done" ? "sr" : "state"}>{ended}</span>
      </div>
      <div class="toolbody">
        {text(message, "output") !== "" && (
          <LongText label="Output" from="end" text={plainOutput(text(message, "output"))} />
        )}
        {message["excludeFromContext"] === true && <p class="hint">The model does not see this</p>}
      </div>
    </article>
  );
}

function CustomRow({ message }: { readonly message: Fields }) {
  const all = blocks(message);
  return (
    <article class="row note" aria-label="Message of an extension">
      <p class="meta">
        <bdi>{clip(visible(text(message, "customType")), 80)}</bdi>
      </p>
      <Markdown of={message} text={joined(all)} />
      <Pictures blocks={all} />
    </article>
  );
}

function Note({ title, body, of }: { readonly title: string; readonly body: string; readonly of: object }) {
  const [open, setOpen] = useState(false);
  return (
    <article class="row note" aria-label={title}>
      {body === ""
        ? <p class="hint">{title}</p>
        : (
          <Button class="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
            {title}
          </Button>
        )}
      {open && (
        <div class="foldbody">
          <Markdown of={of} text={body} />
        </div>
      )}
    </article>
  );
}
