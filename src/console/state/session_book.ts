// The sessions of the server as this page knows them: read once for each connection, then kept by events. Pages only
// read it.
import { type Client, pages, type SessionEvent, type SessionInfo } from "../../client/browser.ts";
import { Cell } from "../app/cell.ts";
import { isFields, text } from "../text/read.ts";

/** A session and what only this page remembers of it. */
export interface SessionEntry extends SessionInfo {
  /** Why its last run failed. */
  readonly failure?: string;
}

/** Sessions of one answer. */
const PAGE = 200;

/** The events that a list of sessions needs; those of dialogs are among them. */
export const BOOK_EVENTS: readonly string[] = [
  "agent_start",
  "agent_settled",
  "session_info_changed",
  "thinking_level_changed",
  "model_changed",
  "compaction_start",
  "compaction_end",
  "session_replaced",
  "budget_exceeded",
  "turn_stalled",
  "extension_ui_request",
  "extension_ui_resolved",
];

/** All sessions that this page's token sees. */
export class SessionBook {
  readonly entries = new Cell<ReadonlyMap<string, SessionEntry>>(new Map());
  /** Whether the list has been read. */
  readonly ready = new Cell(false);
  #client: Client | undefined;
  /** Sessions that the server has named since the list was begun. */
  #seen = new Set<string>();

  /** Reads the list anew. */
  async refresh(client: Client): Promise<void> {
    this.#client = client;
    const seen = this.#seen = new Set<string>();
    // The latest sessions are on the screen before the others are known.
    for await (const page of pages(client, "list_sessions", { limit: PAGE })) {
      if (this.#seen !== seen) return;
      const entries = new Map(this.entries.value);
      for (const info of page) {
        seen.add(info.sessionId);
        const failure = entries.get(info.sessionId)?.failure;
        entries.set(info.sessionId, failure === undefined ? info : { ...info, failure });
      }
      this.entries.set(entries);
      this.ready.set(true);
    }
    // Sessions that were deleted while there was no connection.
    if (this.#seen === seen) {
      this.entries.set(new Map([...this.entries.value].filter(([id]) => seen.has(id))));
    }
  }

  /** Takes the state of one session, newer than what is known. */
  put(info: SessionInfo): void {
    this.#seen.add(info.sessionId);
    const entries = new Map(this.entries.value);
    const failure = entries.get(info.sessionId)?.failure;
    entries.set(info.sessionId, failure === undefined ? info : { ...info, failure });
    this.entries.set(entries);
  }

  /** Takes an event of a session. */
  apply(sessionId: string, event: SessionEvent): void {
    switch (event.type) {
      case "agent_start":
        return this.#change(sessionId, { isStreaming: true, lastActivityAt: new Date().toISOString() }, true);
      case "agent_settled":
        this.#change(sessionId, { isStreaming: false, lastActivityAt: new Date().toISOString() });
        if (text(event, "stopReason") === "error") {
          this.#change(sessionId, { failure: "The last run failed" });
        }
        return void this.#read(sessionId);
      case "session_info_changed":
        return this.#change(sessionId, { sessionName: text(event, "name") });
      case "thinking_level_changed":
        return void this.#read(sessionId);
      case "model_changed":
        if (isFields(event["model"])) void this.#read(sessionId);
        return;
      case "compaction_start":
        return this.#change(sessionId, { isCompacting: true });
      case "compaction_end":
        return this.#change(sessionId, { isCompacting: false });
      case "budget_exceeded":
      case "session_replaced":
        return void this.#read(sessionId);
    }
  }

  /** Takes an event of the server. */
  serverEvent(type: string, data: Readonly<Record<string, unknown>>): void {
    const sessionId = text(data, "sessionId");
    if (type === "session_deleted" || (type === "session_crashed" && text(data, "status") === "deleted")) {
      const entries = new Map(this.entries.value);
      if (entries.delete(sessionId)) this.entries.set(entries);
    } else if (type === "session_parked") this.#change(sessionId, { status: "parked", isStreaming: false });
    else if (["session_created", "session_resumed", "session_crashed"].includes(type)) {
      void this.#read(sessionId);
    }
  }

  #change(sessionId: string, change: Partial<SessionEntry>, fresh = false): void {
    const entry = this.entries.value.get(sessionId);
    if (entry === undefined) return;
    const { failure: _failure, ...rest } = entry;
    this.entries.set(new Map(this.entries.value).set(sessionId, { ...fresh ? rest : entry, ...change }));
  }

  /** Reads the state of one session; it may be gone by then. */
  async #read(sessionId: string): Promise<void> {
    try {
      const info = await this.#client?.request("get_state", { sessionId });
      if (info !== undefined) this.put(info);
    } catch {
      // It was deleted meanwhile, or the connection is lost: the next list tells.
    }
  }
}

/** What a session is doing, for a list. */
export type Doing = "waits" | "works" | "failed" | "idle" | "parked";

/** What a session is doing. */
export function doing(entry: SessionEntry, dialogs: number): Doing {
  if (dialogs > 0) return "waits";
  if (entry.isStreaming || entry.isCompacting) return "works";
  if (entry.budget?.exceeded !== undefined || entry.failure !== undefined) return "failed";
  return entry.status === "parked" ? "parked" : "idle";
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The name that people gave it, else its id; of an id that the server chose the beginning, after its folder. */
export function nameOf(
  entry: { readonly sessionId: string; readonly sessionName?: string; readonly cwd: string } | undefined,
): string {
  if (entry === undefined) return "";
  const { sessionId, sessionName = "", cwd } = entry;
  if (sessionName.trim() !== "") return sessionName.trim();
  return UUID.test(sessionId)
    ? `${cwd.split(/[\\/]/).at(-1) ?? ""} ${sessionId.slice(0, 8)}`.trim()
    : sessionId;
}

/** Why a budget stops the session, as a sentence. */
export function budgetSentence(entry: SessionInfo): string | undefined {
  const limit = entry.budget?.exceeded;
  if (limit === "maxUsd") return "The session has spent its money";
  if (limit === "maxTurns") return "The session has used its turns";
  return limit === "maxWallMs" ? "The session has used its time" : undefined;
}
