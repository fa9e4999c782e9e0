// The slash commands of this client itself. What is not among them goes to pi.
import type { SlashCommand } from "./dialogs/slash_completion.ts";
import type { SessionTab } from "./session/session_tab.ts";

/** What the commands act on. */
export interface CommandTarget {
  newSession(name: string): void;
  sessions(): void;
  model(tab: SessionTab, search: string): void;
  level(tab: SessionTab): void;
  rename(tab: SessionTab, name: string): void;
  trust(tab: SessionTab): void;
  deleteSession(tab: SessionTab): void;
  tree(tab: SessionTab): void;
  fork(tab: SessionTab): void;
  closeTab(tab: SessionTab): void;
  compact(tab: SessionTab, instructions: string): void;
  reload(tab: SessionTab): void;
  exportHtml(tab: SessionTab, path: string): void;
  help(): void;
  detach(): void;
}

interface LocalCommand extends SlashCommand {
  run(target: CommandTarget, tab: SessionTab | undefined, rest: string): void;
}

/** A command that needs a session. */
function ofTab(
  name: string,
  description: string,
  run: (target: CommandTarget, tab: SessionTab, rest: string) => void,
): LocalCommand {
  return {
    name,
    description,
    run: (target, tab, rest) => {
      if (tab !== undefined) run(target, tab, rest);
    },
  };
}

/** The commands, in the order in which they are offered. */
export const LOCAL_COMMANDS: readonly LocalCommand[] = [
  { name: "new", description: "New session [name]", run: (target, _tab, rest) => target.newSession(rest) },
  { name: "resume", description: "Choose a session", run: (target) => target.sessions() },
  ofTab("model", "Choose the model", (target, tab, rest) => target.model(tab, rest)),
  ofTab("thinking", "Choose the thinking level", (target, tab) => target.level(tab)),
  ofTab("tree", "Continue from another entry", (target, tab) => target.tree(tab)),
  ofTab("fork", "Fork before a message", (target, tab) => target.fork(tab)),
  ofTab("name", "Rename the session", (target, tab, rest) => target.rename(tab, rest)),
  ofTab("trust", "Trust the folder's own code, in a new session", (target, tab) => target.trust(tab)),
  ofTab("delete", "Delete the session", (target, tab) => target.deleteSession(tab)),
  ofTab("close", "Close the tab; the session goes on", (target, tab) => target.closeTab(tab)),
  ofTab("compact", "Summarise the older messages", (target, tab, rest) => target.compact(tab, rest)),
  ofTab("reload", "Load extensions and settings again", (target, tab) => target.reload(tab)),
  ofTab("export", "Write the session as a web page", (target, tab, rest) => target.exportHtml(tab, rest)),
  { name: "hotkeys", description: "Show the keys", run: (target) => target.help() },
  { name: "quit", description: "Detach; the sessions go on", run: (target) => target.detach() },
];

/** The command that a text is, if it is one of this client's; the rest of the text goes with it. */
export function localCommand(text: string): { command: LocalCommand; rest: string } | undefined {
  const [, name, rest = ""] = /^\/(\S+)\s*([^]*)$/.exec(text) ?? [];
  const command = LOCAL_COMMANDS.find((each) => each.name === name);
  return command === undefined ? undefined : { command, rest: rest.trim() };
}
