// Differences between two texts by line, and the differences that pi's edit tool tells as text. Pure.

/** A line of a difference. */
export interface DiffLine {
  readonly kind: "same" | "added" | "removed" | "gap";
  /** Its number in the file, where it is known. */
  readonly number: number | undefined;
  readonly text: string;
}

/** Most cells of the table that finds what two texts have in common. */
const MOST_CELLS = 1_000_000;

/** The lines of a text; the end of the last one makes no further line. */
function linesOf(text: string): readonly string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** What was removed from `before` and added to make `after`. Of large texts all lines are removed and added. */
export function lineDiff(before: string, after: string): readonly DiffLine[] {
  const a = linesOf(before);
  const b = linesOf(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const same = (text: string): DiffLine => ({ kind: "same", number: undefined, text });
  return [
    ...a.slice(0, head).map(same),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
}

function middle(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  const removed = (text: string): DiffLine => ({ kind: "removed", number: undefined, text });
  const added = (text: string): DiffLine => ({ kind: "added", number: undefined, text });
  if (a.length === 0 || b.length === 0 || a.length * b.length > MOST_CELLS) {
    return [...a.map(removed), ...b.map(added)];
  }
  // The longest common lines of each pair of endings.
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      lines.push({ kind: "same", number: undefined, text: left });
      [i, j] = [i + 1, j + 1];
    } else if (right === undefined || (left !== undefined && at(i + 1, j) >= at(i, j + 1))) {
      lines.push(removed(left ?? ""));
      i++;
    } else {
      lines.push(added(right));
      j++;
    }
  }
  return lines;
}

/** Reads the text in which pi's edit tool tells a difference: sign, number, blank, line. */
export function readDiff(diff: string): readonly DiffLine[] {
  return linesOf(diff).map((line): DiffLine => {
    const match = /^([+\- ])\s*(\d+) ?(.*)$/s.exec(line);
    if (match === null) return { kind: "gap", number: undefined, text: line.trim() };
    const [, sign, digits, text = ""] = match;
    return { kind: sign === "+" ? "added" : sign === "-" ? "removed" : "same", number: Number(digits), text };
  });
}
