// Colours code: one expression for each family of languages finds comments, texts, numbers, keywords and names. Good
// enough to read by, small enough for the page. Everything comes out escaped. Pure.

/** Text for a page, also inside an attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}

interface Family {
  /** One alternative for each kind, in this order: comment, text, number, word. */
  readonly tokens: RegExp;
  readonly keywords: ReadonlySet<string>;
}

const NUMBER = String.raw`\b(?:0[xob][\da-f_]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?)n?\b`;
const QUOTED = String.raw`"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?`;
const TEMPLATE = "`(?:\\\\[^]|[^`\\\\])*`?";
const WORD = String.raw`[A-Za-z_$][\w$]*`;

function family(comment: string, text: string, keywords: string, word = WORD): Family {
  return {
    tokens: new RegExp(`(${comment})|(${text})|(${NUMBER})|(${word})`, "gi"),
    keywords: new Set(keywords.split(" ")),
  };
}

const C_COMMENT = String.raw`//[^\n]*|/\*[^]*?(?:\*/|$)`;
const HASH_COMMENT = String.raw`#[^\n]*`;

const SCRIPT = family(
  C_COMMENT,
  `${QUOTED}|${TEMPLATE}`,
  "abstract as async await break case catch class const continue declare default delete do else enum export " +
    "extends false finally for from function get if implements import in infer instanceof interface is keyof let " +
    "namespace new null of override private protected public readonly return satisfies set static super switch " +
    "this throw true try type typeof undefined unknown using var void while with yield",
);
const COMPILED = family(
  C_COMMENT,
  String.raw`"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])'`,
  "abstract as async auto await bool boolean break case catch chan char class const continue crate default defer " +
    "delete do double dyn else enum extends extern false final float fn for foreach func function go goto if impl " +
    "implements import in include inline int interface internal is let long loop map match mod move mut namespace " +
    "new nil null nullptr override package private protected pub public range readonly ref return select self " +
    "short signed sizeof static string struct super switch template this throw throws trait true try type typedef " +
    "typename union unsafe unsigned use using val var virtual void volatile when where while yield",
);
const PYTHON = family(
  HASH_COMMENT,
  String.raw`"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${QUOTED}`,
  "and as assert async await break class continue def del elif else except False finally for from global if import " +
    "in is lambda match None nonlocal not or pass raise return self True try while with yield " +
    "begin do end ensure module nil require rescue then unless until when",
);
const SHELL = family(
  String.raw`(?<![\w$&])#[^\n]*`,
  String.raw`"(?:\\.|[^"\\])*"?|'[^']*'?`,
  "case cd do done echo elif else esac eval exec exit export fi for function if in local read return set shift " +
    "source sudo then trap unset until while",
  String.raw`\$\{?[\w@#?*!-]+\}?|[A-Za-z_][\w-]*`,
);
const DATA = family(String.raw`(?<![\w&])#[^\n]*|//[^\n]*`, QUOTED, "true false null yes no on off");
const SQL = family(
  String.raw`--[^\n]*|/\*[^]*?(?:\*/|$)`,
  QUOTED,
  "add all alter and as asc begin between by case check column commit constraint create default delete desc " +
    "distinct drop else end exists foreign from full group having if in index inner insert into is join key left " +
    "like limit not null offset on or order outer primary references right rollback select set table then union " +
    "unique update using values view when where with",
);
const MARKUP: Family = {
  tokens: /(<!--[^]*?(?:-->|$))|("[^"\n<>]*"|'[^'\n<>]*')|(&[#\w]+;)|(<\/?[\w:-]+|\/?>)/g,
  keywords: new Set(),
};
const STYLE = family(
  String.raw`/\*[^]*?(?:\*/|$)`,
  QUOTED,
  "important media supports import layer container from to and not",
  String.raw`@?[A-Za-z_-][\w-]*`,
);

const NAMES: readonly (readonly [Family, string])[] = [
  [SCRIPT, "js javascript jsx mjs cjs ts typescript tsx mts"],
  [COMPILED, "c h cpp cc hpp c++ cs csharp java kotlin kt go golang rust rs swift scala dart php zig proto"],
  [PYTHON, "py python rb ruby pyi"],
  [SHELL, "sh bash zsh shell console fish dockerfile make makefile"],
  [DATA, "json jsonc json5 yaml yml toml ini conf env properties"],
  [SQL, "sql"],
  [MARKUP, "html xml svg vue svelte htm"],
  [STYLE, "css scss less"],
];
const FAMILIES: ReadonlyMap<string, Family> = new Map(
  NAMES.flatMap(([one, names]) => names.split(" ").map((name) => [name, one] as const)),
);
/** Longer code stays plain: colours would cost a frame. */
const MOST_CHARS = 60_000;

/** The language of a file, from its name. */
export function languageOf(path: string): string {
  const name = path.split(/[\\/]/).at(-1)?.toLowerCase() ?? "";
  return name.includes(".") ? name.split(".").at(-1) ?? "" : name;
}

/** The code as HTML. */
export function highlight(code: string, language: string): string {
  if (code.length > MOST_CHARS) return escapeHtml(code);
  const name = language.toLowerCase();
  if (name === "diff" || name === "patch") return diffLines(code);
  const one = FAMILIES.get(name);
  if (one === undefined) return escapeHtml(code);
  let html = "";
  let at = 0;
  for (const match of code.matchAll(one.tokens)) {
    const [whole, comment, text, number, word] = match;
    if (whole === "") continue;
    const kind = comment !== undefined
      ? "c"
      : text !== undefined
      ? "s"
      : number !== undefined
      ? "n"
      : kindOf(word ?? "", one, code.charAt(match.index + whole.length));
    html += escapeHtml(code.slice(at, match.index));
    html += kind === "" ? escapeHtml(whole) : `<span class="hl-${kind}">${escapeHtml(whole)}</span>`;
    at = match.index + whole.length;
  }
  return html + escapeHtml(code.slice(at));
}

function kindOf(word: string, one: Family, next: string): string {
  if (one === MARKUP || one.keywords.has(word)) return "k";
  if (one === SQL && one.keywords.has(word.toLowerCase())) return "k";
  if (word.startsWith("$") && one === SHELL) return "n";
  if (next === "(") return "f";
  return next === ":" && (one === DATA || one === STYLE) ? "f" : "";
}

function diffLines(code: string): string {
  return code.split("\n").map((line) => {
    const kind = line.startsWith("+")
      ? "add"
      : line.startsWith("-")
      ? "del"
      : line.startsWith("@")
      ? "f"
      : "";
    return kind === "" ? escapeHtml(line) : `<span class="hl-${kind}">${escapeHtml(line)}</span>`;
  }).join("\n");
}
