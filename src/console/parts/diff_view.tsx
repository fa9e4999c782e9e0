// Shows a difference: a line for each line, with sign and number. A screen reader hears the sign as a word.
import { useState } from "preact/hooks";
import type { DiffLine } from "../text/diff.ts";
import { visible } from "../text/format.ts";
import { Button } from "./button.tsx";

const FIRST_LINES = 60;
const MOST_LINES = 3000;
const SIGNS = { same: " ", added: "+", removed: "−", gap: "⋯" } as const;
const WORDS = { same: "", added: "added: ", removed: "removed: ", gap: "" } as const;

/** The lines of a difference. */
export function DiffView({ lines, label }: { readonly lines: readonly DiffLine[]; readonly label: string }) {
  const [all, setAll] = useState(false);
  const shown = lines.slice(0, all ? MOST_LINES : FIRST_LINES);
  const more = lines.length - shown.length;
  return (
    <div class="longtext">
      <div class="diff" role="group" aria-label={label} tabIndex={0} dir="ltr">
        <div class="difflines">
          {shown.map((line, index) => (
            <div key={index} class={`line ${line.kind}`}>
              <span class="no" aria-hidden="true">{line.number ?? ""}</span>
              <span class="sign" aria-hidden="true">{SIGNS[line.kind]}</span>
              <span class="code">
                <span class="sr">{WORDS[line.kind]}</span>
                {visible(line.text.slice(0, 2000))}
              </span>
            </div>
          ))}
        </div>
      </div>
      {(more > 0 || all) && (
        <Button
          class="more"
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          {all ? "Show less" : `Show all (${more} more lines)`}
        </Button>
      )}
    </div>
  );
}

/** `+3 −1`, for a title. */
export function diffCount(lines: readonly DiffLine[]): string {
  const count = (kind: DiffLine["kind"]): number => lines.filter((line) => line.kind === kind).length;
  return `+${count("added")} −${count("removed")}`;
}
