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

/** Words that the languages of several families share. */
const SHARED = {
  all: "as async await break class continue do else for if import in is return try while yield",
  typed: "abstract case catch const default delete enum extends false function implements interface let " +
    "namespace new null override private protected public readonly static super switch this throw true " +
    "type using var void",
};

const SCRIPT = family(
  C_COMMENT,
  `${QUOTED}|${TEMPLATE}`,
  `${SHARED.all} ${SHARED.typed} ` +
    "declare export finally from get infer instanceof keyof of satisfies set typeof undefined unknown " +
    "with",
);
const COMPILED = family(
  C_COMMENT,
  String.raw`"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])'`,
  `${SHARED.all} ${SHARED.typed} ` +
    "auto bool boolean chan char crate defer double dyn extern final float fn foreach func go goto impl " +
    "include inline int internal long loop map match mod move mut nil nullptr package pub range ref " +
    "select self short signed sizeof string struct template throws trait typedef typename union unsafe " +
    "unsigned use val virtual volatile when where",
);
const PYTHON = family(
  HASH_COMMENT,
  String.raw`"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${QUOTED}`,
  `${SHARED.all} ` +
    "and assert begin def del elif end ensure except False finally from global lambda match module nil " +
    "None nonlocal not or pass raise require rescue self then True unless until when with",
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
