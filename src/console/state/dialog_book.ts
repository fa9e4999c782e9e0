// The open dialogs of all sessions: read for each connection, then kept by events. Answers go out from here. A dialog
// leaves when the server says that it is over, whichever client answered it.
import { type Client, RequestError, type SessionEvent } from "../../client/browser.ts";
import { Cell } from "../app/cell.ts";
import { type Fields, number, text } from "../text/read.ts";

/** A question of an extension. */
export interface OpenDialog {
  readonly sessionId: string;
  readonly requestId: string;
  readonly method: "select" | "confirm" | "input" | "editor";
  readonly title: string;
  readonly message: string;
  readonly options: readonly string[];
  readonly placeholder: string;
  readonly prefill: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly timeoutMs: number | undefined;
}

const METHODS = ["select", "confirm", "input", "editor"] as const;
/** A person does not look through more than this. */
const MOST_OPTIONS = 500;

/** The dialog that fields of the wire tell; undefined for what asks nothing. */
export function dialogOf(sessionId: string, told: Fields, now: number): OpenDialog | undefined {
  const method = METHODS.find((one) => one === told["method"]);
  const requestId = text(told, "requestId");
  if (method === undefined || requestId === "") return undefined;
  const options = Array.isArray(told["options"]) ? told["options"].map(String).slice(0, MOST_OPTIONS) : [];
  const since = Date.parse(text(told, "createdAt"));
  return {
    ...{ sessionId, requestId, method, options },
    title: text(told, "title"),
    message: text(told, "message"),
    placeholder: text(told, "placeholder"),
    prefill: text(told, "prefill"),
    since: Number.isNaN(since) ? now : since,
    timeoutMs: number(told, "timeoutMs"),
  };
}

/** All open dialogs. */
export class DialogBook {
  readonly open = new Cell<readonly OpenDialog[]>([]);
  /** Called with a dialog that has just been opened. */
  onOpen: (dialog: OpenDialog) => void = () => {};
  #client: Client | undefined;

  /** Reads the list anew. */
  async refresh(client: Client): Promise<void> {
    this.#client = client;
    const { requests } = await client.request("list_pending_ui", {});
    const now = Date.now();
    this.open.set(
      requests.map((one) => dialogOf(one.sessionId, { ...one }, now)).filter((one) => one !== undefined),
    );
  }

  /** Takes an event of a session. */
  apply(sessionId: string, event: SessionEvent): void {
    if (event.type === "extension_ui_resolved") return this.#remove(text(event, "requestId"));
    if (event.type !== "extension_ui_request") return;
    const dialog = dialogOf(sessionId, event, Date.now());
    if (dialog === undefined) return;
    if (this.open.value.some(({ requestId }) => requestId === dialog.requestId)) return;
    this.open.set([...this.open.value, dialog]);
    this.onOpen(dialog);
  }

  /** A session is gone, and its dialogs with it. */
  forget(sessionId: string): void {
    this.open.set(this.open.value.filter((dialog) => dialog.sessionId !== sessionId));
  }

  /** Answers a dialog; `null` cancels it. Says whether another client was quicker. */
  async answer(dialog: OpenDialog, answer: string | boolean | null): Promise<"answered" | "late"> {
    const { sessionId, requestId, method } = dialog;
    const response = answer === null
      ? { method: "cancelled" } as const
      : method === "confirm"
      ? { method, confirmed: answer === true }
      : { method, value: String(answer) };
    try {
      await this.#client?.request("extension_ui_response", { sessionId, requestId, response });
      this.#remove(requestId);
      return "answered";
    } catch (error) {
      if (!(error instanceof RequestError && error.code.startsWith("ui_"))) throw error;
      this.#remove(requestId);
      return "late";
    }
  }

  #remove(requestId: string): void {
    this.open.set(this.open.value.filter((dialog) => dialog.requestId !== requestId));
  }
}
