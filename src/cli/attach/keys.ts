// The keys of this client itself: what each does, and when it is not the panel's. The rows are looked through from
// the top; a key that is in none of them goes to the panel that has the keys.
import type { KeyId } from "@mariozechner/pi-tui";
import { type Action, isKey, keyName } from "./key_bindings.ts";
import type { CommandTarget } from "./local_commands.ts";
import type { SessionTab } from "./session/session_tab.ts";
import type { TranscriptView } from "./view/transcript_view.ts";

/** What keys act on. */
export interface KeyTarget extends CommandTarget {
  readonly view: TranscriptView | undefined;
  /** The session that is shown. */
  readonly session: SessionTab | undefined;
  /** Whether the editor for messages has the keys. */
  readonly writing: boolean;
  /** Whether there is nothing in it. */
  readonly empty: boolean;
  /** Whether Esc is the completion's at the moment. */
  readonly completing: boolean;
  /** Shows the next tab, or the one before. */
  turn(by: 1 | -1): void;
  showNumber(number: number): void;
  /** Stops what runs. */
  escape(): void;
  /** Empties the editor; the second time detaches. `key` names the key to press again. */
  clear(key: string): void;
  nextModel(tab: SessionTab, direction: "forward" | "backward"): void;
  nextLevel(tab: SessionTab): void;
  /** Makes the arrow keys lead to the session's earlier messages. */
  remember(): void;
  /** Takes the messages that wait back into the editor. */
  takeBack(tab: SessionTab): void;
  /** Puts a mark for the clipboard's image into the editor. */
  pasteImage(): void;
}

interface Row {
  /** A key that is always the same, or an action whose keys the person may set. */
  readonly on: KeyId | Action;
  /** `always`: whatever panel there is; else the editor must have the keys. */
  readonly when: "always" | "writing" | "empty" | "not completing";
  /** Whether the panel gets the key as well. */
  readonly shared?: true;
  run(target: KeyTarget): void;
}

/** A row for a key that needs a session. */
function ofSession(on: Row["on"], run: (target: KeyTarget, tab: SessionTab) => void): Row {
  return {
    on,
    when: "writing",
    run: (target) => {
      if (target.session !== undefined) run(target, target.session);
    },
  };
}

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"] as const;

const ROWS: readonly Row[] = [
  ...DIGITS.map((digit): Row => ({
    on: `alt+${digit}`,
    when: "always",
    run: (target) => target.showNumber(Number(digit)),
  })),
  { on: "alt+k", when: "always", run: (target) => target.turn(-1) },
  { on: "alt+j", when: "always", run: (target) => target.turn(1) },
  { on: "shift+up", when: "always", run: ({ view }) => view?.scroll(-1) },
  { on: "shift+down", when: "always", run: ({ view }) => view?.scroll(1) },
  { on: "up", when: "empty", shared: true, run: (target) => target.remember() },
  { on: "pageUp", when: "writing", run: ({ view }) => view?.scroll(-view.page) },
  { on: "pageDown", when: "writing", run: ({ view }) => view?.scroll(view.page) },
  { on: "ctrl+home", when: "writing", run: ({ view }) => view?.toTop() },
  { on: "ctrl+end", when: "writing", run: ({ view }) => view?.follow() },
  {
    on: "app.tools.expand",
    when: "writing",
    run: ({ view }) => view?.unfold({ tools: !view.unfolded.tools }),
  },
  {
    on: "app.thinking.toggle",
    when: "writing",
    run: ({ view }) => view?.unfold({ thinking: !view.unfolded.thinking }),
  },
  { on: "app.session.resume", when: "writing", run: (target) => target.sessions() },
  { on: "app.session.new", when: "writing", run: (target) => target.newSession("") },
  { on: "app.exit", when: "empty", run: (target) => target.detach() },
  { on: "app.clear", when: "writing", run: (target) => target.clear(keyName("app.clear")) },
  { on: "app.interrupt", when: "not completing", run: (target) => target.escape() },
  { on: "app.clipboard.pasteImage", when: "writing", run: (target) => target.pasteImage() },
  ofSession("app.session.tree", (target, tab) => target.tree(tab)),
  ofSession("app.session.fork", (target, tab) => target.fork(tab)),
  ofSession("alt+w", (target, tab) => target.closeTab(tab)),
  ofSession("app.model.select", (target, tab) => target.model(tab, "")),
  ofSession("app.model.cycleForward", (target, tab) => target.nextModel(tab, "forward")),
  ofSession("app.model.cycleBackward", (target, tab) => target.nextModel(tab, "backward")),
  ofSession("app.thinking.cycle", (target, tab) => target.nextLevel(tab)),
  ofSession("app.message.dequeue", (target, tab) => target.takeBack(tab)),
];

/** Whether a key was one of this client's own; what it does is done then. */
export function ownKey(data: string, target: KeyTarget): boolean {
  for (const { on, when, shared, run } of ROWS) {
    if (!isKey(data, on)) continue;
    if (when !== "always" && !target.writing) continue;
    if ((when === "empty" && !target.empty) || (when === "not completing" && target.completing)) continue;
    run(target);
    return shared !== true;
  }
  return false;
}

/** The keys, for the help. */
export function keyHelp(): readonly (readonly [keys: string, what: string])[] {
  const name = keyName;
  return [
    ["Enter", "send; while it works: steer"],
    [name("app.message.followUp"), "follow up, after the run"],
    [name("app.message.dequeue"), "take waiting messages back"],
    [name("app.interrupt"), "stop what runs; twice: the tree"],
    ["Ctrl+J, Shift+Enter", "new line"],
    [name("app.clipboard.pasteImage"), "paste an image from the clipboard"],
    ["!command, !!command", "shell; with !! hidden from the model"],
    ["PageUp, PageDown", "scroll; Shift+Up, Shift+Down by a line"],
    ["Ctrl+Home, Ctrl+End", "to the beginning, to the end"],
    [`${name("app.tools.expand")}, ${name("app.thinking.toggle")}`, "unfold tools, unfold thinking"],
    [name("app.session.resume"), "sessions: live, parked, stored"],
    [`${name("app.session.new")}, Alt+W`, "new session, close the tab"],
    ["Alt+1 … Alt+9", "go to a tab; Alt+J the next one, Alt+K the one before"],
    [name("app.model.select"), `model; ${name("app.model.cycleForward")} the next one`],
    [name("app.thinking.cycle"), "next thinking level"],
    [name("app.clear"), "empty the editor; twice: detach"],
    [name("app.exit"), "detach; the sessions go on"],
  ];
}
