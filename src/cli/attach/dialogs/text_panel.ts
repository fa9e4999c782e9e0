// A question that is answered with a text: of one line, or of several in an editor of its own.
import { Editor, getKeybindings, Input, truncateToWidth, type TUI } from "@mariozechner/pi-tui";
import { sanitize, sanitizeLine } from "../view/sanitize.ts";
import type { Theme } from "../view/theme.ts";
import type { Panel } from "./panel.ts";

/** How a question is asked. */
export interface TextQuestion {
  readonly title: string;
  /** What the field holds at first. */
  readonly text?: string;
  /** Shown below an empty field. */
  readonly placeholder?: string;
  answer(text: string): void;
  cancel(): void;
}

/** A question for one line. */
export class LinePanel implements Panel {
  room = 6;
  readonly #theme: Theme;
  readonly #question: TextQuestion;
  readonly #input = new Input();

  constructor(theme: Theme, question: TextQuestion) {
    this.#theme = theme;
    this.#question = question;
    this.#input.setValue(sanitizeLine(question.text ?? ""));
    // The field's own start is its beginning; a person goes on at the end.
    this.#input.handleInput("\x05");
    this.#input.onSubmit = (value) => question.answer(value);
    this.#input.onEscape = () => question.cancel();
  }

  get focused(): boolean {
    return this.#input.focused;
  }

  set focused(on: boolean) {
    this.#input.focused = on;
  }

  handleInput(data: string): void {
    this.#input.handleInput(data);
  }

  invalidate(): void {}

  render(width: number): string[] {
    const { title, placeholder = "" } = this.#question;
    const hint = this.#input.getValue() === "" && placeholder !== ""
      ? ` e.g. ${sanitizeLine(placeholder)}`
      : "";
    return [
      this.#theme.muted("─".repeat(width)),
      this.#theme.bold(truncateToWidth(` ${title}`, width, "…")),
      ...this.#input.render(width),
      this.#theme.muted(truncateToWidth(` Enter answer · Esc cancel${hint}`, width, "…")),
    ];
  }
}

/** A question for a text of several lines. */
export class EditorPanel implements Panel {
  room = 16;
  readonly #theme: Theme;
  readonly #question: TextQuestion;
  readonly #editor: Editor;

  constructor(theme: Theme, tui: TUI, question: TextQuestion) {
    this.#theme = theme;
    this.#question = question;
    this.#editor = new Editor(tui, theme.editor);
    this.#editor.setText(sanitize(question.text ?? ""));
    this.#editor.onSubmit = (text) => question.answer(text);
  }

  get focused(): boolean {
    return this.#editor.focused;
  }

  set focused(on: boolean) {
    this.#editor.focused = on;
  }

  handleInput(data: string): void {
    if (getKeybindings().matches(data, "tui.select.cancel")) this.#question.cancel();
    else this.#editor.handleInput(data);
  }

  invalidate(): void {}

  render(width: number): string[] {
    return [
      this.#theme.bold(truncateToWidth(` ${this.#question.title}`, width, "…")),
      ...this.#editor.render(width),
      this.#theme.muted(
        truncateToWidth(" Enter answer · Shift+Enter or Ctrl+J new line · Esc cancel", width, "…"),
      ),
    ];
  }
}
