// The editor for messages: pi-tui's own, with history, completion of slash commands, and the keys that send.
import { Editor, type TUI } from "@mariozechner/pi-tui";
import { isKey } from "../key_bindings.ts";
import type { Theme } from "../view/theme.ts";
import type { Panel } from "./panel.ts";
import { type SlashCommand, SlashCompletion } from "./slash_completion.ts";

/** Whom the editor tells. */
export interface PromptListener {
  /** A message is to be sent. */
  submit(text: string, behavior: "steer" | "followUp"): void;
  /** What was pasted; returns what stands in the editor for it, or undefined to paste it as it is. */
  pasted(text: string): string | undefined;
}

// deno-lint-ignore no-control-regex
const PASTE = /^\x1b\[200~([^]*)\x1b\[201~$/;

/** The editor. */
export class PromptPanel implements Panel {
  room = 10;
  readonly #editor: Editor;
  readonly #listener: PromptListener;

  constructor(tui: TUI, theme: Theme, commands: () => readonly SlashCommand[], listener: PromptListener) {
    this.#listener = listener;
    this.#editor = new Editor(tui, theme.editor, { autocompleteMaxVisible: 6 });
    this.#editor.setAutocompleteProvider(new SlashCompletion(commands));
    this.#editor.onSubmit = (text) => listener.submit(text, "steer");
  }

  get focused(): boolean {
    return this.#editor.focused;
  }

  set focused(on: boolean) {
    this.#editor.focused = on;
  }

  /** What is written, with pasted texts in place of their marks. */
  get text(): string {
    return this.#editor.getExpandedText();
  }

  /** @param text harmless already */
  set text(text: string) {
    this.#editor.setText(text);
  }

  /** Whether Esc and Enter are the completion's at the moment. */
  get completing(): boolean {
    return this.#editor.isShowingAutocomplete();
  }

  /** Puts a text where the cursor is. */
  insert(text: string): void {
    this.#editor.insertTextAtCursor(text);
  }

  /** Remembers a message for the arrow keys. */
  remember(text: string): void {
    this.#editor.addToHistory(text);
  }

  handleInput(data: string): void {
    if (isKey(data, "app.message.followUp")) {
      const { text } = this;
      this.#editor.setText("");
      return this.#listener.submit(text.trim(), "followUp");
    }
    const pasted = PASTE.exec(data)?.[1];
    const standsFor = pasted === undefined ? undefined : this.#listener.pasted(pasted);
    if (standsFor === undefined) this.#editor.handleInput(data);
    else this.insert(standsFor);
  }

  invalidate(): void {
    this.#editor.invalidate();
  }

  render(width: number): string[] {
    return this.#editor.render(width);
  }
}
