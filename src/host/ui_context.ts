// The `ctx.ui` that extensions get: dialogs go to clients and come back, notices become events, and what
// needs a terminal degrades as it does in pi's own RPC mode. The shape is pi 0.73.1's ExtensionUIContext.
import type { SessionEvent } from "../protocol/events.ts";
import type { Answer, Question } from "./dialogs.ts";

/** What the UI of one session needs. */
export interface UiParts {
  emit(event: SessionEvent): void;
  ask(question: Question): Promise<Answer>;
  requestId(): string;
  /** pi's theme object, for extensions that style text. */
  theme(): unknown;
}

/** What extensions may say about a dialog; `timeout` in milliseconds. */
interface DialogOptions {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

function bounds(options: DialogOptions | undefined): Pick<Question, "signal" | "timeoutMs"> {
  const { signal, timeout } = options ?? {};
  return {
    ...(signal === undefined ? {} : { signal }),
    // pi takes 0 for "no timeout".
    ...(timeout ? { timeoutMs: timeout } : {}),
  };
}

const asText = (answer: Answer): string | undefined => typeof answer === "string" ? answer : undefined;

function dialogs(parts: UiParts) {
  return {
    async select(title: string, options: string[], more?: DialogOptions): Promise<string | undefined> {
      const fields = { options: [...options] };
      return asText(await parts.ask({ method: "select", title, options, fields, ...bounds(more) }));
    },
    async confirm(title: string, message: string, more?: DialogOptions): Promise<boolean> {
      return await parts.ask({ method: "confirm", title, fields: { message }, ...bounds(more) }) === true;
    },
    async input(title: string, placeholder?: string, more?: DialogOptions): Promise<string | undefined> {
      const fields = placeholder === undefined ? {} : { placeholder };
      return asText(await parts.ask({ method: "input", title, fields, ...bounds(more) }));
    },
    async editor(title: string, prefill?: string): Promise<string | undefined> {
      return asText(
        await parts.ask({ method: "editor", title, fields: prefill === undefined ? {} : { prefill } }),
      );
    },
  };
}

function notices(parts: UiParts) {
  const tell = (method: string, fields: Record<string, unknown>): void =>
    parts.emit({ type: "extension_ui_request", requestId: parts.requestId(), method, ...fields });
  const setEditorText = (text: string): void => tell("set_editor_text", { text });
  return {
    notify(message: string, notifyType?: "info" | "warning" | "error"): void {
      tell("notify", { message, ...(notifyType === undefined ? {} : { notifyType }) });
    },
    setStatus(statusKey: string, statusText: string | undefined): void {
      tell("setStatus", { statusKey, ...(statusText === undefined ? {} : { statusText }) });
    },
    setWidget(widgetKey: string, content: unknown, options?: { placement?: string }): void {
      // Widgets made of components need a terminal; lists of lines do not.
      if (content !== undefined && !Array.isArray(content)) return;
      const placement = options?.placement;
      tell("setWidget", {
        widgetKey,
        ...(content === undefined ? {} : { widgetLines: content }),
        ...(placement === undefined ? {} : { widgetPlacement: placement }),
      });
    },
    setTitle: (title: string): void => tell("setTitle", { title }),
    setEditorText,
    pasteToEditor: setEditorText,
  };
}

/** What a terminal alone can do, as pi's RPC mode has it. */
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
