// Finds the word that a person most likely meant: for wrong flags, commands and fields.
// Used by: the command line of the server, and its subcommands. Imports nothing.
// Invariant: a word that is too far from all of the known ones has no nearest, since a wild guess misleads.

/** Edits (insert, drop, replace, swap of neighbours) that turn one word into the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const now = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let least = Math.min(
        (last[column] ?? 0) + 1,
        (now[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (row > 1 && column > 1 && swapped) least = Math.min(least, (before[column - 2] ?? 0) + 1);
      now.push(least);
    }
    before = last;
    last = now;
  }
  return last[b.length] ?? 0;
}

/** Longest word that is compared: the work grows with the square of the length. */
const LONGEST = 64;

/** The known word nearest to `word`; undefined when none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word === "" || word.length > LONGEST) return undefined;
  const meant = word.toLowerCase().replaceAll("-", "_");
  let best: { readonly name: string; readonly edits: number } | undefined;
  for (const name of known) {
    const other = name.toLowerCase().replaceAll("-", "_");
    const begins = meant.length >= 3 && other.startsWith(meant);
    // Such as `--name` for `--sessionName`. Too many commands end alike.
    const ends = /^__.{4}/.test(meant) && other.endsWith(meant.slice(2));
    const edits = begins || ends ? 1 : distance(meant, other);
    const near = edits <= Math.max(1, Math.floor(Math.max(meant.length, other.length) / 3));
    if (near && (best === undefined || edits < best.edits)) best = { name, edits };
  }
  return best?.name;
}

/** `; did you mean NAME?` for the end of an error, or an empty text. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const name = nearest(word, known);
  return name === undefined ? "" : `; did you mean ${name}?`;
}
