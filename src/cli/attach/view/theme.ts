// Colours and attributes of everything that is drawn. Without colours (NO_COLOR, or a terminal that has none) bold,
// dim, italic and reverse remain. Only this file writes SGR sequences. Pure.
import type { EditorTheme, MarkdownTheme, SelectListTheme } from "@mariozechner/pi-tui";

/** Puts a style around a text. */
export type Style = (text: string) => string;

/** All styles. */
export interface Theme {
  readonly accent: Style;
  readonly muted: Style;
  readonly error: Style;
  readonly warning: Style;
  readonly success: Style;
  readonly added: Style;
  readonly removed: Style;
  readonly bold: Style;
  readonly italic: Style;
  readonly reverse: Style;
  readonly user: Style;
  readonly markdown: MarkdownTheme;
  readonly select: SelectListTheme;
  readonly editor: EditorTheme;
}

const sgr = (on: string, off: string): Style => (text) =>
  text === "" ? text : `\x1b[${on}m${text}\x1b[${off}m`;
const plain: Style = (text) => text;

/** The theme, with or without colours. */
export function themeOf(colours: boolean): Theme {
  const colour = (code: string): Style => colours ? sgr(code, "39") : plain;
  const bold = sgr("1", "22");
  const dim = sgr("2", "22");
  const italic = sgr("3", "23");
  const underline = sgr("4", "24");
  const accent = colours ? colour("36") : bold;
  const muted = colours ? colour("90") : dim;
  const select: SelectListTheme = {
    selectedPrefix: accent,
    selectedText: colours ? accent : bold,
    description: muted,
    scrollInfo: muted,
    noMatch: muted,
  };
  return {
    accent,
    muted,
    error: colours ? colour("31") : bold,
    warning: colour("33"),
    success: colour("32"),
    added: colour("32"),
    removed: colour("31"),
    bold,
    italic,
    reverse: sgr("7", "27"),
    user: bold,
    select,
    editor: { borderColor: muted, selectList: select },
    markdown: {
      heading: colours ? colour("33") : bold,
      link: colour("34"),
      linkUrl: muted,
      code: colour("36"),
      codeBlock: colour("32"),
      codeBlockBorder: muted,
      quote: italic,
      quoteBorder: muted,
      hr: muted,
      listBullet: accent,
      bold,
      italic,
      strikethrough: sgr("9", "29"),
      underline,
    },
  };
}
