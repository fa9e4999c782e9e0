// The panel for a dialog of an extension, as pi shows it: options to choose from, yes or no, a line, a text.
import type { TUI } from "@mariozechner/pi-tui";
import type { OpenDialog } from "../session/session_tab.ts";
import { sanitize, sanitizeLine } from "../view/sanitize.ts";
import type { Theme } from "../view/theme.ts";
import { ChoiceList } from "./choice_list.ts";
import type { Panel } from "./panel.ts";
import { EditorPanel, LinePanel } from "./text_panel.ts";

/** Makes the panel; it answers the dialog. */
export function dialogPanel(open: OpenDialog, theme: Theme, tui: TUI): Panel {
  const { dialog, answer } = open;
  const title = sanitizeLine(dialog.title) || "A question";
  const cancel = (): void => answer(null);
  const question = {
    title,
    ...(dialog.placeholder === undefined ? {} : { placeholder: dialog.placeholder }),
    ...(dialog.prefill === undefined ? {} : { text: dialog.prefill }),
    answer,
    cancel,
  };
  switch (dialog.method) {
    case "select": {
      const options = dialog.options ?? [];
      const choices = options.map((value) => ({ value, label: sanitizeLine(value) }));
      return new ChoiceList(theme, {
        title,
        choices,
        searchable: options.length > 9,
        choose: answer,
        cancel,
      });
    }
    case "confirm":
      return new ChoiceList(theme, {
        title,
        text: sanitize(dialog.message ?? ""),
        choices: [{ value: true, label: "Yes" }, { value: false, label: "No" }],
        searchable: false,
        choose: answer,
        cancel,
      });
    case "input":
      return new LinePanel(theme, question);
    case "editor":
      return new EditorPanel(theme, tui, question);
  }
}
