// What a person does with sessions beside talking: choose, make, rename and delete them, change model and level, go
// back in the tree. Each shows a panel where there is something to choose, and sends the command.
import { keyName } from "../key_bindings.ts";
import type { KeyId } from "@mariozechner/pi-tui";
import { type Client, pages, RequestError } from "../../../client/mod.ts";
import type { Model, SessionInfo, StoredSession } from "../../../protocol/mod.ts";
import { type Choice, ChoiceList, type ChoiceListOptions } from "../dialogs/choice_list.ts";
import type { Panel } from "../dialogs/panel.ts";
import { LinePanel } from "../dialogs/text_panel.ts";
import { sanitizeLine } from "../view/sanitize.ts";
import type { Theme } from "../view/theme.ts";
import { nameOf } from "./session_name.ts";
import { type SessionChoice, sessionChoices } from "./session_choices.ts";
import type { SessionTab } from "./session_tab.ts";
import type { Tabs } from "./tabs.ts";
import { treeChoices } from "./tree_choices.ts";

/** Sessions of one answer. */
const PAGE = 500;

/** What the actions need of the screen. */
export interface Stage {
  /** Puts a panel in the place of the editor. */
  push(panel: Panel): void;
  /** Takes that panel away, if it is still there. */
  pop(panel: Panel): void;
  /** Puts a text into the editor. */
  edit(text: string): void;
  /** Says something where the person sees it. */
  say(level: "info" | "warning" | "error", text: string): void;
  fail(error: unknown): void;
  /** Draws anew. */
  changed(): void;
}

/** The actions of a person. */
export class SessionActions {
  readonly #client: Client;
  readonly #tabs: Tabs;
  readonly #stage: Stage;
  readonly #theme: Theme;
  readonly #cwd: string;
  readonly #now: () => number;

  /** @param cwd where new sessions are made, if the server allows that */
  constructor(client: Client, tabs: Tabs, stage: Stage, theme: Theme, cwd: string, now: () => number) {
    this.#client = client;
    this.#tabs = tabs;
    this.#stage = stage;
    this.#theme = theme;
    this.#cwd = cwd;
    this.#now = now;
  }

  /** Makes a session and shows it. */
  async create(name?: string): Promise<void> {
    const fields = name === undefined || name === "" ? {} : { sessionName: name };
    let elsewhere = false;
    const make = async (): Promise<string> => {
      try {
        return (await this.#client.request("create_session", { ...fields, cwd: this.#cwd })).sessionId;
      } catch (error) {
        const refused = error instanceof RequestError && error.code.startsWith("path_");
        if (!refused) throw error;
        elsewhere = true;
        return (await this.#client.request("create_session", fields)).sessionId;
      }
    };
    const tab = await this.#tabs.open(await make());
    if (!elsewhere) return;
    const works = tab.info === undefined ? "" : `; the session works in ${tab.info.cwd}`;
    tab.note("warning", `${this.#cwd} is not among the server's folders (--root)${works}`);
  }

  /** Makes a session in the same folder that loads the folder's own extensions and settings; the server remembers. */
  async trust(tab: SessionTab): Promise<void> {
    const { cwd } = tab.info ?? {};
    const fields = { ...cwd === undefined ? {} : { cwd }, trustProject: true };
    await this.#tabs.open((await this.#client.request("create_session", fields)).sessionId);
  }

  /** Shows a session by its id, its name, or the beginning of its id; also one that is on disk alone. */
  async show(wanted: string): Promise<void> {
    const sessions: SessionInfo[] = [];
    for await (const page of pages(this.#client, "list_sessions", { limit: PAGE })) sessions.push(...page);
    const exact = sessions.find(({ sessionId }) => sessionId === wanted) ??
      sessions.find(({ sessionName }) => sessionName === wanted);
    const alike = sessions.filter(({ sessionId }) => sessionId.startsWith(wanted));
    const found = exact ?? (alike.length === 1 ? alike[0] : undefined);
    if (found !== undefined) return void await this.#tabs.open(found.sessionId);
    let file: StoredSession | undefined;
    for await (const page of pages(this.#client, "list_stored_sessions", { limit: PAGE })) {
      file = page.find(({ sessionId, sessionName }) => sessionId === wanted || sessionName === wanted);
      if (file !== undefined) break;
    }
    if (file === undefined) {
      const several = alike.length > 1 ? `${alike.length} sessions begin with` : "there is no session";
      throw new Error(`${several} ${wanted}; pi-server attach without a name lists them`);
    }
    await this.#take({ kind: "stored", session: file });
  }

  /** Lets the person choose among all sessions. */
  async pick(): Promise<void> {
    const load = (): Promise<Choice<SessionChoice>[]> => sessionChoices(this.#client, this.#now());
    const panel = this.#choose<SessionChoice>({
      title: "Sessions (type to search)",
      choices: await load(),
      searchable: true,
      empty: "there is no session; Ctrl+N makes one",
      hint: `Enter open · Ctrl+N new · ${keyName("app.session.rename")} rename · Ctrl+X delete · Esc close`,
      choose: (choice) => this.#take(choice),
      keys: {
        "ctrl+n": () => this.#leave(panel, () => this.create()),
        "app.session.rename": (choice) => {
          if (choice === undefined) return;
          if (choice.kind === "stored") return this.#stage.say("info", "Open the session first to rename it");
          this.#rename(choice.session.sessionId, choice.session.sessionName ?? "", reload);
        },
        "ctrl+x": (choice) => {
          if (choice === undefined) return;
          if (choice.kind === "stored") {
            return this.#stage.say("info", "A session file is not deleted from here");
          }
          this.#delete(choice.session, reload);
        },
      },
    });
    const reload = async (): Promise<void> => {
      panel.setChoices(await load());
      this.#stage.changed();
    };
  }

  rename(tab: SessionTab, name: string): void {
    if (name === "") this.#rename(tab.id, tab.info?.sessionName ?? "");
    else this.#run(() => this.#client.request("set_session_name", { sessionId: tab.id, name }));
  }

  delete(tab: SessionTab): void {
    if (tab.info !== undefined) this.#delete(tab.info);
  }

  /** Lets the person choose a model. */
  async model(tab: SessionTab, search = ""): Promise<void> {
    const { models } = await this.#client.request("get_available_models", { sessionId: tab.id });
    const current = tab.info?.model;
    const same = (model: Model): boolean => model.provider === current?.provider && model.id === current.id;
    const set = ({ provider, id }: Model): Promise<unknown> =>
      this.#client.request("set_model", { sessionId: tab.id, provider, modelId: id });
    const named = models.find(({ provider, id }) =>
      search !== "" && (id === search || `${provider}/${id}` === search)
    );
    if (named !== undefined) return void await set(named);
    const panel = this.#choose<Model>({
      title: "Model",
      choices: models.map((model) => ({
        value: model,
        label: sanitizeLine(model.id),
        description: `${sanitizeLine(model.provider)}${same(model) ? " · current" : ""}`,
      })),
      selected: Math.max(0, models.findIndex(same)),
      searchable: true,
      empty: "pi has no credentials for any model; add some with pi, then /reload",
      choose: set,
    });
    for (const character of search) panel.handleInput(character);
  }

  /** Lets the person choose how much the model thinks. */
  level(tab: SessionTab): void {
    this.#run(async () => {
      const current = tab.info?.thinkingLevel;
      const { levels } = await this.#client.request("get_available_thinking_levels", { sessionId: tab.id });
      this.#choose<typeof levels[number]>({
        title: "Thinking level",
        choices: levels.map((level) => ({
          value: level,
          label: level,
          ...(level === current ? { description: "current" } : {}),
        })),
        selected: Math.max(0, levels.findIndex((level) => level === current)),
        searchable: false,
        choose: (level) => this.#client.request("set_thinking_level", { sessionId: tab.id, level }),
      });
    });
  }

  /** The next level of the model. */
  nextLevel(tab: SessionTab): void {
    this.#run(async () => {
      const data = await this.#client.request("cycle_thinking_level", { sessionId: tab.id });
      if (data === null) tab.note("info", "The model does not think");
    });
  }

  /** The next model that is available. */
  nextModel(tab: SessionTab, direction: "forward" | "backward"): void {
    this.#run(async () => {
      const data = await this.#client.request("cycle_model", { sessionId: tab.id, direction });
      if (data === null) tab.note("info", "There is no other model");
    });
  }

  /** Lets the person go on from another entry of the session's tree. */
  async tree(tab: SessionTab): Promise<void> {
    const { nodes, currentLeafId } = await this.#client.request("get_tree", { sessionId: tab.id });
    const choices = treeChoices(nodes, currentLeafId);
    this.#choose<string>({
      title: "Go on from",
      choices,
      selected: Math.max(0, choices.findIndex(({ value }) => value === currentLeafId)),
      searchable: true,
      empty: "the session is empty",
      choose: async (targetId) => {
        const data = await this.#client.request("navigate_tree", { sessionId: tab.id, targetId });
        if (data.cancelled) return tab.note("warning", "An extension has refused the change");
        await tab.reload();
        if (data.editorText !== undefined) this.#stage.edit(data.editorText);
      },
    });
  }

  /** Lets the person fork the session before one of the messages. */
  async fork(tab: SessionTab): Promise<void> {
    const { messages } = await this.#client.request("get_fork_messages", { sessionId: tab.id });
    this.#choose<string>({
      title: "Fork before",
      choices: messages.map(({ entryId, text }) => ({
        value: entryId,
        label: sanitizeLine(text.slice(0, 500)),
      })),
      selected: Math.max(0, messages.length - 1),
      searchable: true,
      empty: "the session has no message yet",
      choose: async (entryId) => {
        const data = await this.#client.request("fork", { sessionId: tab.id, entryId });
        if (data.cancelled) return tab.note("warning", "An extension has prevented the fork");
        this.#stage.edit(data.text);
      },
    });
  }

  async #take(choice: SessionChoice): Promise<void> {
    if (choice.kind === "known") return void await this.#tabs.open(choice.session.sessionId);
    const { liveSessionId, sessionPath } = choice.session;
    if (liveSessionId !== undefined) return void await this.#tabs.open(liveSessionId);
    const { sessionId } = await this.#client.request("load_session", { sessionPath });
    await this.#tabs.open(sessionId);
  }

  #rename(sessionId: string, name: string, after?: () => Promise<void>): void {
    const panel: LinePanel = new LinePanel(this.#theme, {
      title: "New name of the session",
      text: name,
      answer: (text) =>
        this.#leave(panel, async () => {
          if (text.trim() !== "") {
            await this.#client.request("set_session_name", { sessionId, name: text.trim() });
          }
          await after?.();
        }),
      cancel: () => this.#stage.pop(panel),
    });
    this.#stage.push(panel);
  }

  #delete(session: SessionInfo, after?: () => Promise<void>): void {
    const { sessionId } = session;
    this.#choose<boolean>({
      title: `Delete ${nameOf(session)}?`,
      text: session.sessionFile === undefined
        ? "The session exists only in memory: its history is lost."
        : "Its run stops. The session file stays, and you can open the session again from it.",
      choices: [{ value: false, label: "No" }, { value: true, label: "Yes, delete it" }],
      searchable: false,
      choose: async (yes) => {
        if (yes) await this.#client.request("delete_session", { sessionId });
        await after?.();
      },
    });
  }

  /** Shows a list; what is chosen goes to `choose` once the list is away. */
  #choose<V>(
    options: Omit<ChoiceListOptions<V>, "choose" | "cancel"> & {
      choose(value: V): unknown;
      readonly keys?: Readonly<Partial<Record<KeyId, (value: V) => void>>>;
    },
  ): ChoiceList<V> {
    const panel: ChoiceList<V> = new ChoiceList<V>(this.#theme, {
      ...options,
      choose: (value) => this.#leave(panel, async () => void await options.choose(value)),
      cancel: () => this.#stage.pop(panel),
    });
    this.#stage.push(panel);
    return panel;
  }

  #leave(panel: Panel, act: () => Promise<unknown>): void {
    this.#stage.pop(panel);
    this.#run(act);
  }

  #run(act: () => Promise<unknown>): void {
    void act().catch((error: unknown) => this.#stage.fail(error)).finally(() => this.#stage.changed());
  }
}
