// The sessions that are open in this client, and which of them is shown.
import type { Client } from "../../../client/mod.ts";
import type { Io } from "../../../runtime/terminal/io.ts";
import { SessionTab, type TabListener } from "./session_tab.ts";

/** The open sessions, in the order in which they were opened. */
export class Tabs {
  readonly #client: Client;
  readonly #listener: TabListener;
  readonly #after: Io["after"];
  readonly #tabs: SessionTab[] = [];
  #shown: SessionTab | undefined;

  constructor(client: Client, listener: TabListener, after: Io["after"]) {
    this.#client = client;
    this.#listener = listener;
    this.#after = after;
  }

  get all(): readonly SessionTab[] {
    return this.#tabs;
  }

  get shown(): SessionTab | undefined {
    return this.#shown;
  }

  /** Shows a session, and opens it first when it is not. Throws when it cannot be opened. */
  async open(sessionId: string): Promise<SessionTab> {
    const known = this.#tabs.find(({ id }) => id === sessionId);
    if (known !== undefined) {
      this.show(known);
      return known;
    }
    const before = this.#shown;
    const tab = new SessionTab(sessionId, this.#client, this.#listener, this.#after);
    this.#tabs.push(tab);
    this.show(tab);
    try {
      await tab.open();
    } catch (error) {
      this.remove(tab);
      if (before !== undefined) this.show(before);
      throw error;
    }
    this.#listener.changed();
    return tab;
  }

  show(tab: SessionTab): void {
    if (!this.#tabs.includes(tab)) return;
    this.#shown = tab;
    tab.seen();
    this.#listener.dialogs(tab);
    this.#listener.changed();
  }

  /** Shows the next tab, or the one before. */
  turn(by: 1 | -1): void {
    const at = this.#shown === undefined ? 0 : this.#tabs.indexOf(this.#shown);
    const next = this.#tabs[(at + by + this.#tabs.length) % this.#tabs.length];
    if (next !== undefined) this.show(next);
  }

  /** Shows the tab of that number, from 1. */
  showNumber(number: number): void {
    const tab = this.#tabs[number - 1];
    if (tab !== undefined) this.show(tab);
  }

  /** Takes a tab away; the session goes on. */
  remove(tab: SessionTab): void {
    const at = this.#tabs.indexOf(tab);
    if (at < 0) return;
    this.#tabs.splice(at, 1);
    void tab.close();
    if (this.#shown !== tab) return;
    this.#shown = undefined;
    const next = this.#tabs[Math.min(at, this.#tabs.length - 1)];
    if (next !== undefined) this.show(next);
    else this.#listener.changed();
  }
}
