// The slash commands that the typed text may become, above the prompt box.
import { clip, visible } from "../text/format.ts";
import type { Completion } from "./input.ts";

interface Props {
  readonly list: readonly Completion[];
  readonly picked: number;
  readonly onPick: (one: Completion) => void;
}

/** A list to choose from with the arrow keys or the pointer. */
export function CompletionList({ list, picked, onPick }: Props) {
  return (
    <ul
      id="completions"
      class={list.length === 0 ? "completions none" : "completions"}
      role="listbox"
      aria-label="Commands"
    >
      {list.map((one, index) => (
        <li
          key={one.name}
          id={`completion-${index}`}
          role="option"
          aria-selected={index === picked}
          onPointerDown={(event) => {
            event.preventDefault();
            onPick(one);
          }}
        >
          <bdi class="toolname">/{clip(visible(one.name), 60)}</bdi>
          <bdi class="hint">{clip(visible(one.description), 160)}</bdi>
          <span class="chip">{one.source}</span>
        </li>
      ))}
    </ul>
  );
}
