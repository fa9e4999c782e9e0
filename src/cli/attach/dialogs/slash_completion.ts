// Completes slash commands in the editor: the client's own, and those that the session's pi has.
import { type AutocompleteItem, type AutocompleteProvider, fuzzyFilter } from "@mariozechner/pi-tui";

/** A command that can be completed; its texts are harmless already. */
export interface SlashCommand {
  readonly name: string;
  readonly description: string;
}

type Suggestions = Awaited<ReturnType<AutocompleteProvider["getSuggestions"]>>;
type Completed = ReturnType<AutocompleteProvider["applyCompletion"]>;

/** Offers the commands that `list` returns at that moment. */
export class SlashCompletion implements AutocompleteProvider {
  readonly #list: () => readonly SlashCommand[];

  constructor(list: () => readonly SlashCommand[]) {
    this.#list = list;
  }

  getSuggestions(lines: string[], cursorLine: number, cursorCol: number): Promise<Suggestions> {
    const prefix = (lines[cursorLine] ?? "").slice(0, cursorCol);
    if (cursorLine !== 0 || !/^\/\S*$/.test(prefix)) return Promise.resolve(null);
    const all = this.#list();
    const query = prefix.slice(1);
    const found = query === "" ? all : fuzzyFilter([...all], query, ({ name }) => name);
    const items: AutocompleteItem[] = found.map(({ name, description }) => ({
      value: name,
      label: name,
      description,
    }));
    return Promise.resolve(items.length === 0 ? null : { items, prefix });
  }

  applyCompletion(
    lines: string[],
    cursorLine: number,
    cursorCol: number,
    item: AutocompleteItem,
    prefix: string,
  ): Completed {
    const line = lines[cursorLine] ?? "";
    const start = `${line.slice(0, cursorCol - prefix.length)}/${item.value} `;
    const completed = [...lines];
    completed[cursorLine] = start + line.slice(cursorCol);
    return { lines: completed, cursorLine, cursorCol: start.length };
  }
}
