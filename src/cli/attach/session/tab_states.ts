// What the screen keeps of each open session beside the session itself: its window, the draft in the editor, and the
// slash commands that its pi has.
import type { Client } from "../../../client/mod.ts";
import type { SlashCommand } from "../dialogs/slash_completion.ts";
import { sanitizeLine } from "../view/sanitize.ts";
import type { Theme } from "../view/theme.ts";
import { TranscriptView } from "../view/transcript_view.ts";
import type { SessionTab } from "./session_tab.ts";

/** What is kept of one session. */
export interface TabState {
  readonly view: TranscriptView;
  /** What was written in the editor when another tab was shown. */
  draft: string;
  commands: readonly SlashCommand[];
  /** Whether the arrow keys lead to the messages that the session had before. */
  remembered: boolean;
}

/** Earlier messages of a session that the arrow keys lead to. */
const REMEMBERED = 50;

/** The states of all open sessions. */
export class TabStates {
  readonly #client: Client;
  readonly #theme: Theme;
  readonly #states = new Map<SessionTab, TabState>();

  constructor(client: Client, theme: Theme) {
    this.#client = client;
    this.#theme = theme;
  }

  /** The state of a session; a new one the first time. */
  of(tab: SessionTab): TabState {
    let state = this.#states.get(tab);
    if (state === undefined) {
      const view = new TranscriptView(tab.transcript, this.#theme, () => tab.older());
      state = { view, draft: "", commands: [], remembered: false };
      this.#states.set(tab, state);
      this.learnCommands(tab);
    }
    return state;
  }

  /** Keeps a draft, if the session is still open. */
  keepDraft(tab: SessionTab, draft: string): void {
    const state = this.#states.get(tab);
    if (state !== undefined) state.draft = draft;
  }

  forget(tab: SessionTab): void {
    this.#states.delete(tab);
  }

  /** Earlier messages of the session, oldest first; none the second time. */
  earlier(tab: SessionTab): readonly string[] {
    const state = this.of(tab);
    if (state.remembered) return [];
    state.remembered = true;
    const texts = tab.transcript.items.flatMap((item) => item.kind === "user" ? [item.text] : []);
    return texts.slice(-REMEMBERED);
  }

  /** Asks for the session's slash commands. */
  learnCommands(tab: SessionTab): void {
    const load = async (): Promise<void> => {
      const { commands } = await this.#client.request("get_commands", { sessionId: tab.id });
      const state = this.#states.get(tab);
      if (state === undefined) return;
      state.commands = commands.map(({ name, description = "" }) => ({
        name: sanitizeLine(name),
        description: sanitizeLine(description),
      }));
    };
    // A session that cannot be opened says so itself.
    void load().catch(() => {});
  }
}
