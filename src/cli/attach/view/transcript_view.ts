// A window onto a transcript: it follows the end, or stays where a person has scrolled to. Only items in the window
// are drawn, and the lines of the latest few hundred are kept.
import type { Item } from "../transcript/items.ts";
import type { Transcript } from "../transcript/transcript.ts";
import { ItemLines, type Unfolded } from "./item_lines.ts";
import type { Theme } from "./theme.ts";

/** Items whose lines are kept. */
const KEPT_ITEMS = 400;

interface Drawn {
  readonly version: number;
  readonly width: number;
  readonly unfolded: Unfolded;
  readonly lines: readonly string[];
}

/** The line at the top of the window. */
interface Anchor {
  readonly item: Item;
  readonly line: number;
}

/** The window. */
export class TranscriptView {
  readonly #transcript: Transcript;
  readonly #items: ItemLines;
  readonly #older: () => void;
  readonly #drawn = new Map<Item, Drawn>();
  #anchor: Anchor | undefined;
  /** Whether the window is on its way to the beginning. */
  #toTop = false;
  #width = 80;
  #height = 10;
  #unfolded: Unfolded = { thinking: false, tools: false };

  /** @param older called when the window has come to the oldest message that is here, and there are older ones */
  constructor(transcript: Transcript, theme: Theme, older: () => void) {
    this.#transcript = transcript;
    this.#items = new ItemLines(theme);
    this.#older = older;
  }

  /** Whether the window shows the end, and goes on with it. */
  get following(): boolean {
    return this.#anchor === undefined;
  }

  /** What is unfolded. */
  get unfolded(): Unfolded {
    return this.#unfolded;
  }

  /** Folds or unfolds. */
  unfold(change: Partial<Unfolded>): void {
    this.#unfolded = { ...this.#unfolded, ...change };
  }

  /** Goes to the end. */
  follow(): void {
    this.#toTop = false;
    this.#anchor = undefined;
  }

  /** Goes to the beginning, with all messages that must be asked for on the way. */
  toTop(): void {
    this.#toTop = true;
  }

  /** Lines of a page. */
  get page(): number {
    return Math.max(1, this.#height - 2);
  }

  /** Moves the window; a negative number goes back in time. */
  scroll(lines: number): void {
    this.#toTop = false;
    const items = this.#transcript.items;
    const top = this.#top();
    if (top === undefined) return;
    let { index, line } = top;
    line += lines;
    while (line < 0 && index > 0) line += this.#linesOf(items[--index]).length;
    if (line < 0) {
      line = 0;
      if (this.#transcript.first > 0) this.#older();
    }
    for (let count = this.#linesOf(items[index]).length; line >= count && index < items.length - 1;) {
      line -= count;
      count = this.#linesOf(items[++index]).length;
    }
    const item = items[index];
    this.#anchor = item === undefined ? undefined : { item, line };
  }

  /** The window's lines: `height` of them, or fewer when there is not more. */
  render(width: number, height: number): string[] {
    if (width !== this.#width) this.#drawn.clear();
    this.#width = width;
    this.#height = height;
    const items = this.#transcript.items;
    if (this.#toTop) this.#seekTop();
    const anchor = this.#anchor;
    if (anchor !== undefined) {
      const from = items.indexOf(anchor.item);
      const lines: string[] = [];
      for (let at = from; at >= 0 && at < items.length && lines.length < height + anchor.line; at++) {
        for (const line of this.#linesOf(items[at])) lines.push(line);
      }
      if (lines.length >= height + anchor.line) return lines.slice(anchor.line, anchor.line + height);
      // The end is in the window, or the item is not here any more.
      this.#anchor = undefined;
    }
    const parts: (readonly string[])[] = [];
    let count = 0;
    for (let at = items.length - 1; at >= 0 && count < height; at--) {
      const lines = this.#linesOf(items[at]);
      parts.unshift(lines);
      count += lines.length;
    }
    return parts.flat().slice(-height);
  }

  #seekTop(): void {
    const [item] = this.#transcript.items;
    this.#anchor = item === undefined ? undefined : { item, line: 0 };
    // The next page makes this window be drawn anew.
    if (this.#transcript.first > 0 && !this.#transcript.full) this.#older();
    else this.#toTop = false;
  }

  /** Where the window begins. */
  #top(): { index: number; line: number } | undefined {
    const items = this.#transcript.items;
    if (this.#anchor !== undefined) {
      const index = items.indexOf(this.#anchor.item);
      if (index >= 0) return { index, line: this.#anchor.line };
    }
    let left = this.#height;
    for (let index = items.length - 1; index >= 0; index--) {
      const count = this.#linesOf(items[index]).length;
      if (count >= left) return { index, line: count - left };
      left -= count;
    }
    return items.length === 0 ? undefined : { index: 0, line: 0 };
  }

  #linesOf(item: Item | undefined): readonly string[] {
    if (item === undefined) return [];
    const known = this.#drawn.get(item);
    const { version } = item;
    if (known?.version === version && known.width === this.#width && known.unfolded === this.#unfolded) {
      return known.lines;
    }
    const lines = this.#items.render(item, this.#width, this.#unfolded);
    this.#drawn.delete(item);
    this.#drawn.set(item, { version, width: this.#width, unfolded: this.#unfolded, lines });
    const [oldest] = this.#drawn.keys();
    if (this.#drawn.size > KEPT_ITEMS && oldest !== undefined) this.#drawn.delete(oldest);
    return lines;
  }
}
