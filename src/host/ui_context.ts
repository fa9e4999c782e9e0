// The `ctx.ui` that extensions get. Notices become events; a dialog is cancelled at once, with a warning, as
// long as no client can answer one; what needs a terminal degrades as it does in pi's own RPC mode.
import type { SessionEvent } from "../protocol/events.ts";

/** What the UI of one session needs. */
export interface UiParts {
  emit(event: SessionEvent): void;
  requestId(): string;
  /** pi's theme object, for extensions that style text. */
  theme(): unknown;
}

/** Builds the UI; the shape is pi 0.73.1's ExtensionUIContext, checked where pi.ts hands it over. */
export function uiContext(parts: UiParts) {
  const notice = (method: string, fields: Record<string, unknown>): void =>
    parts.emit({ type: "extension_ui_request", requestId: parts.requestId(), method, ...fields });
  const cancelled = (method: string, title: string): void =>
    parts.emit({
      type: "extension_error",
      extensionPath: "",
      event: "ui",
      error: `The ${method} dialog "${title}" was cancelled: this server cannot show dialogs to clients`,
    });
  const setEditorText = (text: string): void => notice("set_editor_text", { text });
  return {
    select(title: string): Promise<string | undefined> {
      cancelled("select", title);
      return Promise.resolve(undefined);
    },
    confirm(title: string): Promise<boolean> {
      cancelled("confirm", title);
      return Promise.resolve(false);
    },
    input(title: string): Promise<string | undefined> {
      cancelled("input", title);
      return Promise.resolve(undefined);
    },
    editor(title: string): Promise<string | undefined> {
      cancelled("editor", title);
      return Promise.resolve(undefined);
    },
    notify(message: string, notifyType?: "info" | "warning" | "error"): void {
      notice("notify", { message, ...(notifyType === undefined ? {} : { notifyType }) });
    },
    setStatus(statusKey: string, statusText: string | undefined): void {
      notice("setStatus", { statusKey, ...(statusText === undefined ? {} : { statusText }) });
    },
    setWidget(widgetKey: string, content: unknown, options?: { placement?: string }): void {
      // Widgets made of components need a terminal; lists of lines do not.
      if (content !== undefined && !Array.isArray(content)) return;
      const placement = options?.placement;
      notice("setWidget", {
        widgetKey,
        ...(content === undefined ? {} : { widgetLines: content }),
        ...(placement === undefined ? {} : { widgetPlacement: placement }),
      });
    },
    setTitle(title: string): void {
      notice("setTitle", { title });
    },
    setEditorText,
    pasteToEditor: setEditorText,
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
    get theme() {
      return parts.theme();
    },
  };
}
