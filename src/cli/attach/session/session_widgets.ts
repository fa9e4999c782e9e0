// What extensions show beside the transcript of one session: status texts, widgets above and below the editor, a
// title, and sentences. Pure.
import { type Fields, listOf, rawText, textOf } from "../transcript/fields.ts";
import { sanitize, sanitizeLine } from "../view/sanitize.ts";

/** A sentence of an extension. */
export interface Said {
  readonly level: "info" | "warning" | "error";
  readonly text: string;
}

/** Lines of one widget that are shown. */
const MOST_LINES = 10;
/** Widgets and status texts of one session that are kept. */
const MOST_KEPT = 32;

/** What extensions show of one session. */
export class SessionWidgets {
  readonly #status = new Map<string, string>();
  readonly #widgets = new Map<string, { readonly below: boolean; readonly lines: readonly string[] }>();
  title: string | undefined;

  /** All status texts, in the order of their keys. */
  get status(): string {
    return [...this.#status].sort(([a], [b]) => a < b ? -1 : 1).map(([, text]) => text).join("  ");
  }

  /** Lines above the editor, or below it. */
  lines(below: boolean): readonly string[] {
    return [...this.#widgets.values()].filter((widget) => widget.below === below).flatMap(({ lines }) =>
      lines
    );
  }

  /** Takes an event; returns what an extension says by it, if it does. */
  apply(event: Fields): Said | undefined {
    if (event["type"] !== "extension_ui_request") return undefined;
    switch (event["method"]) {
      case "notify": {
        const type = rawText(event, "notifyType");
        return {
          level: type === "warning" || type === "error" ? type : "info",
          text: textOf(event, "message"),
        };
      }
      case "setStatus":
        put(this.#status, rawText(event, "statusKey"), rawText(event, "statusText"), sanitizeLine);
        return undefined;
      case "setWidget": {
        const lines = event["widgetLines"] === undefined ? undefined : listOf(event, "widgetLines");
        const below = event["widgetPlacement"] === "belowEditor";
        put(this.#widgets, rawText(event, "widgetKey"), lines, (given) => ({
          below,
          lines: given.slice(0, MOST_LINES).map((line) => sanitize(String(line)).replaceAll("\n", " ")),
        }));
        return undefined;
      }
      case "setTitle":
        this.title = sanitizeLine(textOf(event, "title"));
        return undefined;
      default:
        return undefined;
    }
  }
}

function put<G, V>(
  map: Map<string, V>,
  key: string | undefined,
  given: G | undefined,
  made: (given: G) => V,
): void {
  if (key === undefined) return;
  if (given === undefined) map.delete(key);
  else if (map.has(key) || map.size < MOST_KEPT) map.set(key, made(given));
}
