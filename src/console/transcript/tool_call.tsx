// A tool call: its name and the argument that matters in one line, and below it the arguments, the difference or the
// output. Known tools of pi are shown as what they do, others by their arguments.
import { useMemo, useState } from "preact/hooks";
import { useCell } from "../app/cell.ts";
import { type DiffLine, lineDiff, readDiff } from "../text/diff.ts";
import { diffCount, DiffView } from "../parts/diff_view.tsx";
import { clip, plainOutput, visible } from "../text/format.ts";
import { languageOf } from "../text/highlight.ts";
import { LongText } from "../parts/long_text.tsx";
import { Pictures } from "../parts/pictures.tsx";
import { type Fields, fields, json, list, text } from "../text/read.ts";
import type { ToolState, Transcript } from "./transcript.ts";
import { Button } from "../parts/button.tsx";

const WORDS = { waiting: "waits", running: "runs", done: "done", failed: "failed" } as const;

/** What stands in the line of a call. */
export function headline(name: string, args: Fields): string {
  const path = text(args, "path") || text(args, "file_path");
  switch (name) {
    case "bash":
      return text(args, "command");
    case "grep":
      return [text(args, "pattern"), path].filter((part) => part !== "").join("  in  ");
    case "find":
      return [text(args, "pattern"), path].filter((part) => part !== "").join("  in  ");
    case "read":
    case "write":
    case "edit":
    case "ls":
      return path;
    default: {
      const first = Object.values(args).find((value) => typeof value === "string");
      return typeof first === "string" ? first : "";
    }
  }
}

/** The difference that an edit makes: pi's own when it has been made, else from the arguments. */
export function editLines(args: Fields, details: Fields): readonly DiffLine[] {
  const told = text(details, "diff");
  if (told !== "") return readDiff(told);
  const edits = list(args, "edits");
  const all = edits.length > 0 ? edits : [args];
  return all.flatMap((edit, index): readonly DiffLine[] => [
    ...(index === 0 ? [] : [{ kind: "gap", number: undefined, text: "" } as const]),
    ...lineDiff(text(edit, "oldText"), text(edit, "newText")),
  ]);
}

interface Props {
  readonly call: Fields;
  readonly transcript: Transcript;
}

/** A tool call with what became of it. */
export function ToolCall({ call, transcript }: Props) {
  const id = text(call, "id");
  const state = useCell(transcript.tool(id));
  const name = text(call, "name");
  const args = fields(call, "arguments");
  const lines = useMemo(
    () => name === "edit" ? editLines(args, state.details) : [],
    [name, args, state.details],
  );
  const [open, setOpen] = useState<boolean | undefined>(undefined);
  const shown = open ?? (state.status !== "done" || name === "edit" || name === "write");
  const line = clip(visible(headline(name, args)).replaceAll(/\s+/g, " "), 400);
  return (
    <div class={`tool ${state.status}`} role="group" aria-label={`Tool ${clip(visible(name), 80)}`}>
      <Button class="toolline" aria-expanded={shown} onClick={() => setOpen(!shown)}>
        <span class={`dot ${state.status}`} aria-hidden="true" />
        <bdi class="toolname">{clip(visible(name), 80) || "tool"}</bdi>
        <bdi class="toolarg">{line}</bdi>
        {lines.length > 0 && <span class="count">{diffCount(lines)}</span>}
        <span class={state.status === "done" ? "sr" : "state"}>{WORDS[state.status]}</span>
      </Button>
      {shown && <Body name={name} args={args} state={state} lines={lines} />}
    </div>
  );
}

interface BodyProps {
  readonly name: string;
  readonly args: Fields;
  readonly state: ToolState;
  readonly lines: readonly DiffLine[];
}

function Body({ name, args, state, lines }: BodyProps) {
  return (
    <div class="toolbody">
      <Arguments name={name} args={args} lines={lines} />
      {(name !== "edit" || state.status === "failed") && <Output name={name} args={args} state={state} />}
    </div>
  );
}

function Arguments({ name, args, lines }: Omit<BodyProps, "state">) {
  if (name === "edit") return <DiffView lines={lines} label="Difference" />;
  if (name === "write") {
    const content = text(args, "content");
    return (
      <LongText
        label="Content of the file"
        from="start"
        text={visible(content)}
        language={languageOf(text(args, "path"))}
      />
    );
  }
  const command = text(args, "command");
  if (name === "bash" && command !== "") {
    const plain = command.length < 200 && !command.includes("\n");
    return plain ? null : <LongText label="Command" from="start" text={visible(command)} language="sh" />;
  }
  const known = ["read", "ls", "grep", "find"].includes(name);
  if (known && Object.keys(args).length <= 1) return null;
  return Object.keys(args).length === 0
    ? null
    : <LongText label="Arguments" from="start" text={visible(json(args))} language="json" />;
}

function Output({ name, args, state }: Omit<BodyProps, "lines">) {
  const output = state.content.filter((block) => text(block, "type") === "text")
    .map((block) => text(block, "text")).join("\n");
  const language = name === "read" && state.status === "done" ? languageOf(text(args, "path")) : "";
  return (
    <>
      {output !== "" && (
        <LongText
          label="Output"
          from={name === "bash" ? "end" : "start"}
          text={plainOutput(output)}
          language={language}
        />
      )}
      {output === "" && state.status === "running" && <p class="hint">No output yet</p>}
      <Pictures blocks={state.content} />
    </>
  );
}
