// The client on its screen: which panel has the keys, what each key does, and what the screen shows. It knows the
// sessions through their tabs, and the server through the client library alone.
import { TUI } from "@mariozechner/pi-tui";
import { type Client, pages } from "../../client/mod.ts";
import type { Timer } from "../../runtime/runtime.ts";
import type { Io } from "../../runtime/terminal/io.ts";
import { ChoiceList } from "./dialogs/choice_list.ts";
import { dialogPanel } from "./dialogs/dialog_panel.ts";
import type { Panel } from "./dialogs/panel.ts";
import { PromptPanel } from "./dialogs/prompt_panel.ts";
import type { SlashCommand } from "./dialogs/slash_completion.ts";
import { keyHelp, type KeyTarget, ownKey } from "./keys.ts";
import { LOCAL_COMMANDS, localCommand } from "./local_commands.ts";
import { imagePath, PastedImages } from "./pasted_images.ts";
import { SessionActions, type Stage } from "./session/session_actions.ts";
import { type OpenDialog, sentenceOf, type SessionTab, type TabListener } from "./session/session_tab.ts";
import { TabStates } from "./session/tab_states.ts";
import { Tabs } from "./session/tabs.ts";
import type { ScreenTerminal } from "./terminal/screen_terminal.ts";
import { type ConnectionState, footerLines, tabLine } from "./view/footer.ts";
import { sanitize, sanitizeLine } from "./view/sanitize.ts";
import { type Scene, Screen } from "./view/screen.ts";
import type { Theme } from "./view/theme.ts";
import { linesAbove, linesBelow, type Notice } from "./view/surroundings.ts";
import type { TranscriptView } from "./view/transcript_view.ts";

/** What the client is made of. */
export interface AppParts {
  readonly client: Client;
  readonly terminal: ScreenTerminal;
  readonly theme: Theme;
  readonly io: Io;
  /** Reads the person's keys again. */
  readKeys(): Promise<void>;
  /** Called once, when the person detaches. */
  detach(): void;
}

const SPINNER_MS = 150;
/** Two presses within this time are one wish. */
const TWICE_MS = 600;

/** The client on its screen. */
export class App implements Scene, TabListener, Stage, KeyTarget {
  readonly #parts: AppParts;
  readonly #tui: TUI;
  readonly #tabs: Tabs;
  readonly #actions: SessionActions;
  readonly #prompt: PromptPanel;
  readonly #images: PastedImages;
  readonly #states: TabStates;
  /** Panels that were opened one above the other by the person. */
  readonly #panels: Panel[] = [];
  #dialog: { readonly open: OpenDialog; readonly panel: Panel } | undefined;
  #edited: SessionTab | undefined;
  #connection: ConnectionState = "connected";
  #notice: Notice | undefined;
  #spin = 0;
  #spinner: Timer | undefined;
  #lastKey = { key: "", at: 0 };
  /** Messages that the person sent before the first session was open; undefined once it is. */
  #early: { readonly text: string; readonly behavior: "steer" | "followUp" }[] | undefined = [];

  constructor(parts: AppParts) {
    this.#parts = parts;
    this.#tui = new TUI(parts.terminal);
    this.#tabs = new Tabs(parts.client, this, parts.io.after);
    this.#actions = new SessionActions(
      parts.client,
      this.#tabs,
      this,
      parts.theme,
      parts.io.cwd(),
      () => parts.io.now(),
    );
    this.#states = new TabStates(parts.client, parts.theme);
    this.#images = new PastedImages(parts.io);
    this.#prompt = new PromptPanel(this.#tui, parts.theme, () => this.#commands(), {
      submit: (text, behavior) => this.#submit(text, behavior),
      pasted: (text) => {
        const path = imagePath(text);
        return path === undefined ? undefined : this.#images.mark(path);
      },
    });
    this.#tui.addChild(new Screen(parts.terminal, this, parts.theme));
    this.#tui.addInputListener((data) => this.#key(data) ? { consume: true } : undefined);
  }

  /** Draws from now on. */
  start(): void {
    this.#tui.start();
    this.#focus();
  }

  /** Draws no more, and gives the terminal back. */
  stop(): void {
    this.#spinner?.clear();
    this.#tui.stop();
  }

  /** Shows what the person asked for: a session, else the list of all, else a new one. */
  async begin(session: string | undefined): Promise<void> {
    this.say("info", "Opening…");
    const opening = this.#notice;
    if (session !== undefined) await this.#actions.show(session);
    else {
      const page = await pages(this.#parts.client, "list_sessions", { limit: 1 }).next();
      const sessions = page.value ?? [];
      await (sessions.length === 0 ? this.#actions.create() : this.#actions.pick());
    }
    if (this.#notice === opening) this.#notice = undefined;
    this.changed();
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const { text, behavior } of early) this.#submit(text, behavior);
  }

  /** The connection is lost, or there again. */
  connection(state: ConnectionState): void {
    this.#connection = state;
    this.changed();
  }

  // The scene.

  get panel(): Panel {
    return this.#panels.at(-1) ?? this.#dialog?.panel ?? this.#prompt;
  }

  get view(): TranscriptView | undefined {
    const { shown } = this.#tabs;
    return shown === undefined ? undefined : this.#states.of(shown).view;
  }

  tabs(width: number): string {
    return tabLine(this.#tabs.all, this.#tabs.shown, width, this.#parts.theme);
  }

  above(): string[] {
    return linesAbove(this.#tabs.shown, this.#notice, this.#spin, this.#parts.theme);
  }

  below(): string[] {
    return linesBelow(this.#tabs.shown, this.#parts.theme);
  }

  footer(width: number): string[] {
    const { io, theme } = this.#parts;
    return footerLines(this.#tabs.shown, this.#connection, io.home(), width, theme);
  }

  // What sessions tell.

  changed(): void {
    const { shown } = this.#tabs;
    if (shown !== this.#edited) this.#switched(shown);
    const title = shown?.widgets.title;
    if (title !== undefined && title !== "") this.#parts.terminal.setTitle(title);
    const works = shown?.activity !== undefined;
    if (works && this.#spinner === undefined) this.#turnSpinner();
    if (!works) {
      this.#spinner?.clear();
      this.#spinner = undefined;
    }
    this.#tui.requestRender();
  }

  dialogs(tab: SessionTab): void {
    if (tab === this.#tabs.shown) this.#showDialog();
    this.changed();
  }

  editorText(tab: SessionTab, text: string): void {
    if (tab === this.#tabs.shown) this.#prompt.text = sanitize(text);
    else this.#states.of(tab).draft = sanitize(text);
    this.changed();
  }

  gone(tab: SessionTab, reason: string): void {
    const name = tab.name;
    this.#states.forget(tab);
    this.#tabs.remove(tab);
    if (this.#connection === "closed") return;
    this.#run(async () => {
      if (this.#tabs.shown === undefined) await this.#actions.pick();
      this.say("warning", `${name}: ${reason}`);
    });
  }

  // What actions need.

  push(panel: Panel): void {
    this.#notice = undefined;
    this.#panels.push(panel);
    this.#focus();
  }

  pop(panel: Panel): void {
    const at = this.#panels.indexOf(panel);
    if (at >= 0) this.#panels.splice(at, 1);
    this.#focus();
  }

  edit(text: string): void {
    this.#prompt.text = sanitize(text);
  }

  say(level: "info" | "warning" | "error", text: string): void {
    this.#notice = { level, text: sanitizeLine(text) };
    this.changed();
  }

  fail(error: unknown): void {
    this.say("error", sentenceOf(error));
  }

  // What slash commands and keys do.

  newSession(name: string): void {
    this.#run(() => this.#actions.create(name));
  }

  sessions(): void {
    this.#run(() => this.#actions.pick());
  }

  model(tab: SessionTab, search: string): void {
    this.#run(() => this.#actions.model(tab, search));
  }

  level(tab: SessionTab): void {
    this.#actions.level(tab);
  }

  rename(tab: SessionTab, name: string): void {
    this.#actions.rename(tab, name);
  }

  trust(tab: SessionTab): void {
    this.#run(() => this.#actions.trust(tab));
  }

  deleteSession(tab: SessionTab): void {
    this.#actions.delete(tab);
  }

  tree(tab: SessionTab): void {
    this.#run(() => this.#actions.tree(tab));
  }

  fork(tab: SessionTab): void {
    this.#run(() => this.#actions.fork(tab));
  }

  closeTab(tab: SessionTab): void {
    this.#states.forget(tab);
    this.#tabs.remove(tab);
    if (this.#tabs.shown === undefined) this.sessions();
  }

  compact(tab: SessionTab, customInstructions: string): void {
    const more = customInstructions === "" ? {} : { customInstructions };
    this.#run(() => this.#parts.client.request("compact", { sessionId: tab.id, ...more }));
  }

  reload(tab: SessionTab): void {
    this.#run(async () => {
      await this.#parts.client.request("reload", { sessionId: tab.id });
      await this.#parts.readKeys();
      this.#states.learnCommands(tab);
      tab.note("info", "Extensions, skills, templates and settings are loaded again");
    });
  }

  exportHtml(tab: SessionTab, outputPath: string): void {
    const more = outputPath === "" ? {} : { outputPath };
    this.#run(async () => {
      const { path, imagesLeftOut: left } = await this.#parts.client.request("export_html", {
        sessionId: tab.id,
        ...more,
      });
      tab.note("info", `Written to ${path}${left === undefined ? "" : `; large images left out: ${left}`}`);
    });
  }

  help(): void {
    const panel: ChoiceList<string> = new ChoiceList(this.#parts.theme, {
      title: "Keys",
      choices: keyHelp().map(([keys, what]) => ({ value: keys, label: keys, description: what })),
      searchable: false,
      hint: "Esc close",
      choose: () => this.pop(panel),
      cancel: () => this.pop(panel),
    });
    this.push(panel);
  }

  detach(): void {
    this.#parts.detach();
  }

  get session(): SessionTab | undefined {
    return this.#tabs.shown;
  }

  get writing(): boolean {
    return this.panel === this.#prompt;
  }

  get empty(): boolean {
    return this.#prompt.text === "";
  }

  get completing(): boolean {
    return this.#prompt.completing;
  }

  turn(by: 1 | -1): void {
    this.#tabs.turn(by);
  }

  showNumber(number: number): void {
    this.#tabs.showNumber(number);
  }

  nextModel(tab: SessionTab, direction: "forward" | "backward"): void {
    this.#actions.nextModel(tab, direction);
  }

  nextLevel(tab: SessionTab): void {
    this.#actions.nextLevel(tab);
  }

  remember(): void {
    const { session } = this;
    if (session === undefined) return;
    for (const text of this.#states.earlier(session)) this.#prompt.remember(text);
  }

  takeBack(tab: SessionTab): void {
    this.#run(async () => {
      const { steering, followUp } = await this.#parts.client.request("clear_queue", { sessionId: tab.id });
      const texts = [...steering, ...followUp, this.#prompt.text].filter((text) => text !== "");
      if (texts.length > 0) this.edit(texts.join("\n\n"));
    });
  }

  pasteImage(): void {
    this.#run(async () => {
      const image = await this.#parts.io.clipboardImage();
      if (image === undefined) return this.say("info", "There is no image in the clipboard");
      this.#prompt.insert(this.#images.markImage(image));
    });
  }

  #run(act: () => Promise<unknown>): void {
    void act().catch((error: unknown) => this.fail(error)).finally(() => this.changed());
  }

  #commands(): readonly SlashCommand[] {
    const { shown } = this.#tabs;
    return [...LOCAL_COMMANDS, ...shown === undefined ? [] : this.#states.of(shown).commands];
  }

  /** Another tab is shown: its own draft stands in the editor. */
  #switched(shown: SessionTab | undefined): void {
    const before = this.#edited;
    if (before !== undefined) this.#states.keepDraft(before, this.#prompt.text);
    this.#edited = shown;
    this.#notice = undefined;
    // What was written before there was a session is meant for the first one.
    if (before !== undefined) this.#prompt.text = shown === undefined ? "" : this.#states.of(shown).draft;
    this.#showDialog();
  }

  #showDialog(): void {
    const open = this.#tabs.shown?.dialog;
    if (open === this.#dialog?.open) return;
    const { theme } = this.#parts;
    this.#dialog = open === undefined ? undefined : { open, panel: dialogPanel(open, theme, this.#tui) };
    this.#focus();
  }

  #focus(): void {
    this.#tui.setFocus(this.panel);
    this.#tui.requestRender();
  }

  #turnSpinner(): void {
    this.#spinner = this.#parts.io.after(SPINNER_MS, () => {
      this.#spin++;
      this.#turnSpinner();
      this.#tui.requestRender();
    });
  }

  #key(data: string): boolean {
    const own = ownKey(data, this);
    this.changed();
    return own;
  }

  /** Whether the same key was pressed just before. */
  #twice(key: string): boolean {
    const at = this.#parts.io.monotonic();
    const twice = this.#lastKey.key === key && at - this.#lastKey.at < TWICE_MS;
    this.#lastKey = { key: twice ? "" : key, at };
    return twice;
  }

  clear(key: string): void {
    if (this.#twice("ctrl+c")) return this.detach();
    this.#prompt.text = "";
    this.say("info", `${key} again detaches; the sessions go on`);
  }

  escape(): void {
    const { shown } = this.#tabs;
    this.#notice = undefined;
    if (shown === undefined) return;
    if (!shown.works && !shown.shellRuns) {
      if (this.#twice("escape")) this.tree(shown);
      return;
    }
    this.#run(async () => {
      const waiting = await shown.abort();
      // What had waited is not lost: it can be sent again.
      if (waiting.length > 0 && this.#prompt.text === "") this.edit(waiting.join("\n\n"));
    });
  }

  #submit(text: string, behavior: "steer" | "followUp"): void {
    if (text.trim() === "") return;
    const { shown } = this.#tabs;
    if (shown === undefined && this.#early !== undefined) {
      this.#early.push({ text, behavior });
      return this.say("info", "Opening… the message is sent then");
    }
    this.#notice = undefined;
    this.#prompt.remember(text);
    const local = localCommand(text);
    if (local !== undefined) return local.command.run(this, shown, local.rest);
    if (shown === undefined) {
      this.edit(text);
      return this.say("warning", "No session is open: /new makes one, /resume lists them");
    }
    this.view?.follow();
    const act = async (): Promise<void> => {
      try {
        await this.#send(shown, text, behavior);
      } catch (error) {
        shown.fail(error);
        // What was not taken can be sent again.
        if (shown === this.#tabs.shown && this.#prompt.text === "") this.edit(text);
      }
    };
    this.#run(act);
  }

  async #send(tab: SessionTab, text: string, behavior: "steer" | "followUp"): Promise<void> {
    if (text.startsWith("!")) {
      const excluded = text.startsWith("!!");
      const command = text.slice(excluded ? 2 : 1).trim();
      if (command !== "") await tab.shell(command, excluded);
      return;
    }
    await tab.prompt(text, behavior, await this.#images.take(text));
  }
}
