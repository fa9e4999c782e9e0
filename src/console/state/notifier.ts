// Tells the person at another window: notifications of the system where the browser and the person allow them, and
// the number of open dialogs in the page's title.
import type { SessionEvent } from "../../client/browser.ts";
import { Cell } from "../app/cell.ts";
import { type Route, sessionHref } from "../app/routes.ts";
import { clip, visible } from "../text/format.ts";
import { text } from "../text/read.ts";
import type { DialogBook } from "./dialog_book.ts";
import { nameOf, type SessionBook } from "./session_book.ts";

const KEY = "pi-server.notify";
const TITLE = "pi-server";

function wanted(): boolean {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}

/** Sends notifications and keeps the title. */
export class Notifier {
  /** `unsupported` where the browser has none, `denied` where it refuses. */
  readonly state = new Cell<"on" | "off" | "denied" | "unsupported">("off");
  readonly #sessions: SessionBook;
  readonly #dialogs: DialogBook;
  readonly #route: Cell<Route>;

  constructor(sessions: SessionBook, dialogs: DialogBook, route: Cell<Route>) {
    this.#sessions = sessions;
    this.#dialogs = dialogs;
    this.#route = route;
    const title = (): void => this.#title();
    dialogs.open.follow(title);
    route.follow(title);
    sessions.entries.follow(title);
    dialogs.onOpen = (dialog) => this.#tell(dialog.sessionId, "asks you", dialog.title);
    if (!("Notification" in globalThis)) this.state.set("unsupported");
    else if (Notification.permission === "denied") this.state.set("denied");
    else if (Notification.permission === "granted" && wanted()) this.state.set("on");
  }

  /** Turns notifications on, which may ask the person, or off. */
  async toggle(): Promise<void> {
    if (this.state.value === "unsupported") return;
    const on = this.state.value !== "on";
    const allowed = on ? await Notification.requestPermission() : "granted";
    this.state.set(allowed === "denied" ? "denied" : on && allowed === "granted" ? "on" : "off");
    try {
      localStorage.setItem(KEY, this.state.value === "on" ? "on" : "off");
    } catch {
      // The choice lives as long as the page.
    }
  }

  /** Takes an event of a session. */
  hear(sessionId: string, event: SessionEvent): void {
    if (event.type === "budget_exceeded") this.#tell(sessionId, "has met its budget", "");
    if (event.type !== "agent_settled" || event["aborted"] === true) return;
    this.#tell(sessionId, text(event, "stopReason") === "error" ? "has failed" : "is done", "");
  }

  #title(): void {
    const open = this.#dialogs.open.value.length;
    const route = this.#route.value;
    const place = route.page === "session"
      ? nameOf(this.#sessions.entries.value.get(route.sessionId)) || route.sessionId
      : { sessions: "Sessions", inbox: "Inbox", server: "Server" }[route.page];
    document.title = `${open > 0 ? `(${open}) ` : ""}${clip(visible(place), 60)} · ${TITLE}`;
  }

  #tell(sessionId: string, what: string, body: string): void {
    const route = this.#route.value;
    const seen = !document.hidden && route.page === "session" && route.sessionId === sessionId;
    if (this.state.value !== "on" || seen) return;
    const name = nameOf(this.#sessions.entries.value.get(sessionId)) || sessionId;
    try {
      const shown = new Notification(`${clip(name, 60)} ${what}`, {
        body: clip(body, 300),
        tag: `${sessionId} ${what}`,
      });
      shown.onclick = () => {
        focus();
        location.hash = sessionHref(sessionId);
        shown.close();
      };
    } catch {
      // Some phones show notifications of service workers only.
      this.state.set("unsupported");
    }
  }
}
