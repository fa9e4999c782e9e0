// Everything that the pages share, made once by main.tsx and found by every component.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { SessionEvent } from "../../client/browser.ts";
import { DialogBook } from "../state/dialog_book.ts";
import { MetricsLog } from "../state/metrics_log.ts";
import { Notifier } from "../state/notifier.ts";
import { BOOK_EVENTS, SessionBook } from "../state/session_book.ts";
import { may, type Role } from "./access.ts";
import { Cell, useCell } from "./cell.ts";
import { ServerLink } from "./link.ts";
import { Notices } from "./notices.tsx";
import { followRoute } from "./routes.ts";
import { dropToken, keepToken } from "./token.ts";

/** The console of one page. */
export class Console {
  readonly notices = new Notices();
  readonly sessions = new SessionBook();
  readonly dialogs = new DialogBook();
  readonly route = followRoute();
  readonly link: ServerLink;
  readonly metrics: MetricsLog;
  readonly notifier: Notifier;
  #version: string | undefined;
  /** The time of now, for ages; goes on every few seconds. */
  readonly now = new Cell(Date.now());

  constructor() {
    this.link = new ServerLink({
      connected: (client) => {
        this.#sameVersion(client.greeting.data.version);
        Promise.all([this.sessions.refresh(client), this.dialogs.refresh(client)])
          .catch((error) => this.notices.failed(error));
        this.metrics.start();
      },
      event: (sessionId, event) => this.hear(sessionId, event),
      serverEvent: (type, data) => {
        this.sessions.serverEvent(type, data);
        if (type === "session_deleted" && typeof data["sessionId"] === "string") {
          this.dialogs.forget(data["sessionId"]);
        }
        if (type === "server_shutdown") this.notices.done("The server shuts down");
      },
    }, BOOK_EVENTS);
    this.metrics = new MetricsLog(this.link, this.sessions);
    this.notifier = new Notifier(this.sessions, this.dialogs, this.route);
    setInterval(() => this.now.set(Date.now()), 5000);
  }

  /** This page belongs to the server that sent it; another version may speak otherwise. */
  #sameVersion(version: string): void {
    this.#version ??= version;
    if (version !== this.#version) this.notices.done("The server was updated: reload this page");
  }

  /** Takes an event of a session, from whichever subscription it came. */
  hear(sessionId: string, event: SessionEvent): void {
    this.sessions.apply(sessionId, event);
    this.dialogs.apply(sessionId, event);
    this.notifier.hear(sessionId, event);
  }

  /** Connects with another token, and keeps it for this tab. */
  enter(token: string): void {
    keepToken(token);
    void this.link.start(token);
  }

  /** Forgets the token and ends the connection. */
  leave(): void {
    dropToken();
    this.metrics.stop();
    this.link.stop();
  }

  /** Runs what a button asks for, and tells the reader when it fails. */
  async attempt<T>(work: () => Promise<T>, done?: string): Promise<T | undefined> {
    try {
      const result = await work();
      if (done !== undefined) this.notices.done(done);
      return result;
    } catch (error) {
      this.notices.failed(error);
      return undefined;
    }
  }
}

const Context = createContext<Console | undefined>(undefined);

/** Gives the console to the components below. */
export const ConsoleProvider = Context.Provider;

/** The console of this page. */
export function useConsole(): Console {
  const found = useContext(Context);
  if (found === undefined) throw new Error("a component stands outside of the console");
  return found;
}

/** Whether this page's token covers that role. */
export function useMay(role: Role): boolean {
  return may(useCell(useConsole().link.access), role);
}
