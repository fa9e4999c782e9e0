// A value that components follow. Changes made between two frames reach the components together, so a stream of
// events costs one rendering a frame. Every store of the console is made of cells.
import { useLayoutEffect, useState } from "preact/hooks";

type Listener = () => void;

/** Longest wait for a frame: a hidden page gets none, and its title still has to follow. */
const HIDDEN_MS = 250;

const due = new Set<Listener>();
/** Runs when no frame comes; undefined while nothing is due. */
let waiting: ReturnType<typeof setTimeout> | undefined;

function flush(): void {
  if (waiting === undefined) return;
  // An old timer would flush in the middle of later frames, and each change would be rendered twice.
  clearTimeout(waiting);
  waiting = undefined;
  const now = [...due];
  due.clear();
  for (const listener of now) listener();
}

function schedule(): void {
  if (waiting !== undefined) return;
  // The page may be hidden before its frame comes.
  waiting = setTimeout(flush, HIDDEN_MS);
  if (typeof document !== "undefined" && !document.hidden) requestAnimationFrame(flush);
}

/** One value and who follows it. */
export class Cell<T> {
  #value: T;
  readonly #listeners = new Set<Listener>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** Sets the value; followers hear of it with the next frame. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of this.#listeners) due.add(listener);
    if (this.#listeners.size > 0) schedule();
  }

  /** Calls the listener after changes, until the returned function is called. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      due.delete(listener);
    };
  }
}

/** A cell's value, for a component that renders again when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const [, render] = useState(0);
  const seen = cell.value;
  useLayoutEffect(() => {
    const again = (): void => render((count) => count + 1);
    // It may have changed between the rendering and now.
    if (!Object.is(cell.value, seen)) again();
    return cell.follow(again);
  }, [cell]);
  return seen;
}
