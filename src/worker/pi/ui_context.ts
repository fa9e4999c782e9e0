// Does: makes the `ctx.ui` of extensions: dialogs go to clients, notices become events.
// Used by: live_session.ts. Calls that need a terminal do the same as in pi's own RPC mode.
// Invariant: the shape is the ExtensionUIContext of pi 0.73.1.
import { errorMessage } from "../../base/error_message.ts";
import { defined } from "../../base/json.ts";
import type { SessionEvent } from "../../protocol/events.ts";
import type { Answer, Question } from "../session/dialogs.ts";

export interface UiParts {
  emit(event: SessionEvent): void;
  ask(question: Question): Promise<Answer>;
  requestId(): string;
  /** pi's theme object, for extensions that style text. */
  theme(): unknown;
}

/** Options of a dialog. `timeout` is in milliseconds. */
interface DialogOptions {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

function bounds(options: DialogOptions | undefined): Pick<Question, "signal" | "timeoutMs"> {
  const { signal, timeout } = options ?? {};
  return {
    ...defined({ signal }),
    // For pi, 0 means "no timeout".
    ...(timeout ? { timeoutMs: timeout } : {}),
  };
}

const asText = (answer: Answer): string | undefined => typeof answer === "string" ? answer : undefined;

/** Makes a string of any value. Extensions ignore types, and clients rely on the schema. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : errorMessage(value);
}

function dialogs(parts: UiParts) {
  return {
    async select(title: string, options: string[], more?: DialogOptions): Promise<string | undefined> {
      const texts = [...options].map(textOf);
      const fields = { options: texts };
      const question = { method: "select", title: textOf(title), options: texts, fields } as const;
      return asText(await parts.ask({ ...question, ...bounds(more) }));
    },
    async confirm(title: string, message: string, more?: DialogOptions): Promise<boolean> {
      const question = {
        method: "confirm",
        title: textOf(title),
        fields: { message: textOf(message) },
      } as const;
      return await parts.ask({ ...question, ...bounds(more) }) === true;
    },
    async input(title: string, placeholder?: string, more?: DialogOptions): Promise<string | undefined> {
      const fields = placeholder === undefined ? {} : { placeholder: textOf(placeholder) };
      return asText(await parts.ask({ method: "input", title: textOf(title), fields, ...bounds(more) }));
    },
    async editor(title: string, prefill?: string): Promise<string | undefined> {
      const fields = prefill === undefined ? {} : { prefill: textOf(prefill) };
      return asText(await parts.ask({ method: "editor", title: textOf(title), fields }));
    },
  };
}

const NOTIFY_TYPES: readonly unknown[] = ["info", "warning", "error"];

function notices(parts: UiParts) {
  const tell = (method: string, fields: Record<string, unknown>): void =>
    parts.emit({ type: "extension_ui_request", requestId: parts.requestId(), method, ...fields });
  const setEditorText = (text: unknown): void => tell("set_editor_text", { text: textOf(text) });
  return {
    notify(message: unknown, notifyType?: unknown): void {
      const known = NOTIFY_TYPES.includes(notifyType);
      tell("notify", { message: textOf(message), ...(known ? { notifyType } : {}) });
    },
    setStatus(statusKey: unknown, statusText: unknown): void {
      const text = statusText === undefined ? {} : { statusText: textOf(statusText) };
      tell("setStatus", { statusKey: textOf(statusKey), ...text });
    },
    setWidget(widgetKey: unknown, content: unknown, options?: { placement?: string }): void {
      // Widgets made of components need a terminal. Lists of lines do not.
      if (content !== undefined && !Array.isArray(content)) return;
      const placement = options?.placement;
      tell("setWidget", {
        widgetKey: textOf(widgetKey),
        ...(content === undefined ? {} : { widgetLines: content.map(textOf) }),
        ...(placement === undefined ? {} : { widgetPlacement: textOf(placement) }),
      });
    },
    setTitle: (title: unknown): void => tell("setTitle", { title: textOf(title) }),
    setEditorText,
    pasteToEditor: setEditorText,
  };
}

/** Calls that only a terminal can serve, as in pi's RPC mode. */
const WITHOUT_TERMINAL = {
  getEditorText: (): string => "",
  custom: <T>(): Promise<T> => Promise.resolve(undefined as T),
  onTerminalInput: (): () => void => () => {},
  setWorkingMessage(): void {},
  setWorkingVisible(): void {},
  setWorkingIndicator(): void {},
  setHiddenThinkingLabel(): void {},
  setFooter(): void {},
  setHeader(): void {},
  setEditorComponent(): void {},
  getEditorComponent: (): undefined => undefined,
  addAutocompleteProvider(): void {},
  getAllThemes: (): { name: string; path: string | undefined }[] => [],
  getTheme: (): undefined => undefined,
  setTheme: (): { success: boolean; error?: string } => ({
    success: false,
    error: "Themes cannot be switched through pi-server",
  }),
  getToolsExpanded: (): boolean => false,
  setToolsExpanded(): void {},
};

/** Builds the UI of one session. */
export function uiContext(parts: UiParts) {
  return {
    ...WITHOUT_TERMINAL,
    ...dialogs(parts),
    ...notices(parts),
    get theme() {
      return parts.theme();
    },
  };
}
