// The whole screen, of exactly as many lines as the terminal has: tabs, the window onto the transcript, what is going
// on, the panel that has the keys, and the footer. pi-tui compares it with what it drew before and sends what differs.
import { type Component, truncateToWidth, visibleWidth, wrapTextWithAnsi } from "@mariozechner/pi-tui";
import type { Panel } from "../dialogs/panel.ts";
import { guardLine } from "./sanitize.ts";
import type { Theme } from "./theme.ts";
import type { TranscriptView } from "./transcript_view.ts";

/** What is on the screen; asked for at each frame. */
export interface Scene {
  readonly panel: Panel;
  readonly view: TranscriptView | undefined;
  tabs(width: number): string;
  /** Lines between the transcript and the panel, the most important one last. */
  above(width: number): string[];
  below(width: number): string[];
  footer(width: number): string[];
}

/** The smallest terminal that anything can be shown on. */
export const LEAST_COLUMNS = 24;
export const LEAST_ROWS = 8;
/** Lines of the transcript that are kept free of everything else. */
const LEAST_VIEW = 2;

/** Whether a terminal of that size is too small, as a sentence. */
export function tooSmall(columns: number, rows: number): string | undefined {
  if (columns >= LEAST_COLUMNS && rows >= LEAST_ROWS) return undefined;
  return `the terminal is too small: ${columns}x${rows}, and at least ${LEAST_COLUMNS}x${LEAST_ROWS} is needed`;
}

/** The screen. */
export class Screen implements Component {
  readonly #size: { readonly rows: number };
  readonly #scene: Scene;
  readonly #theme: Theme;

  constructor(size: { readonly rows: number }, scene: Scene, theme: Theme) {
    this.#size = size;
    this.#scene = scene;
    this.#theme = theme;
  }

  invalidate(): void {}

  render(width: number): string[] {
    const { rows } = this.#size;
    const small = tooSmall(width, rows);
    const lines = small === undefined ? this.#compose(width, rows) : wrapTextWithAnsi(small, width);
    return Array.from({ length: rows }, (_, index) => {
      const line = guardLine(lines[index] ?? "");
      return visibleWidth(line) > width ? truncateToWidth(line, width, "") : line;
    });
  }

  #compose(width: number, rows: number): string[] {
    const { panel, view } = this.#scene;
    const footer = this.#scene.footer(width);
    const room = rows - 1 - footer.length - LEAST_VIEW;
    panel.room = room;
    const middle = panel.render(width).slice(0, room);
    const above = this.#scene.above(width).slice(-Math.max(0, room - middle.length) || rows);
    const shownAbove = middle.length >= room ? [] : above;
    const left = Math.max(0, room - middle.length - shownAbove.length);
    const below = this.#scene.below(width).slice(0, left);
    const height = rows - 1 - footer.length - middle.length - shownAbove.length - below.length;
    const window = view?.render(width, height) ?? [];
    const filler = Array.from({ length: Math.max(0, height - window.length) }, () => "");
    if (view !== undefined && !view.following && window.length > 0) {
      window[window.length - 1] = this.#theme.muted(
        truncateToWidth(" ↓ more below: PageDown, Ctrl+End", width, "…"),
      );
    }
    return [this.#scene.tabs(width), ...window, ...filler, ...shownAbove, ...middle, ...below, ...footer];
  }
}
