// The keys of this client itself: what each does, and when it is not the panel's. The rows are looked through from
// the top; a key that is in none of them goes to the panel that has the keys.
import { type KeyId, matchesKey } from "@mariozechner/pi-tui";
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
  /** Empties the editor; the second time detaches. */
  clear(): void;
  nextModel(tab: SessionTab, direction: "forward" | "backward"): void;
  nextLevel(tab: SessionTab): void;
  /** Makes the arrow keys lead to the session's earlier messages. */
  remember(): void;
  /** Takes the messages that wait back into the editor. */
  takeBack(tab: SessionTab): void;
}

interface Row {
  readonly keys: readonly KeyId[];
  /** `always`: whatever panel there is; else the editor must have the keys. */
  readonly when: "always" | "writing" | "empty" | "not completing";
  /** Whether the panel gets the key as well. */
  readonly shared?: true;
  run(target: KeyTarget): void;
}

/** A row for a key that needs a session. */
function ofSession(key: KeyId, run: (target: KeyTarget, tab: SessionTab) => void): Row {
  return {
    keys: [key],
    when: "writing",
    run: (target) => {
      if (target.session !== undefined) run(target, target.session);
    },
  };
}

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"] as const;

const ROWS: readonly Row[] = [
  ...DIGITS.map((digit): Row => ({
    keys: [`alt+${digit}`],
    when: "always",
    run: (target) => target.showNumber(Number(digit)),
  })),
  { keys: ["alt+k"], when: "always", run: (target) => target.turn(-1) },
  { keys: ["alt+j"], when: "always", run: (target) => target.turn(1) },
  { keys: ["shift+up"], when: "always", run: ({ view }) => view?.scroll(-1) },
  { keys: ["shift+down"], when: "always", run: ({ view }) => view?.scroll(1) },
  { keys: ["up"], when: "empty", shared: true, run: (target) => target.remember() },
  { keys: ["pageUp"], when: "writing", run: ({ view }) => view?.scroll(-view.page) },
  { keys: ["pageDown"], when: "writing", run: ({ view }) => view?.scroll(view.page) },
  { keys: ["ctrl+home"], when: "writing", run: ({ view }) => view?.toTop() },
  { keys: ["ctrl+end"], when: "writing", run: ({ view }) => view?.follow() },
  { keys: ["ctrl+o"], when: "writing", run: ({ view }) => view?.unfold({ tools: !view.unfolded.tools }) },
  {
    keys: ["ctrl+t"],
    when: "writing",
    run: ({ view }) => view?.unfold({ thinking: !view.unfolded.thinking }),
  },
  { keys: ["alt+s"], when: "writing", run: (target) => target.sessions() },
  { keys: ["alt+n"], when: "writing", run: (target) => target.newSession("") },
  { keys: ["ctrl+d"], when: "empty", run: (target) => target.detach() },
  { keys: ["ctrl+c"], when: "writing", run: (target) => target.clear() },
  { keys: ["escape"], when: "not completing", run: (target) => target.escape() },
  ofSession("alt+w", (target, tab) => target.closeTab(tab)),
  ofSession("ctrl+l", (target, tab) => target.model(tab, "")),
  ofSession("ctrl+p", (target, tab) => target.nextModel(tab, "forward")),
  ofSession("shift+ctrl+p", (target, tab) => target.nextModel(tab, "backward")),
  ofSession("shift+tab", (target, tab) => target.nextLevel(tab)),
  ofSession("alt+up", (target, tab) => target.takeBack(tab)),
];

/** Whether a key was one of this client's own; what it does is done then. */
export function ownKey(data: string, target: KeyTarget): boolean {
  for (const { keys, when, shared, run } of ROWS) {
    if (!keys.some((key) => matchesKey(data, key))) continue;
    if (when !== "always" && !target.writing) continue;
    if ((when === "empty" && !target.empty) || (when === "not completing" && target.completing)) continue;
    run(target);
    return shared !== true;
  }
  return false;
}

/** The keys, for the help. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ["Enter", "send; while it works: steer"],
  ["Alt+Enter", "follow up, after the run"],
  ["Alt+Up", "take back what waits"],
  ["Esc", "stop what runs; twice: the tree"],
  ["Ctrl+J, Shift+Enter", "new line"],
  ["!command, !!command", "shell; with !! the model sees nothing of it"],
  ["PageUp, PageDown", "scroll; Shift+Up, Shift+Down by a line"],
  ["Ctrl+Home, Ctrl+End", "to the beginning, to the end"],
  ["Ctrl+O, Ctrl+T", "unfold tools, unfold thinking"],
  ["Alt+S", "sessions: live, parked, stored"],
  ["Alt+N, Alt+W", "new session, close the tab"],
  ["Alt+1 … Alt+9", "go to a tab; Alt+J the next one, Alt+K the one before"],
  ["Ctrl+L", "model; Ctrl+P the next one"],
  ["Shift+Tab", "next thinking level"],
  ["Ctrl+C", "empty the editor; twice: detach"],
  ["Ctrl+D", "detach; everything goes on"],
];
