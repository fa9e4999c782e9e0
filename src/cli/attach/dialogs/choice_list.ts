// A list to choose from, with a search as one types. Everything that is chosen in this client is chosen here:
// sessions, models, levels, entries of the tree, and the options of an extension's dialog.
import { fuzzyFilter, getKeybindings, Input, truncateToWidth, visibleWidth } from "@mariozechner/pi-tui";
import { type Action, isKey } from "../key_bindings.ts";
import type { KeyId } from "@mariozechner/pi-tui";
import type { Theme } from "../view/theme.ts";
import type { Panel } from "./panel.ts";
import { wrapPlain } from "../view/markdown.ts";

/** One line to choose. */
export interface Choice<V> {
  readonly value: V;
  /** Harmless already. */
  readonly label: string;
  readonly description?: string;
}

/** How a list is made. */
export interface ChoiceListOptions<V> {
  readonly title: string;
  /** More about the question. */
  readonly text?: string;
  readonly choices: readonly Choice<V>[];
  readonly searchable: boolean;
  /** Which one is chosen at first. */
  readonly selected?: number;
  /** What the keys do, in a few words. */
  readonly hint?: string;
  /** What it says when there is nothing to choose. */
  readonly empty?: string;
  choose(value: V): void;
  cancel(): void;
  /** Further keys and actions, each with what it does to the chosen one, if there is one. */
  readonly keys?: Readonly<Partial<Record<KeyId | Action, (value: V | undefined) => void>>>;
}

/** The list. */
export class ChoiceList<V> implements Panel {
  room = 12;
  readonly #options: ChoiceListOptions<V>;
  readonly #theme: Theme;
  readonly #input = new Input();
  #choices: readonly Choice<V>[];
  #shown: readonly Choice<V>[];
  #at: number;

  constructor(theme: Theme, options: ChoiceListOptions<V>) {
    this.#theme = theme;
    this.#options = options;
    this.#choices = options.choices;
    this.#shown = options.choices;
    this.#at = options.selected ?? 0;
  }

  get focused(): boolean {
    return this.#input.focused;
  }

  set focused(on: boolean) {
    this.#input.focused = on && this.#options.searchable;
  }

  /** Other lines to choose from; what is chosen stays where it is. */
  setChoices(choices: readonly Choice<V>[]): void {
    this.#choices = choices;
    this.#filter();
  }

  handleInput(data: string): void {
    const keys = getKeybindings();
    const chosen = this.#shown[this.#at];
    if (keys.matches(data, "tui.select.cancel")) return this.#options.cancel();
    if (keys.matches(data, "tui.select.confirm")) {
      if (chosen !== undefined) this.#options.choose(chosen.value);
      return;
    }
    for (const [key, act] of Object.entries(this.#options.keys ?? {})) {
      if (!isKey(data, key as KeyId | Action)) continue;
      return act?.(chosen?.value);
    }
    const page = Math.max(1, this.room - 5);
    if (keys.matches(data, "tui.select.up")) this.#move(-1, true);
    else if (keys.matches(data, "tui.select.down")) this.#move(1, true);
    else if (keys.matches(data, "tui.select.pageUp")) this.#move(-page, false);
    else if (keys.matches(data, "tui.select.pageDown")) this.#move(page, false);
    else if (this.#options.searchable) {
      const before = this.#input.getValue();
      this.#input.handleInput(data);
      if (this.#input.getValue() !== before) {
        this.#at = 0;
        this.#filter();
      }
    }
  }

  invalidate(): void {}

  render(width: number): string[] {
    const theme = this.#theme;
    const { title, text, searchable, hint, empty } = this.#options;
    const head = [theme.muted("─".repeat(width)), theme.bold(truncateToWidth(` ${title}`, width, "…"))];
    if (text !== undefined && text !== "") {
      head.push(...wrapPlain(text, width - 2).slice(0, Math.max(1, this.room - 8)).map((line) => ` ${line}`));
    }
    if (searchable) head.push(...this.#input.render(width));
    const foot = [
      theme.muted(truncateToWidth(` ${hint ?? "↑↓ move · Enter choose · Esc cancel"}`, width, "…")),
    ];
    const most = Math.max(1, this.room - head.length - foot.length - 1);
    const from = Math.max(0, Math.min(this.#at - Math.floor(most / 2), this.#shown.length - most));
    const lines = this.#shown.slice(from, from + most).map((choice, index) =>
      this.#line(choice, from + index === this.#at, width)
    );
    if (lines.length === 0) {
      lines.push(
        theme.muted(`   ${this.#choices.length === 0 ? empty ?? "nothing to choose" : "nothing matches"}`),
      );
    }
    if (this.#shown.length > most) lines.push(theme.muted(`   ${this.#at + 1} of ${this.#shown.length}`));
    return [...head, ...lines, ...foot];
  }

  #line({ label, description = "" }: Choice<V>, chosen: boolean, width: number): string {
    const theme = this.#theme;
    const mark = chosen ? theme.accent(" → ") : "   ";
    const name = truncateToWidth(label, Math.max(1, width - 4), "…");
    const room = width - 5 - visibleWidth(name);
    const more = room < 8 ? "" : theme.muted(`  ${truncateToWidth(description, room, "…")}`);
    return mark + (chosen ? theme.select.selectedText(name) : name) + more;
  }

  #move(by: number, around: boolean): void {
    const count = this.#shown.length;
    if (count === 0) return;
    const to = this.#at + by;
    this.#at = around ? (to + count) % count : Math.max(0, Math.min(count - 1, to));
  }

  #filter(): void {
    const query = this.#input.getValue().trim();
    this.#shown = query === ""
      ? this.#choices
      : fuzzyFilter([...this.#choices], query, ({ label, description }) => `${label} ${description ?? ""}`);
    this.#at = Math.max(0, Math.min(this.#at, this.#shown.length - 1));
  }
}
